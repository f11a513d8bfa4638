"""The page of reproductions says what the chapters printed, and a chapter that prints something else is noticed."""

import re
from dataclasses import replace

import pytest

from tools import chapters, reproduction

ROWS = [row for rows in reproduction.ROWS.values() for row in rows]
EXECUTED = [row for rows in reproduction.executed().values() for row in rows]
COURSE = {f"{letter}{n}" for letter, last in zip("ABCDE", (9, 7, 6, 6, 5)) for n in range(1, last + 1)}
OUTPUT = "resnet18   net.layer2  on the object 0.30 [0.28, 0.33] (n = 282), hits 0.63 [0.57, 0.68] (n = 282)\n"


def test_the_page_is_what_the_tool_writes():
    assert reproduction.PAGE.read_text(encoding="utf-8") == reproduction.page(), "run python -m tools.reproduction"


def test_every_experiment_has_a_row():
    assert {row.id for row in ROWS} >= COURSE
    assert len({row.id for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", EXECUTED, ids=lambda row: row.id)
def test_our_figures_are_taken_and_not_typed(row):
    captured = reproduction.figures(row)
    used = {int(i) for i in re.findall(r"\{(\d+)\}", row.ours)}
    assert used and used <= set(range(len(captured)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_words_around_the_figures_hold_no_figure(row):
    assert not re.search(r"\d\.\d|\[[-+\d]", row.ours), "a figure in the words around the figures"


def test_a_figure_is_found_by_the_words_before_it():
    find = reproduction.find
    assert find("resnet18 net.layer2 ... hits @", OUTPUT) == ["0.63 [0.57, 0.68]"]
    assert find("on the object @ ... hits @", OUTPUT) == ["0.30 [0.28, 0.33]", "0.63 [0.57, 0.68]"]
    assert find("stops after epoch #", "stops after epoch 11, best accuracy 40.5%") == ["11"]
    assert find("| # | #", "| 4,889,834 | 62.02 % |") == ["4,889,834", "62.02 %"]
    assert find("share @", "share\n   -12.5% [-13.0%, -12.0%] (n = 3)") == ["-12.5% [-13.0%, -12.0%]"]


@pytest.mark.parametrize("pattern", ["resnet18 net.layer3 ... hits @", "layer2 @", "net18 net.layer2 @", "object @ %"])
def test_another_figure_is_not_taken_for_it(pattern):
    assert reproduction.find(pattern, OUTPUT) is None


def test_words_far_apart_do_not_belong_together():
    assert reproduction.find("fc ... accuracy #", "fc" + " and more" * 60 + " accuracy 60%") is None


@pytest.mark.parametrize("words", ["another number", "a section that is gone"])
def test_a_chapter_that_prints_something_else_is_an_error_that_names_the_row(monkeypatch, tmp_path, capsys, words):
    row = reproduction.Row("X1", "", "", "08", "Did they learn the nonsense?", ("AlexNet",), "", "partly")
    assert reproduction.figures(row) == []
    broken = replace(row, section=words) if "section" in words else replace(row, finds=("AlexNot",))
    with pytest.raises(reproduction.NoMatch, match="X1: .*chapter 08"):
        reproduction.line(broken)
    monkeypatch.setattr(reproduction, "ROWS", {"": [broken]})
    monkeypatch.setattr(reproduction, "PAGE", tmp_path / "reproduction.md")
    assert reproduction.main() == 1 and not list(tmp_path.iterdir())
    assert "X1" in capsys.readouterr().err


def test_a_chapter_that_was_not_executed_is_an_error():
    row = reproduction.Row("X2", "", "", "77", "", (), "", "partly")
    with pytest.raises(reproduction.NoMatch, match="chapter 77"):
        reproduction.figures(row)


def test_rules_follow_the_figures():
    assert reproduction.at_least(10, 53.64)(["10", "62.02 %"]) == "reproduced"
    assert reproduction.at_least(10, 53.64)(["10", "50.00 %"]) == "partly"
    assert reproduction.at_least(10, 53.64)(["9", "50.00 %"]) == "not reproduced"
    shares = ["0.32 [0.31, 0.33]", "0.60 [0.5, 0.7]", "0.61 [0.5, 0.7]", "0.62 [0.5, 0.7]", "0.5 [0, 1]", "0.3 [0, 1]"]
    assert reproduction.on_the_object(shares) == "reproduced"
    assert reproduction.on_the_object(["0.7 [0.6, 0.8]", "0.4 [0, 1]", *shares[2:3], *shares[1:2], *shares[4:]]) == (
        "not reproduced"
    )
    assert reproduction.best_sigma("0.1 0.2 0.3 0.1 -0.1 0.1 0.1 0.2 0.3 0.0".split()) == "reproduced"
    assert reproduction.best_sigma("0.1 0.2 0.3 0.1 -0.1 0.4 0.1 0.2 0.3 0.0".split()) == "partly"
    assert reproduction.best_sigma("0.1 0.4 0.3 0.1 -0.1 0.4 0.1 0.2 0.3 0.0".split()) == "not reproduced"
    assert reproduction.no_insight(["0.02 [-0.00, 0.03]", "0.9 [0.8, 1.0]", "0.2 [0.0, 0.3]"]) == "partly"
    assert reproduction.bounds("-7.1% [-12.0%, -2.0%] (n = 3)") == (-12.0, -2.0)


def test_every_link_leads_to_a_heading_as_the_page_names_it():
    assert reproduction.anchor("How long to the source's accuracy?") == "how-long-to-the-sources-accuracy"
    for name, place in re.findall(r"\]\(([\w-]+\.ipynb)#([\w-]+)\)", reproduction.PAGE.read_text(encoding="utf-8")):
        text = (chapters.BOOK / name).with_suffix(".md").read_text(encoding="utf-8")
        assert place in [reproduction.anchor(heading) for heading in re.findall(r"^##+ (.+)$", text, re.M)]
