"""Teachers' pages keep up with the chapters: every guess and every exercise is answered, and minutes add up."""

import re

import jupytext
import pytest

from tools import chapters

FOLDER = chapters.BOOK / "teaching"
CHAPTERS = chapters.chapters()
PAGES = sorted(FOLDER.glob("[0-9][0-9]-*.md"))
HEADINGS = ["Aims", "Minutes", "Misconceptions", "On the board", "Answers", "Rubric", "To discuss"]
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def text_of(chapter):
    return (FOLDER / chapter.name).read_text(encoding="utf-8")


def section(text, heading):
    return re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", text, re.M | re.S)[1]


@each_chapter
def test_every_chapter_has_a_page(chapter):
    assert (FOLDER / chapter.name).exists(), f"write book/teaching/{chapter.name}"
    assert f"](../{chapters.twin_of(chapter).name})" in text_of(chapter)


@each_page
def test_a_page_has_all_its_parts_in_order(page):
    assert re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.M) == HEADINGS


@each_page
def test_minutes_add_up(page):
    rows = re.findall(r"^\| .+? \| (\d+) \| (\d+) \|$", section(page.read_text(encoding="utf-8"), "Minutes"), re.M)
    assert len(rows) >= 6, "the first of them is the head, with 60 and 90"
    (short, long), *parts = [tuple(map(int, row)) for row in rows]
    assert (short, long) == (60, 90)
    assert (sum(a for a, _ in parts), sum(b for _, b in parts)) == (60, 90)
    assert all(a <= b for a, b in parts)


@each_chapter
def test_every_guess_is_answered(chapter):
    guesses = len(re.findall(r"[Cc]ommit to a guess", chapter.read_text(encoding="utf-8")))
    answered = re.findall(r"^\d+\. \*.+?\* \S", section(text_of(chapter), "The guesses"), re.M)
    assert len(answered) == guesses


@each_chapter
def test_every_mistake_to_be_spotted_is_answered(chapter):
    spots = re.search(r"[Ss]pot the mistake", chapter.read_text(encoding="utf-8"))
    assert not spots or re.search(r"[Ss]pot the mistake", section(text_of(chapter), "The guesses"))


@each_chapter
def test_every_exercise_is_answered(chapter):
    source = chapter.read_text(encoding="utf-8")
    answers = section(text_of(chapter), "The exercises")
    stubs = "\n".join(cell.source for cell in chapters.code_cells(jupytext.read(chapter, fmt="md:myst")))
    for name in set(re.findall(r"^assert check\.(\w+)\(", stubs, re.M)):
        assert f"`{name}`" in answers, f"check.{name} has no answer"
    numbered = re.findall(r"^\*\*(\d+)\. ", source.split("\n## Exercises")[1], re.M)
    assert re.findall(r"^(\d+)\. ", answers, re.M) == numbered


@each_page
def test_misconceptions_are_quoted_and_answered(page):
    lines = re.findall(r"^- .+$", section(page.read_text(encoding="utf-8"), "Misconceptions"), re.M)
    assert len(lines) >= 4
    for line in lines:
        said, answer = re.fullmatch(r"- \*\"(.+?)\"\* (.+)", line).groups()
        assert len(answer.split()) >= 10, said


def test_the_syllabus_leads_to_every_chapter_in_each_of_the_longer_plans():
    plans = re.split(r"^## ", (FOLDER / "syllabus.md").read_text(encoding="utf-8"), flags=re.M)[1:]
    assert [plan.split(":")[0] for plan in plans] == ["One day", "One week", "One semester"]
    leads_to = [set(re.findall(r"\]\((\d\d-[\w-]+\.md)\)", plan)) for plan in plans]
    names = {path.name for path in CHAPTERS}
    assert names <= leads_to[2] and len(leads_to[1] & names) >= len(names) - 1 and len(leads_to[0]) >= 5


def test_a_day_has_no_hole():
    """Each row begins where the one before it ends."""
    plan = (FOLDER / "syllabus.md").read_text(encoding="utf-8").split("## One week")[0]
    found = re.findall(r"^\| (\d+):(\d\d) \| (\d+) \|", plan, re.M)
    rows = [(60 * int(hour) + int(minute), int(minutes)) for hour, minute, minutes in found]
    assert len(rows) >= 8
    for (start, minutes), (following, _) in zip(rows, rows[1:]):
        assert start + minutes == following
