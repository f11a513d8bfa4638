"""Teachers' pages keep up with the chapters: every guess and every exercise is answered, and minutes add up."""

import re

import jupytext
import pytest

from tools import chapters, slides

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


def plan(text):
    """The rows of a plan that names slides: ``(first, last, title of the first)``."""
    rows = re.findall(r"^\| (\d+) to (\d+) \| \*\*(.+?)\*\*.*\|$", section(text, "Minutes"), re.M)
    return [(int(first), int(last), title) for first, last, title in rows]


def plan_problems(rows, headings):
    """Where a plan isn't the deck: each row begins after the one before, at the slide that it names, up to the end."""
    starts = [1, *(last + 1 for _, last, _ in rows)]
    found = [f"row {row} should begin at {start}" for row, start in zip(rows, starts) if row[0] != start]
    found += [f"slide {first} is {headings[first - 1]!r}" for first, _, title in rows if headings[first - 1] != title]
    return found + ([] if starts[-1] == len(headings) + 1 else [f"the deck has {len(headings)} slides"])


def test_a_plan_names_the_slides_of_its_deck(html):
    """Of chapters whose slides their author has chosen."""
    marked = [path for path in CHAPTERS if "<!-- slide" in path.read_text(encoding="utf-8")]
    for chapter in marked:
        deck = slides.slides_of(html / "book" / f"{chapter.stem}.html", html)
        headings = [re.sub(r"<span.*?</span>|<[^>]+>", "", slide.heading) for slide in deck]
        assert plan_problems(plan(text_of(chapter)), headings) == []
    assert marked


def test_a_plan_that_is_not_the_deck_is_seen():
    headings, right = ["A", "B", "C"], [(1, 1, "A"), (2, 3, "B")]
    assert plan_problems(right, headings) == []
    for wrong in ([(1, 2, "A"), (2, 3, "B")], [(1, 1, "A"), (2, 3, "C")], right[:1], [(1, 1, "A"), (3, 3, "C")]):
        assert plan_problems(wrong, headings)
    assert plan_problems(right, [*headings, "D"])


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
