"""The student edition has no solutions; every stub is told "Not yet", and every solution passes its check."""

import ast
import re
import shutil

import jupytext
import nbformat
import pytest
import torch
from torch import nn

import salkit
from salkit.course import check
from salkit.course.check.bias import Sealed
from tools import chapters, student

CHAPTERS = chapters.chapters()
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
EXERCISES = [
    pytest.param(chapter, number, id=f"{chapter.stem}-{number + 1}")
    for chapter in CHAPTERS
    for number in range(len(student.exercises(jupytext.read(chapter, fmt="md:myst"))))
]


def names_of(chapter):
    """What a learner has at the exercises without running the chapter: the imports of its cells, and the usual ones."""
    names = {"torch": torch, "nn": nn, "salkit": salkit, "check": check}
    for cell in chapters.code_cells(jupytext.read(chapter, fmt="md:myst")):
        if "%pip" not in cell.source:
            imports = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), chapter.name, "exec"), names)
    return names


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
    names = names_of(chapter)

    answer = run(stub.source, names)
    assert isinstance(answer, check.Result) and not answer
    assert repr(answer).startswith(f"Not yet: {answer.exercise}. ")

    for name in checks:
        assert re.search(rf"^assert check\.{name}\(", solution.source, re.M), f"the solution asserts check.{name}"
    if not sealed:  # whose solution asks networks of its chapter, and is run there
        run(solution.source, names)


@each_chapter
def test_the_student_edition_keeps_every_stub_and_no_solution(chapter):
    notebook = student.student_edition(chapter)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    for stub, solution in student.exercises(jupytext.read(chapter, fmt="md:myst")):
        assert stub.source in text
        assert solution.source not in text
    assert not any(student.is_solution(cell) for cell in notebook.cells)
    assert not re.search(r"<summary>\s*(?:Answer|Solution)", text, re.I)
    assert text.count("<details") == text.count("</details>")
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert "salkit" not in notebook.metadata


@each_chapter
def test_nothing_but_answers_and_outputs_is_lost(chapter):
    full, stripped = jupytext.read(chapter, fmt="md:myst"), student.student_edition(chapter)
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
    assert {path.name for path in output.iterdir()} == {first.name, first.with_suffix(".md").name}
