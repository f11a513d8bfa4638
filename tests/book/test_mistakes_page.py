"""The gallery page: every wrong version fails its test as the page says, and every repair passes."""

import inspect
import re

import nbformat
import pytest

from salkit.course.check import mistakes
from tools import chapters, gallery

PAGE = (chapters.BOOK / "mistakes.md").read_text()
SECTION = re.compile(
    r"```python\n(?P<wrong>def .*?)```.*?"
    r"```python\ncheck\.mistakes\.(?P<name>\w+)\((?P<function>\w+), seed=0\)\n```\n\n"
    r"```text\n(?P<answer>.*?)\n```\n\n"
    r"<details><summary>The test</summary>\n\n```python\n(?P<test>.*?)\n```\n\n</details>\n\n?"
    r"<details><summary>A repair</summary>\n\n```python\n(?P<repair>.*?)```\n\n</details>",
    re.S,
)
FOUND = {match["name"]: match.groupdict() for match in SECTION.finditer(PAGE)}
each_mistake = pytest.mark.parametrize("name", mistakes.GALLERY)


def function(name, kind):
    """The wrong or the repaired function, from the page's own code."""
    made = {}
    exec(re.search(r"```python\n(import torch\n.*?)```", PAGE, re.S)[1], made)
    exec(FOUND[name][kind], made)
    return made[FOUND[name]["function"]]


def test_the_page_and_the_gallery_hold_the_same_mistakes():
    assert list(FOUND) == list(mistakes.GALLERY) and len(FOUND) >= 10
    headings = re.findall(r"^## (.*)$", PAGE, re.M)
    assert re.findall(r"^\| \[(.*?)\]", PAGE, re.M) == headings[: len(FOUND)]


@each_mistake
def test_the_wrong_version_fails_as_the_page_says(name):
    test, wrong = mistakes.GALLERY[name], function(name, "wrong")
    answer = repr(test(wrong, seed=0))
    digits = re.compile(r"-?\d+(\.\d+)?")  # other versions of torch may draw other numbers
    assert digits.sub("#", answer) == digits.sub("#", FOUND[name]["answer"])
    assert not any(test(wrong, seed=seed) for seed in (*range(1, 10), None))


@each_mistake
def test_the_repair_passes(name):
    test, repaired = mistakes.GALLERY[name], function(name, "repair")
    for seed in (*range(20), None):
        assert test(repaired, seed=seed), test(repaired, seed=seed)


@each_mistake
def test_the_page_prints_the_test_that_is_run(name):
    source = inspect.getsource(mistakes.GALLERY[name].test)
    assert source.split("\n", 1)[1].rstrip() == FOUND[name]["test"]  # all but the decorator


@each_mistake
def test_a_section_says_what_it_looks_like(name):
    section = next(part for part in PAGE.split("\n## ") if f"check.mistakes.{name}(" in part)
    assert section.count("**Symptom.**") == 1


def test_the_notebook_is_the_page_in_cells():
    stored = gallery.NOTEBOOK.read_text(encoding="utf-8")
    made = gallery.notebook(gallery.PAGE.read_text(encoding="utf-8"))
    assert nbformat.writes(made) + "\n" == stored, "run make sync"
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    for name, parts in FOUND.items():
        wrong, check, repair = (code.index(text) for text in (
            parts["wrong"].rstrip(),
            f"check.mistakes.{name}({parts['function']}, seed=0)",
            f"# @title A repair\n{parts['repair'].rstrip()}",
        ))
        assert wrong < check < repair
