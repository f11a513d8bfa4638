"""The student edition has no solutions; every stub is told "Not yet", and every solution passes its check."""

import ast
import functools
import re
import shutil

import jupytext
import nbformat
import pytest
import torch
from torch import nn

import salkit
from salkit.course import check, grading
from salkit.course.check.bias import Sealed
from tools import chapters, records, student
from tools.finished import FINISHED

CHAPTERS = chapters.chapters()
edition = functools.cache(student.student_edition)
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
EXERCISES = [
    pytest.param(chapter, number, id=f"{chapter.stem}-{number + 1}")
    for chapter in CHAPTERS
    for number in range(len(student.exercises(jupytext.read(chapter, fmt="md:myst"))))
]


def names_of(chapter, stub):
    """What a learner has at an exercise without running the chapter, and what ``salkit grade`` runs: definitions."""
    before = [cell.source for cell in chapters.code_cells(jupytext.read(chapter, fmt="md:myst"))]
    before = before[: before.index(stub.source)]
    names, _ = grading._names([source for source in before if "%pip" not in source] + [""], len(before))
    return {"torch": torch, "nn": nn, "salkit": salkit, "check": check} | names


def run(source, names):
    """Run a cell; the value of its last expression, as Jupyter shows it."""
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        body, last = [*body, last], None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


@pytest.mark.parametrize(("chapter", "number"), EXERCISES)
def test_a_stub_is_told_not_yet_and_its_solution_passes(chapter, number):
    stub, solution = student.exercises(jupytext.read(chapter, fmt="md:myst"))[number]
    checks = re.findall(r"\bcheck\.(\w+)\(", stub.source)
    sealed = [name for name in checks if isinstance(getattr(check, name), Sealed)]
    assert checks and set(checks) <= {*check.EXERCISES, *sealed}, "the stub ends in the check of what is to be written"
    names = names_of(chapter, stub)

    answer = run(stub.source, names)
    assert isinstance(answer, check.Result) and not answer
    assert repr(answer).startswith(f"Not yet: {answer.exercise}. ")

    for name in checks:
        assert re.search(rf"^assert check\.{name}\(", solution.source, re.M), f"the solution asserts check.{name}"
    if not sealed:  # whose solution asks networks of its chapter, and is run there
        tree = ast.parse(solution.source)
        last = max(i for i, node in enumerate(tree.body) if ast.unparse(node).startswith("assert check."))
        # What comes after may be an experiment with the chapter's networks.
        run(ast.unparse(ast.Module(tree.body[: last + 1], [])), names)


@each_chapter
def test_the_student_edition_keeps_every_stub_and_no_solution(chapter):
    notebook = edition(chapter)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    for stub, solution in student.exercises(jupytext.read(chapter, fmt="md:myst")):
        assert stub.source in text
        assert solution.source not in text
    assert not any(student.is_solution(cell) for cell in notebook.cells)
    assert not re.search(r"<summary>\s*(?:Answer|Solution)", text, re.I)
    assert text.count("<details") == text.count("</details>")
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert set(notebook.metadata["salkit"]) == {"edition", "exercises"}


@each_chapter
def test_nothing_but_answers_and_outputs_is_lost(chapter):
    full, stripped = jupytext.read(chapter, fmt="md:myst"), edition(chapter)
    lost = {cell.source for cell in chapters.code_cells(full)} - {cell.source for cell in chapters.code_cells(stripped)}
    assert lost == {cell.source for cell in full.cells if student.is_solution(cell)}
    headings = [re.findall(r"^##+ .*$", c.source, re.M) for c in full.cells if c.cell_type == "markdown"]
    kept = [re.findall(r"^##+ .*$", c.source, re.M) for c in stripped.cells if c.cell_type == "markdown"]
    assert sum(headings, []) == sum(kept, [])


def test_answers_go_and_hints_stay(tmp_path):
    source = tmp_path / "07-trial.md"
    source.write_text(
        "---\njupytext:\n  text_representation:\n    format_name: myst\n---\n# A trial\n\n"
        "See [Notation](notation.md#maps), [chapter 1](01-four-models.ipynb) and ![a map](_static/map.png).\n\n"
        "**1. Why?**\n\n<details><summary>Hint</summary>\n\nThink.\n\n</details>\n\n"
        "<details><summary>Answer</summary>\n\nBecause.\n\n</details>\n\n**2. And how?**\n"
    )
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/map.png").write_bytes(b"a picture")
    (notebook,) = student.write(tmp_path / "out", tmp_path)
    for text in (notebook.read_text(), notebook.with_suffix(".md").read_text()):
        assert "Think." in text and "And how?" in text and "Because." not in text
        assert "book/notation.html#maps" in text and "](01-four-models.ipynb)" in text
    assert (tmp_path / "out/_static/map.png").read_bytes() == b"a picture"


def test_writing_again_gives_the_same_bytes_and_leaves_nothing_old(tmp_path):
    book, output = tmp_path / "book", tmp_path / "out"
    book.mkdir()
    for path in (CHAPTERS[0], chapters.twin_of(CHAPTERS[0])):
        shutil.copy(path, book)
    (first,) = student.write(output, book)
    before = first.read_bytes()
    (output / "98-gone.ipynb").write_text("{}")
    assert student.write(output, book) == [first] and first.read_bytes() == before
    assert {path.name for path in output.iterdir()} == {first.name, first.with_suffix(".md").name, "README.md"}


@each_chapter
def test_an_exercise_has_a_stable_id_a_tag_and_what_nbgrader_reads(chapter):
    notebook = edition(chapter)
    found = [cell for cell in notebook.cells if "exercise" in cell.metadata.get("tags", [])]
    names = [cell.metadata.nbgrader.grade_id for cell in found]
    assert [cell.id for cell in found] == [f"exercise-{name}" for name in names]
    assert names == notebook.metadata["salkit"]["exercises"] and len(set(names)) == len(names)
    assert all(f"check.{name}(" in cell.source and cell.metadata.nbgrader.solution for name, cell in zip(names, found))


@each_chapter
def test_a_notebook_says_whose_it_is_and_opens_from_its_badges(chapter):
    head = edition(chapter).cells[0].source
    assert "**Name:** ______\n" in head and "CC BY 4.0" in head and "BSD-3-Clause" in head
    colab, kaggle = re.findall(r"\[!\[.*?\]\(\S+?\)\]\((\S+?)\)", head)
    assert colab.endswith(kaggle.split("github.com/")[1]) and f"/student-v{salkit.__version__}/" in colab
    assert colab.startswith("https://colab.research.google.com/github/") and kaggle.startswith("https://kaggle.com/")


FOLDED = re.compile(r"<details>.*?</details>", re.S)


def spoilers(source, notebook):
    """What the edition of a chapter shows before a cell is run: texts of figures, and answers to a guess.

    The answers are the paragraphs with a recorded number that follow a guess, in its section or, where the section
    ends before a cell, the next; and all that stands between the marks of a spoiler.
    """
    twin = chapters.regenerate(source)
    seen = "\n\n".join(FOLDED.sub("", cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    seen += str([cell.metadata for cell in notebook.cells])
    shown = [part[key] for cell in twin.cells for part, key in figure_texts(cell) if part[key] in seen]
    guessed, ran, inside = False, False, False
    for cell in twin.cells:
        ran |= cell.cell_type == "code"
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else []:
            if line.startswith("## ") and ran:
                guessed = False
            if "ommit to a guess" in line:
                guessed, ran = True, False
            elif "<!-- spoiler:" in line:
                inside = "begin" in line
            elif guessed and "<!--r:" in line or inside and line.strip() and not line.startswith(("#", "<!--", "```")):
                if records.bare(line) in seen:
                    shown.append(line)
    return shown


def figure_texts(cell):
    drawn = cell.metadata.get("mystnb", {})
    return [(drawn[k], key) for k, key in (("image", "alt"), ("figure", "caption")) if drawn.get(k, {}).get(key)]


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if c.stem[:2] in FINISHED], ids=lambda path: path.stem)
def test_the_student_edition_of_a_finished_chapter_has_no_spoilers(chapter, monkeypatch):
    assert spoilers(chapter, edition(chapter)) == []
    monkeypatch.setattr(student, "_fold_spoilers", lambda notebook: None)
    told = spoilers(chapter, student.student_edition(chapter))
    assert any("<!--r:" in line for line in told) or "ommit to a guess" not in chapter.read_text(), "the test can fail"


@each_chapter
def test_no_figure_is_described_before_it_is_drawn(chapter):
    found = edition(chapter).cells
    assert not any("mystnb" in cell.metadata for cell in found)
    for before, cell in zip(found, found[1:]):
        if cell.id.endswith("-shown"):
            assert before.cell_type == "code" and cell.source.startswith("<details><summary>After you ran it")


TRIAL = """## One

Before, it was <!--r:A.b-->1<!--/r-->.

> **Commit to a guess.** How many?

A hint.

It is <!--r:A.b-->7<!--/r-->.

So it is odd.

### Part

More.

## Two

It is <!--r:A.b-->8<!--/r-->.

<!-- spoiler: begin -->

Nine.

<!-- spoiler: end -->

Ten."""


def test_what_answers_a_guess_is_folded_and_nothing_else():
    state = {"spoiler": False, "guessed": False, "ran": True}
    shown = student._folded(student.BLOCK.findall(TRIAL.split("## Two")[0]), state, recorded=True)
    state["ran"] = True
    shown += student._folded(student.BLOCK.findall("## Two" + TRIAL.split("## Two")[1]), state, recorded=True)
    text = "\n\n".join(shown)
    assert re.findall(r"<summary>After you ran it</summary>\n\n(.*?)\n\n</details>", text, re.S) == [
        "It is <!--r:A.b-->7<!--/r-->.\n\nSo it is odd.",
        "Nine.",
    ]
    assert student.MY_GUESS in text and all(word in text for word in ("A hint.", "### Part", "More.", "Ten."))
