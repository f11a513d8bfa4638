"""Every chapter's twin can be published, and the tool that says so sees each defect."""

import json
import os
import sys
import textwrap

import nbformat
import pytest
from nbformat.v4 import new_output

from tools import address, build, chapters

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

Prose.

```{code-cell} ipython3
:tags: [remove-cell]

SETUP
```
"""

BODY = """
```{code-cell} ipython3
from salkit import course

run = course.start()
```

```{code-cell} ipython3
---
mystnb:
  image:
    alt: A straight line rises from left to right.
---
import sys

from matplotlib import pyplot as plt
from tqdm import tqdm

for _ in tqdm(range(3), file=sys.stdout):
    print("a step")
plt.plot([0, 1])
plt.show()
```
"""

# The smallest PNG, in the way a notebook holds it.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="


def write(folder, body=BODY, setup=None):
    setup = address.current().setup_cell if setup is None else setup
    source = folder / "07-trial.md"
    source.write_text(HEADER.replace("SETUP", setup) + body)
    return source


@pytest.fixture
def source(tmp_path):
    """A chapter with a flawless twin, made by hand so that no kernel has to run."""
    source = write(tmp_path)
    notebook = chapters.regenerate(source)
    cells = chapters.code_cells(notebook)
    for count, cell in enumerate(cells, start=1):
        cell.execution_count = count
    cells[1].outputs = [new_output("stream", name="stdout", text="salkit | profile full\n")]
    cells[2].outputs = [new_output("display_data", {"image/png": PNG, "text/plain": "<Figure>"})]
    notebook.metadata["salkit"] |= {"profile": "full", "digest": chapters.digest(notebook)}
    chapters.write_twin(chapters.twin_of(source), notebook)
    return source


@pytest.mark.parametrize("chapter", chapters.chapters(), ids=lambda path: path.stem)
def test_the_stored_twin_can_be_published(chapter):
    found = chapters.problems(chapter)
    assert not found, "\n".join(found)


def test_the_table_of_contents_holds_every_page_and_chapter():
    book = chapters.BOOK
    in_book = {path.relative_to(book.parent).with_suffix("").as_posix() for path in book.rglob("*.md")}
    assert set(build.pages()) == in_book


def test_a_flawless_twin_has_no_problems(source):
    assert chapters.problems(source) == []


def png_cell(notebook):
    return chapters.code_cells(notebook)[2]


def text_output(text, kind="text/html"):
    return lambda notebook: png_cell(notebook).outputs.append(new_output("display_data", {kind: text}))


def printed(text, name="stdout"):
    return lambda notebook: png_cell(notebook).outputs.append(new_output("stream", name=name, text=text))


def set_alt(alt):
    return lambda notebook: png_cell(notebook).metadata["mystnb"]["image"].update(alt=alt)


def counts(*numbers):
    def change(notebook):
        for cell, number in zip(chapters.code_cells(notebook), numbers, strict=True):
            cell.execution_count = number

    return change


DEFECTS = {
    "another cell in the twin": (lambda n: n.cells[0].update(source="# Changed"), "out of step"),
    "another tag in the twin": (lambda n: png_cell(n).metadata.update(tags=["hide-input"]), "out of step"),
    "the record is of other code": (lambda n: n.metadata.salkit.update(digest="0"), "code cells changed"),
    "no record": (lambda n: n.metadata.pop("salkit"), "code cells changed"),
    "the fast profile": (lambda n: n.metadata.salkit.update(profile="fast"), "profile 'fast'"),
    "never executed": (counts(1, None, 2), "1 of 3 code cells were not executed"),
    "out of order": (counts(1, 3, 2), "top to bottom"),
    "executed twice": (counts(1, 2, 4), "top to bottom"),
    "an error": (
        lambda n: png_cell(n).outputs.append(new_output("error", ename="ValueError", evalue="no", traceback=[])),
        "ValueError",
    ),
    "a warning": (printed("UserWarning: beware", "stderr"), "beware"),
    "no alt text": (set_alt(""), "no alt text"),
    "a file name as alt text": (set_alt("figure-1.png"), "file name"),
    "a hash as alt text": (set_alt("0a1b2c3d4e5f60718293a4b5c6d7e8f9"), "file name"),
    "an image in HTML without alt": (text_output(f'<img src="data:image/png;base64,{PNG}">'), "<img>"),
    "a remote script": (text_output('<script src="https://cdn.example.org/x.js"></script>'), "another host"),
    "a script without a scheme": (text_output("<script async src='//cdn.example.org/x.js'></script>"), "another host"),
    "a remote module": (text_output("<script>import('https://cdn.example.org/x.js')</script>"), "another host"),
    "a remote font": (text_output("<style>@import 'x.css'</style>"), "another host"),
    "a widget": (text_output({"model_id": "1"}, "application/vnd.jupyter.widget-view+json"), "widget"),
    "a home folder": (printed("saved to /home/ada/maps.png"), "/home/ada/maps.png"),
    "a folder of this machine": (printed(f"data: {chapters.ROOT}/data"), "path of somebody"),
    "a path in a repr": (text_output("PosixPath('/tmp/x')", "text/plain"), "/tmp/x"),
    "too big": (text_output(f'<img alt="noise" src="data:image/png;base64,{"A" * 1_500_000}">'), "MB"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_seen_and_names_the_chapter(source, defect):
    change, words = DEFECTS[defect]
    notebook = chapters.read_twin(source)
    change(notebook)
    found = chapters.problems(source, notebook)
    assert any(words in problem for problem in found), found
    assert all(problem.startswith("07-trial: ") for problem in found)


@pytest.mark.parametrize(
    "harmless",
    [
        printed("100%|██████████| 3/3 [00:00<00:00, 9.5it/s]"),
        printed("see https://example.org/home/ada and 3/4 of the images"),
        text_output(f'<img alt="A slider: epoch 1" src="data:image/png;base64,{PNG}"><a href="https://x.org">x</a>'),
    ],
)
def test_harmless_outputs_are_left_alone(source, harmless):
    notebook = chapters.read_twin(source)
    harmless(notebook)
    assert chapters.problems(source, notebook) == []


def test_a_missing_twin_is_said(tmp_path):
    assert chapters.problems(write(tmp_path)) == ["07-trial: it has no twin: run make execute CHAPTER=07"]


def test_an_edited_code_cell_asks_for_another_run(source):
    source.write_text(source.read_text().replace("range(3)", "range(4)"))
    chapters.write_twin(chapters.twin_of(source), chapters.regenerate(source))
    found = chapters.problems(source)
    assert any("code cells changed" in problem and "CHAPTER=07" in problem for problem in found), found


def test_edited_prose_and_alt_text_ask_only_for_a_sync(source):
    text = source.read_text().replace("Prose.", "Better prose.").replace("A straight line", "One line")
    source.write_text(text)
    assert chapters.problems(source) == ["07-trial: the twin is out of step with its source: run make sync"]
    chapters.write_twin(chapters.twin_of(source), chapters.regenerate(source))
    assert chapters.problems(source) == []


def test_sync_gives_the_same_bytes_again_and_unique_ids(source):
    twin = chapters.twin_of(source)
    before = twin.read_bytes()
    chapters.write_twin(twin, chapters.regenerate(source))
    assert twin.read_bytes() == before
    ids = [cell.id for cell in chapters.read_twin(source).cells]
    assert len(set(ids)) == len(ids)
    nbformat.validate(chapters.read_twin(source))


def edit(source, old, new):
    """Change a chapter's twin as Jupyter does when a person edits a cell and saves."""
    notebook = chapters.read_twin(source)
    changed = [cell for cell in notebook.cells if old in cell.source]
    assert changed
    for cell in changed:
        cell.source = cell.source.replace(old, new)
        cell.metadata["editable"] = True
    chapters.write_twin(chapters.twin_of(source), notebook)


@pytest.mark.parametrize(("old", "new"), [("Prose.", "Prose, and my answer."), ("range(3)", "range(5)")])
def test_sync_leaves_a_notebook_with_edits_alone_and_says_what_to_do(source, capsys, old, new):
    edit(source, old, new)
    before = [path.read_bytes() for path in (source, chapters.twin_of(source))]
    assert not chapters.sync_one(source)
    said = capsys.readouterr().err
    assert "07-trial" in said and "make sync FROM=notebook CHAPTER=07" in said and "DISCARD=1 CHAPTER=07" in said
    assert not chapters.execute_one(source), "a run would drop them as well"
    assert [path.read_bytes() for path in (source, chapters.twin_of(source))] == before


def test_edits_are_taken_over_from_the_notebook_and_nothing_else_changes(source):
    text = source.read_text()
    edit(source, "Prose.", "Prose, and my answer.")
    assert chapters.sync_one(source, from_notebook=True)
    assert source.read_text() == text.replace("Prose.", "Prose, and my answer.")
    assert chapters.problems(source) == []


def test_edits_in_the_notebook_are_dropped_on_demand(source):
    before = source.read_bytes(), chapters.twin_of(source).read_bytes()
    edit(source, "Prose.", "Prose, and my answer.")
    assert chapters.sync_one(source, discard=True)
    assert (source.read_bytes(), chapters.twin_of(source).read_bytes()) == before


def test_edits_in_both_are_both_kept(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(chapters, "REFUSED", tmp_path / "refused")
    edit(source, "Prose.", "Prose of the notebook.")
    source.write_text(source.read_text().replace("# A chapter", "# The chapter"))
    before = source.read_bytes(), chapters.twin_of(source).read_bytes()
    assert not chapters.sync_one(source, from_notebook=True)
    assert "its .md was edited as well" in capsys.readouterr().err
    assert (source.read_bytes(), chapters.twin_of(source).read_bytes()) == before
    assert "Prose of the notebook." in (tmp_path / "refused" / "07-trial.md").read_text()


def test_what_jupyter_writes_by_itself_is_no_edit(source):
    notebook = chapters.read_twin(source)
    notebook.cells[0].metadata["collapsed"] = True
    notebook.cells.append(nbformat.v4.new_code_cell(""))
    chapters.write_twin(chapters.twin_of(source), notebook)
    assert chapters.sync_one(source) and chapters.problems(source) == []


def test_the_outputs_of_code_come_back_with_the_code(source, capsys):
    text, twin = source.read_text(), chapters.twin_of(source)
    before = twin.read_bytes()
    for _ in range(2):  # a second sync must not lose them either
        source.write_text(text.replace("range(3)", "range(4)"))
        assert chapters.sync_one(source)
        assert "code cells without outputs now: 3" in capsys.readouterr().out
        assert not png_cell(chapters.read_twin(source)).outputs
        assert any("code cells changed" in problem for problem in chapters.problems(source))
    source.write_text(text[: text.rindex("```{code-cell}")])
    assert chapters.sync_one(source)
    source.write_text(text)
    assert chapters.sync_one(source)
    assert twin.read_bytes() == before and chapters.problems(source) == []


@pytest.mark.parametrize("chapter", chapters.chapters(), ids=lambda path: path.stem)
def test_taking_over_one_edit_changes_one_line_of_a_real_chapter(chapter, tmp_path):
    text, notebook = chapter.read_text(), chapters.regenerate(chapter)
    assert chapters.taken_over(text, notebook) == text
    notebook.cells[1].source += " And my own line."
    changed = chapters.taken_over(text, notebook)
    (new,) = set(changed.splitlines()) - set(text.splitlines())
    assert new.endswith(" And my own line.") and len(changed.splitlines()) == len(text.splitlines())


def test_try_runs_in_fast_and_writes_nothing(source, monkeypatch, capsys):
    monkeypatch.setenv("SALKIT_PROFILE", "fast")
    monkeypatch.setenv("PYTHONPATH", str(chapters.ROOT))
    before = {path: path.read_bytes() for path in source.parent.iterdir()}
    assert chapters.try_one(source)
    said = capsys.readouterr()
    assert "in the profile fast" in said.out and " MB" in said.out and said.err == ""
    source.write_text(source.read_text().replace("A straight line rises from left to right.", "''"))
    before[source] = source.read_bytes()
    assert not chapters.try_one(source)
    assert "no alt text" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in source.parent.iterdir()} == before


def test_another_address_in_the_set_up_cell_keeps_its_outputs(source, monkeypatch):
    elsewhere = address.Address("https://github.com/somebody/else", "9.9.9")
    monkeypatch.setattr(address, "current", lambda: elsewhere)
    assert any("set-up cell" in problem for problem in chapters.problems(source))
    write(source.parent, setup=elsewhere.setup_cell)
    chapters.write_twin(chapters.twin_of(source), chapters.regenerate(source))
    assert chapters.problems(source) == []


def test_a_picture_in_the_prose_needs_alt_text(source):
    write(source.parent, "\n![](x.png)\n" + BODY)
    assert chapters.sync_one(source)
    assert any("in the prose" in problem for problem in chapters.problems(source))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["\r  0%|  | 0/2", "\r 50%|# | 1/2", "\r100%|##| 2/2", "\n"], "100%|##| 2/2\n"),
        (["long line\rshort", "\n"], "shortline\n"),
        (["one\n", "two\n"], "one\ntwo\n"),
    ],
)
def test_printed_text_ends_as_a_terminal_shows_it(pieces, expected):
    outputs = [new_output("stream", name="stdout", text=piece) for piece in pieces]
    assert [output.text for output in chapters.tidy(outputs)] == [expected]


def test_streams_of_different_names_stay_apart():
    outputs = [new_output("stream", name=name, text="x\n") for name in ("stdout", "stderr", "stdout")]
    assert [output.name for output in chapters.tidy(outputs)] == ["stdout", "stderr", "stdout"]


@pytest.fixture
def full_profile(monkeypatch):
    monkeypatch.setenv("SALKIT_PROFILE", "full")
    monkeypatch.setenv("PYTHONPATH", str(chapters.ROOT))


def test_execute_runs_a_chapter_and_records_how(tmp_path, full_profile):
    source = write(tmp_path)
    assert chapters.execute_one(source)
    assert chapters.problems(source) == []
    notebook = json.loads(chapters.twin_of(source).read_text())
    record = notebook["metadata"]["salkit"]
    assert record["profile"] == "full" and record["device"] and record["versions"]["torch"]
    if sys.platform == "linux":
        assert 50 < record["memory_mb"] < 100_000, "the most that a kernel with torch in it held"
    drawn = notebook["cells"][-1]["outputs"]
    assert drawn[-1]["output_type"] == "display_data"
    printed_lines = "".join(drawn[0]["text"])
    assert "\r" not in printed_lines and printed_lines.count("a step") == 3 and "100%" in printed_lines


def test_a_run_that_cannot_be_published_is_refused(tmp_path, full_profile, monkeypatch, capsys):
    monkeypatch.setattr(chapters, "REFUSED", tmp_path / "refused")
    source = write(tmp_path, BODY.replace('print("a step")', "print('/home/ada/x')"))
    assert not chapters.execute_one(source)
    assert not chapters.twin_of(source).exists()
    assert os.listdir(tmp_path / "refused") == ["07-trial.ipynb"]
    assert "/home/ada/x" in capsys.readouterr().err


def test_a_failing_cell_leaves_the_twin_as_it_was(source, full_profile, capsys):
    before = chapters.twin_of(source).read_bytes()
    failing = textwrap.dedent("""
        ```{code-cell} ipython3
        raise ValueError("too few images")
        ```
    """)
    source.write_text(source.read_text() + failing)
    assert not chapters.execute_one(source)
    assert chapters.twin_of(source).read_bytes() == before
    assert "too few images" in capsys.readouterr().err


def test_unknown_chapters_are_named():
    with pytest.raises(SystemExit, match="there is no chapter 99"):
        chapters.chosen(["99"])
