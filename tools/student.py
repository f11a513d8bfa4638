"""The student edition: every chapter without its solutions, outputs and spoilers, as a notebook and as text.

Run as ``python -m tools.student``, or ``make student``; it writes ``_build/student/`` to be handed out, and
``_build/nbgrader/``, a course folder for nbgrader, whose hidden tests have the cases of a private seed. The files
follow from the chapters, so nobody keeps them by hand. The stubs stay: ``course.check`` says "Not yet" to each until
it is filled in.

What answers a guess is behind a fold, "After you ran it": what stands between ``<!-- spoiler: begin -->`` and
``<!-- spoiler: end -->``; every paragraph with a recorded number from a guess to the end of its section (of a chapter
that records none yet, every paragraph after the first cell that runs there); and all captions and alternative texts.
"""

from __future__ import annotations

import argparse
import ast
import re
import secrets
import shutil
import sys
from pathlib import Path

import jupytext
from nbformat import NotebookNode, v4

from . import address, cells, chapters, records

OUTPUT = chapters.ROOT / "_build" / "student"
NBGRADER = chapters.ROOT / "_build" / "nbgrader"

# An answer that unfolds. Hints and derivations unfold too, and they stay.
ANSWER = re.compile(
    r"\n*<details[^>]*>\s*<summary>\s*(?:Answer|Solution)\b.*?</summary>.*?</details>[ \t]*", re.S | re.I
)
# What tools/slides.py reads.
SLIDE = re.compile(r"^<!-- (?:no )?slide\b.*?-->\n*", re.M)
SPOILER = re.compile(r"<!-- spoiler: (begin|end) -->")
GUESS = re.compile(r"ommit to a guess")
RESULT = re.compile(r"<!--[rs]:")
# What belongs together although an empty line stands in it: code, formulas, what unfolds.
BLOCK = re.compile(r"(?:```.*?^```|\$\$.*?\$\$|<details.*?</details>|[^\n]+)(?:\n[^\n]+)*", re.S | re.M)
# A link or a picture of a file beside the chapter.
BESIDE = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?(?=\))")
CHECK = "assert check."
PICTURES = (".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp")
STUB = "...  # your code"

FOLD = "<details><summary>{}</summary>\n\n{}\n\n</details>"
AFTER, SHOWN = "After you ran it", "After you ran it: what the figure shows"
MY_GUESS = "**My guess**, written before I ran anything: ______"
KAGGLE = "https://kaggle.com/static/images/open-in-kaggle.svg"
HEAD = """\
[![Open in Colab]({colab_badge})]({colab}) [![Open in Kaggle]({kaggle_badge})]({kaggle})

**Name:** ______

Chapter {number} of [What does the network look at?]({pages}), student edition {version}: without solutions and \
results. Write down your guess, run the cells, then open *After you ran it*. Each exercise checks itself.

Text and figures: the salkit authors, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/); code: \
[BSD-3-Clause]({repository}/blob/{tag}/LICENSE)."""
README = """\
# What does the network look at? Student edition {version}

One notebook a chapter, and the same as text (`.md`). Solutions, answers and results are taken out.

1. Open a notebook by its badge, in Colab or Kaggle, or in your own JupyterLab: its first cell installs what is missing.
2. Write your name into the field at its top, and a guess wherever one is asked for, before you run the next cell.
3. Run the cells from the top. What the figure shows is folded below it: *After you ran it*.
4. Each exercise ends in a call of `check`, which passes, or says what to look at. Write into the exercise's own cell; \
what it needs beside imports and functions of the cells above must stand there, too.
5. Hand in the notebook under the name that it has.

Teachers: `salkit grade FOLDER -o marks.csv` marks what is handed in, from folders `LEARNER/NN-name.ipynb`.

Text and figures: the salkit authors, CC BY 4.0, https://creativecommons.org/licenses/by/4.0/, except where \
[Credits]({pages}book/credits.html) says otherwise. Code: BSD-3-Clause. From {repository}.
"""
HIDDEN_TEST = "# Marked on other cases.\n### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
CONFIG = """\
# Put this folder where nbgrader's course is, and run: nbgrader generate_assignment 02-vanilla-saliency
import os

os.environ.setdefault("SALKIT_PROFILE", "fast")  # a chapter runs in half a minute, on pictures drawn by code
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "saliency"
c.ClearSolutions.code_stub = {{"python": "{stub}"}}
c.ExecutePreprocessor.timeout = 600
"""


def is_solution(cell: NotebookNode) -> bool:
    return "solution" in cell.metadata.get("tags", [])


def exercises(notebook: NotebookNode) -> list[tuple[NotebookNode, NotebookNode]]:
    """Pairs of code cells, (stub, solution): the stub is the last code cell before its solution."""
    pairs, before = [], None
    for cell in chapters.code_cells(notebook):
        if not is_solution(cell):
            before = cell
        elif CHECK in cell.source:  # an experiment has nothing that could be checked
            pairs.append((before, cell))
    return pairs


def student_edition(source: Path) -> NotebookNode:
    """The chapter's notebook without solutions, answers, outputs and the record of its run; spoilers are folded."""
    notebook = chapters.regenerate(source)
    stubs = {stub.id: _exercise(stub) for stub, _ in exercises(notebook)}
    notebook.cells = [cell for cell in cells.without_head(notebook) if not is_solution(cell)]
    _fold_spoilers(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            text = records.bare(SPOILER.sub("", SLIDE.sub("", ANSWER.sub("", cell.source))))
            cell.source = BESIDE.sub(_published, text).strip()
        if cell.id in stubs:
            _name(cell, stubs[cell.id])
        for key in ("salkit", "mystnb"):
            cell.metadata.pop(key, None)
    notebook.cells = [_head(source), *(cell for cell in notebook.cells if cell.source.strip())]
    notebook.metadata["salkit"] = {"edition": address.current().version, "exercises": [*stubs.values()]}
    return notebook


def _exercise(stub: NotebookNode) -> str:
    """The exercise in whose check a stub ends."""
    return re.findall(r"\bcheck\.(\w+)\(", stub.source)[-1]


def _name(cell: NotebookNode, exercise: str) -> None:
    """An id that stays the same in every edition, a tag, and what nbgrader reads."""
    cell.id = f"exercise-{exercise}"
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), "exercise"]
    cell.metadata["nbgrader"] = _for_nbgrader(exercise, solution=True)


def _for_nbgrader(name: str, **kind) -> dict:
    usual = {"schema_version": 3, "grade_id": name, "grade": False, "solution": False, "locked": False, "task": False}
    return usual | kind


def _fold_spoilers(notebook: NotebookNode) -> None:
    """Put what answers a guess behind a fold; captions and alternative texts in cells of their own."""
    recorded = any(RESULT.search(cell.source) for cell in notebook.cells)
    state = {"spoiler": False, "guessed": False, "ran": False}
    folded = []
    for cell in notebook.cells:
        folded.append(cell)
        if cell.cell_type == "markdown":
            cell.source = "\n\n".join(_folded(BLOCK.findall(SLIDE.sub("", cell.source)), state, recorded))
        else:
            state["ran"] = True
            shown = cell.metadata.get("mystnb", {})
            texts = [shown.get("figure", {}).get("caption"), shown.get("image", {}).get("alt")]
            if any(texts):
                text = FOLD.format(SHOWN, "\n\n".join(filter(None, texts)))
                folded.append(v4.new_markdown_cell(text, id=f"{cell.id}-shown"))
    notebook.cells = folded


def _folded(blocks: list[str], state: dict, recorded: bool) -> list[str]:
    """The paragraphs of a cell, neighbours that answer a guess behind one fold.

    Args:
        blocks: paragraphs, headings, formulas.
        state: whether a spoiler has begun, whether somebody has guessed, and whether a cell has run since. It is kept
            up to date.
        recorded: whether the chapter's numbers come from records, so that a result is known by its mark.
    """
    shown, hidden, told = [], [], False
    for block in blocks:
        heading, guess = block.startswith("#"), GUESS.search(block)
        if mark := SPOILER.fullmatch(block.strip()):
            state["spoiler"] = mark[1] == "begin"
            continue
        if block.startswith("## ") and state["ran"]:
            state["guessed"] = False
        # What follows a result in its cell speaks of it.
        told = not (heading or guess) and (told or bool(RESULT.search(block) if recorded else state["ran"]))
        if not heading and not guess and (state["spoiler"] or state["guessed"] and told):
            hidden.append(block)
            continue
        shown += [FOLD.format(AFTER, "\n\n".join(hidden))] if hidden else []
        shown += [block, MY_GUESS] if guess else [block]
        hidden = []
        if guess:
            state |= {"guessed": True, "ran": False}
    return shown + ([FOLD.format(AFTER, "\n\n".join(hidden))] if hidden else [])


def _head(source: Path) -> NotebookNode:
    """Badges that open this very edition, the name, where the chapter belongs, the licence."""
    here = address.current()
    file = f"{here.slug}/blob/student-{here.tag}/{source.stem}.ipynb"
    text = HEAD.format(
        colab=f"{address.COLAB}/{file}",
        colab_badge=cells.BADGE,
        kaggle=f"https://kaggle.com/kernels/welcome?src=https://github.com/{file}",
        kaggle_badge=KAGGLE,
        number=int(source.stem[:2]),
        pages=here.pages,
        repository=here.repository,
        tag=here.tag,
        version=here.version,
    )
    return v4.new_markdown_cell(text, id=cells.HEAD)


def for_nbgrader(source: Path, seed: int) -> NotebookNode:
    """nbgrader's source of an assignment: solutions that it takes out, and tests that it hides, on the seed's cases."""
    notebook, listed = student_edition(source), []
    solutions = {_exercise(stub): solution for stub, solution in exercises(chapters.regenerate(source))}
    for cell in notebook.cells:
        listed.append(cell)
        if "nbgrader" in cell.metadata:
            exercise = cell.metadata.nbgrader.grade_id
            name = re.search(rf"\bcheck\.{exercise}\((\w+)\)", cell.source)[1]
            cell.source = _solved(cell.source, solutions[exercise].source, name)
            seeded = f", seed={seed}" if f"def {name}(" in cell.source else ""
            test = HIDDEN_TEST.format(f"assert check.{exercise}({name}{seeded})")
            graded = _for_nbgrader(f"test-{exercise}", grade=True, locked=True, points=1)
            listed.append(v4.new_code_cell(test, id=f"test-{exercise}", metadata={"nbgrader": graded}))
    notebook.cells = listed
    return notebook


def _solved(stub: str, solution: str, name: str) -> str:
    """A stub with its solution's body, between the marks by which nbgrader takes it out."""
    made = [node for node in ast.parse(solution).body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not made:  # an answer, and no function
        return re.sub(r"(?m)^(.* = [.]{3}.*)$", r"\1\n### BEGIN SOLUTION\n### END SOLUTION", stub)
    body = "\n".join(solution.splitlines()[made[0].body[0].lineno - 1 : made[0].end_lineno])
    return stub.replace(f"    {STUB}", f"    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION")


def _published(link: re.Match) -> str:
    """Where a file that stands beside the chapter is found by somebody who has the student edition only."""
    path, fragment = link[1], link[2] or ""
    if re.fullmatch(r"\d\d-[\w-]+\.ipynb", path) or path.endswith(PICTURES):
        return path + fragment  # these come along
    return f"{address.current().pages}book/{re.sub(r'[.](md|ipynb)$', '.html', path)}{fragment}"


def write(output: Path = OUTPUT, book: Path = chapters.BOOK) -> list[Path]:
    """Write the student edition anew.

    Returns:
        the notebooks; beside each lies its text, and ``_static`` has the pictures that they show.
    """
    shutil.rmtree(output, ignore_errors=True)
    written = []
    for source in chapters.chapters(book):
        notebook = student_edition(source)
        path = output / chapters.twin_of(source).name
        chapters.write_twin(path, notebook)
        path.with_suffix(".md").write_text(jupytext.writes(notebook, fmt="md:myst"))
        for link in BESIDE.finditer("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")):
            if link[1].endswith(PICTURES):
                (output / link[1]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source.parent / link[1], output / link[1])
        written.append(path)
    here = address.current()
    (output / "README.md").write_text(README.format(version=here.version, pages=here.pages, repository=here.repository))
    return written


def write_for_nbgrader(seed: int, output: Path = NBGRADER, book: Path = chapters.BOOK) -> Path:
    """Write a course folder for nbgrader anew; each chapter is an assignment."""
    shutil.rmtree(output, ignore_errors=True)
    for source in chapters.chapters(book):
        chapters.write_twin(output / "source" / source.stem / f"{source.stem}.ipynb", for_nbgrader(source, seed))
    (output / "nbgrader_config.py").write_text(CONFIG.format(stub=STUB))
    return output


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the student edition, and nbgrader's.")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="of the hidden tests (default: new)")
    seed = parser.parse_args().seed
    for path in write():
        print(f"wrote {path.relative_to(chapters.ROOT)} and its .md")
    print(f"wrote {write_for_nbgrader(seed).relative_to(chapters.ROOT)}/, for teachers only: it has the solutions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
