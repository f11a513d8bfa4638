"""The mistakes gallery as a notebook: ``python -m tools.gallery`` writes book/mistakes.ipynb from book/mistakes.md.

Python on the page becomes cells that run; a repair is folded, as a solution is. The page itself is made from the
text, so the notebook is for Colab and Jupyter alone.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode, v4

from . import address, cells, chapters, links

PAGE = chapters.BOOK / "mistakes.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")
# What becomes a cell: code, alone or as all that a repair unfolds; and what is printed, which a run prints again.
PIECE = re.compile(
    r"<details><summary>A repair</summary>\n\n```python\n(?P<repair>.*?)\n```\n\n</details>"
    r"|(?P<details><details>.*?</details>)"
    r"|```python\n(?P<code>.*?)\n```|```text\n(?P<printed>.*?)\n```",
    re.S,
)


def notebook(text: str) -> NotebookNode:
    """The page's text in cells."""
    here = address.current()
    badge = f"[![Open in Colab]({cells.BADGE})]({here.colab}/book/{NOTEBOOK.name})"
    where = f"{badge}\n\nAlso [as a page]({here.pages}book/{PAGE.stem}.html). Nothing is downloaded but salkit. "
    where += "It holds no outputs: its cells are there for you to run and to mend."
    found, at = [v4.new_markdown_cell(where), v4.new_code_cell(here.setup_cell)], 0
    for piece in PIECE.finditer(text):
        if piece["details"]:
            continue  # prose, with what it unfolds
        found.append(v4.new_markdown_cell(links.plain(text[at : piece.start()].strip())))
        at = piece.end()
        if piece["repair"]:
            found.append(v4.new_code_cell(f"# @title A repair\n{piece['repair']}", metadata={"tags": ["solution"]}))
            cells.fold(found[-1])
        elif piece["code"]:
            found.append(v4.new_code_cell(piece["code"]))
    found.append(v4.new_markdown_cell(links.plain(text[at:].strip())))
    made = v4.new_notebook(cells=[cell for cell in found if cell.source])
    for number, cell in enumerate(made.cells):
        cell.id = f"gallery-{number}"
    made.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made.metadata["language_info"] = chapters.LANGUAGE
    return made


def main() -> None:
    chapters.write_twin(NOTEBOOK, notebook(PAGE.read_text(encoding="utf-8")))
    print(f"wrote book/{NOTEBOOK.name}")


if __name__ == "__main__":
    main()
