"""The student edition: every chapter without its solutions and outputs, as a notebook and as text.

Run as ``python -m tools.student``, or ``make student``; it writes ``_build/student/``. The files follow from the
chapters, so nobody keeps them by hand. The stubs stay: ``course.check`` says "Not yet" to each until it is filled in.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from . import address, chapters, records

OUTPUT = chapters.ROOT / "_build" / "student"

# An answer that unfolds. Hints and derivations unfold too, and they stay.
ANSWER = re.compile(
    r"\n*<details[^>]*>\s*<summary>\s*(?:Answer|Solution)\b.*?</summary>.*?</details>[ \t]*", re.S | re.I
)
# What tools/slides.py reads.
SLIDE = re.compile(r"^<!-- (?:no )?slide\b.*?-->\n*", re.M)
# A link or a picture of a file beside the chapter.
BESIDE = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?(?=\))")
CHECK = "assert check."
PICTURES = (".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp")


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
    """The chapter's notebook without solutions, answers, outputs and the record of its run."""
    notebook = chapters.regenerate(source)
    notebook.cells = [cell for cell in notebook.cells if not is_solution(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = BESIDE.sub(_published, records.bare(SLIDE.sub("", ANSWER.sub("", cell.source))))
        cell.metadata.pop("salkit", None)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    notebook.metadata.pop("salkit", None)
    return notebook


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
    return written


def main() -> int:
    for path in write():
        print(f"wrote {path.relative_to(chapters.ROOT)} and its .md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
