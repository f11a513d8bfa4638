"""The page of measured times says what the benchmarks left, and what was not measured has no place on it."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import chapters as chapter_times
from benchmarks import commands, pages, recipes, training
from salkit import models
from tools import build, chapters, performance
from tools.browser import transferred

PAGE = performance.PAGE.read_text(encoding="utf-8")
VERSIONS = {"python": "3.12.1", "torch": "3.0"}
MACHINE = {"date": "2031-02-03", "cpu": "Z80", "cores": 1, "threads": 1, "gpu": None, **VERSIONS}
REACHED = {"ended": "reached", "seconds": 123.4, "epochs": 6, "accuracy": 0.55}
EARLY = {"ended": "early", "seconds": 456.7, "epochs": 9, "accuracy": 0.512}


def training_row(theirs, ours, **more):
    pairs = [(theirs, ours)]
    runs = [{"seed": 0, "source": theirs, "ours": ours}]
    return {"goal": 0.5364, "runs": runs, **training.ratio(pairs), **more}


def reader(machine=MACHINE, **results):
    """What ``report.read`` would give, of these figures and nothing else."""
    return lambda name: {"machine": machine, "figures": results[name]} if name in results else None


def rows(text, first):
    """The cells of the table rows that begin with this."""
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in text.splitlines()
        if line.startswith(f"| {first}")
    ]


def test_the_page_is_what_the_tool_writes():
    assert PAGE == performance.page(), "run python -m tools.performance"


def test_the_page_is_in_the_book():
    assert "book/performance" in build.pages()


def test_without_any_result_a_section_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(performance.chapters, "read_twin", lambda source: type("Twin", (), {"metadata": {}}))
    page = performance.page(tmp_path)
    assert re.findall(r"^##+ (.+)$", page, re.M) == ["Training", "In the end"], "what the weights themselves tell"
    assert not re.search("not measured|benchmarks\\.", page, re.I)


def test_one_more_result_changes_the_page(tmp_path):
    before = performance.page(tmp_path)
    figures = {"book": {"seconds": 30, "limit": 60}}
    (tmp_path / "commands.json").write_text(json.dumps({"machine": MACHINE, "figures": figures}))
    after = performance.page(tmp_path)
    assert after != before
    assert "| `make book` | 1 min | 50% |" in after and "`make test` |" not in after
    assert "*Measured on Z80, 1 core, 1 thread, python 3.12.1, torch 3.0; 2031-02-03.*" in after


def test_peers_are_compared_by_ratio():
    figure = {"model": "vgg11", "size": 224, "method": "occlusion"}
    figure |= {"seconds": {"salkit": 7.77}, "ratio": {"captum": 1.5}}
    text = performance.section("attribution", reader(attribution=[figure, {**figure, "peak memory (MB)": 1234.5}]))
    assert rows(text, "vgg11") == [
        ["vgg11, 224", "`occlusion`", "1.50", "–", "–", "–"],
        ["vgg11, 224", "`occlusion`", "1.50", "–", "–", "1,234 MB"],
    ]
    assert "7.77" not in text and "### On a CPU" in text and "### On a GPU" not in text


def test_training_on_a_processor_is_told_by_its_ratio_and_on_a_gpu_also_in_seconds():
    networks = {"fc": training_row(REACHED, {**REACHED, "seconds": 61.7}), "resnet18": training_row(EARLY, REACHED)}
    figures = {"networks": networks}
    on_cpu = performance.section("training", reader(training=figures))
    assert rows(on_cpu, "fc") == [["fc", "53.64%", "6", "6", "2.0"]]
    assert rows(on_cpu, "resnet18") == [["resnet18", "53.64%", "9, stopped early at 51.20%", "6", "more than 3.7"]]
    assert "123" not in on_cpu and "61.7" not in on_cpu

    gpu = reader({**MACHINE, "gpu": "H100"}, **{"training-gpu": figures})
    on_gpu = performance.section("training", gpu)
    assert rows(on_gpu, "fc") == [["fc", "53.64%", "6", "6", "123.4 s", "61.7 s", "2.0"]]
    assert "How long" not in performance.section("training", reader()), "what was not measured is not announced"


def test_the_table_of_recipes_has_the_shipped_networks_and_the_one_that_is_not():
    assert rows(performance.section("training", reader()), "`resnet18_fine`") == []
    record = models.trained_metadata("resnet18")
    fine = recipes.reached(record) | {"strides": [1, 1], "test": 0.91234}
    text = performance.section("training", reader(recipes={"resnet18_fine": fine}))
    (coarse,), (cells,) = rows(text, "`resnet18`"), rows(text, "`resnet18_fine`")
    assert coarse[1:4] == ["1, 2", str(len(record["history"]["rows"])), f"{record['test']['accuracy']:.2%}"]
    assert cells[1:4] == ["1, 1", coarse[2], "91.23%"] and cells[4:] == coarse[4:]


def test_the_epochs_of_a_recipe_are_those_of_all_its_stages():
    record = models.trained_metadata("resnet18")
    epochs = len(record["history"]["rows"])
    assert recipes.reached(record)["epochs"] == epochs
    assert recipes.reached(record | {"before": [{"epochs": 3}, {"epochs": 4, "lr": 0.1}]})["epochs"] == epochs + 7


def test_a_chapter_over_a_limit_stands_out():
    source = next(source for source in chapters.chapters() if chapters.twin_of(source).exists())
    limit, memory = chapter_times.LIMITS["gpu"]
    figures = {
        source.stem: {
            "fast": {"seconds": 12.3, "device": "cpu, 2 cores"},
            "cpu": {"seconds": limit + 1, "memory_mb": 100, "machine": "Z80, 1 core"},
            "gpu": {"seconds": limit, "memory_mb": memory + 1, "machine": "H100"},
        }
    }
    for figure in figures[source.stem].values():
        figure["digest"] = chapters.digest(chapters.read_twin(source))
    text = performance.section("chapters", reader(chapters=figures))
    (cells,) = rows(text, f"[{int(source.stem[:2])}.")
    assert cells[1:] == ["12 s", f"**{limit + 1} s**, 100 MB", f"{limit} s, **{memory + 1:,} MB**"]
    assert "small profile: cpu, 2 cores;" in text and "in full, GPU: H100." in text


def test_a_time_of_code_that_has_changed_since_is_not_shown():
    source = next(source for source in chapters.chapters() if chapters.twin_of(source).exists())
    figure = {"seconds": 12.3, "memory_mb": 100, "device": "cpu, 2 cores", "digest": "of other code"}
    text = performance.section("chapters", reader(chapters={source.stem: {"fast": figure}}))
    assert "| small profile |" not in text and "| in full, CPU |" in text


def test_a_chapter_that_no_benchmark_ran_stands_with_the_run_that_the_book_shows(monkeypatch):
    record = {"seconds": 77, "device": "cpu, 2 cores", "memory_mb": 900, "versions": VERSIONS}
    twin = type("Twin", (), {"metadata": {"salkit": record}})
    monkeypatch.setattr(performance.chapters, "read_twin", lambda source: twin)
    (cells, *_) = rows(performance.section("chapters", reader()), "[")
    assert cells[1:] == ["77 s, 900 MB"]


def test_pages_are_summed_up_and_the_heaviest_listed():
    figures = {f"book/{n}": {"bytes": 1000 * n, "first_paint_ms": 100.0} for n in range(1, 20)}
    figures["book/slow"] = {"bytes": 500, "first_paint_ms": 1500.0}
    figures["book/heavy"] = {"bytes": 1_600_000, "first_paint_ms": 200.0}
    text = performance.section("pages", reader(pages=figures))
    assert "Of 21 pages 20 are light enough and 20 quick enough; `book/slow` takes longest." in text
    listed = rows(text, "`book")
    assert listed[0] == ["`book/heavy`", "**1,600 kB**", "20%"] and listed[-1] == ["`book/slow`", "0 kB", "**150%**"]
    assert len(listed) == performance.HEAVIEST + 1


def test_smaller_sections_tell_their_ratios():
    scores = {
        "ssim": {"seconds": 2.0},
        "ssim, one by one": {"seconds": 5.0},
        "together": {"of": ["spearman"], "seconds": 1.2, "aim_seconds": 10.0},
    }
    text = performance.section("scores", reader(scores=scores))
    assert "takes 2.5 times as long" in text and "12% of the 10 s" in text and "SciPy" not in text
    ratio = {"ratio": {"median": 1.05, "quartiles": [1.01, 1.1]}}
    assert "1.05 times" in performance.section("imports", reader(import_time=ratio))
    figures = {"images": 100, "seconds": {"drawn": 8.0, "read": 0.2}, "learnt from": 50, "accuracy": {"linear": 0.345}}
    text = performance.section("scenes", reader(scenes=figures))
    assert "40 times as long" in text and "a linear classifier 34.5%" in text


# ------------------------------------------------------------------------------------------------- the benchmarks


def test_a_page_is_measured_with_all_that_it_loads(browser, tmp_path):
    (tmp_path / "style.css").write_text("h1 { color: red; }" * 100)
    (tmp_path / "picture.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
    page = tmp_path / "page.html"
    page.write_text('<link rel="stylesheet" href="style.css"><h1>Words</h1><img src="picture.svg" alt="Nothing">')
    found = pages.measure(browser, page, rounds=2)
    assert found["bytes"] == transferred(tmp_path.iterdir())
    assert found["first_paint_ms"] > 0


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_a_chapters_time_and_memory_are_those_of_its_record(monkeypatch, kind):
    record = {"device": "cpu, 2 cores" if kind == "cpu" else "H100", "memory_mb": 5000, "gpu_memory_mb": 7000}
    record["digest"] = "of its code"
    twin = type("Twin", (), {"metadata": {"salkit": record}})
    monkeypatch.setattr(chapter_times.chapters, "execute", lambda source: twin)
    figure = chapter_times.run(Path("01-trial.md"), "full")
    assert figure.pop("kind") == kind and figure["memory_mb"] == (5000 if kind == "cpu" else 7000)
    assert figure["digest"] == "of its code"
    line = chapter_times.said(kind, {**figure, "seconds": 301.0})
    assert "more than 300 s" in line and ("more than 4096 MB" in line) == (kind == "cpu")


def test_commands_run_in_this_environment_and_a_failure_is_no_measurement(monkeypatch, tmp_path):
    words = commands.command("test")
    assert words[:2] == ["make", "test"] and set(commands.LIMITS) == {"book", "test"}
    monkeypatch.setattr(commands.build, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(commands.build, "build", lambda: None)
    monkeypatch.setattr(commands, "command", lambda target: ["true"])
    (tmp_path / "stamp").touch()
    assert commands.seconds("test") > 0 and (tmp_path / "stamp").exists()
    assert commands.seconds("book") > 0 and not (tmp_path / "stamp").exists(), "the book is built anew"
    monkeypatch.setattr(commands, "command", lambda target: ["sh", "-c", "echo what happened; false"])
    with pytest.raises(SystemExit, match="what happened"):
        commands.seconds("test")
