"""The kinds of a chapter's cells, and what becomes of them in a notebook and on a page.

A code cell is an *idea*, open, unless a tag says otherwise: ``plumbing`` (imports, recipes, drawing), ``check`` (it
asserts, and its title is the verdict) or ``solution``. These are folded to one line, their first: ``# @title ...``,
which is what Colab shows, too. The tag ``hide-cell`` folds what a cell prints with it.

A twin also begins with a cell of its own, which its source hasn't: where the page is, what comes before and after,
and what a run takes.
"""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode, v4

from . import address, links

FOLDED = ("plumbing", "check", "solution")
TITLE = re.compile(r"# @title (\S.*)\n+")
HEAD = "where-you-are"  # the id of a twin's first cell
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
HEADING = re.compile(r"^# (.+)$", re.M)

# What a run fetches, by what its record says that it ran on.
DATA = {"CIFAR-10": "CIFAR-10 (170 MB)", "MNIST": "MNIST (12 MB)"}
NETWORKS = {
    "models.trained(": "its trained networks (1 to 22 MB each)",
    "models.pretrained(": "its ImageNet networks",
}


def kind(cell: NotebookNode) -> str:
    """``"idea"`` or one of ``FOLDED``."""
    return next((tag for tag in cell.metadata.get("tags", []) if tag in FOLDED), "idea")


def title(cell: NotebookNode) -> str:
    """What stands in the line to which a cell is folded; nothing, if it has no title."""
    match = TITLE.match(cell.source)
    return match[1].strip() if match else ""


def fold(cell: NotebookNode) -> None:
    """Let Colab (``cellView``), JupyterLab and VS Code (``source_hidden``) fold the code of what isn't an idea."""
    if kind(cell) != "idea":
        cell.metadata["cellView"] = "form"
        cell.metadata["jupyter"] = {"source_hidden": True}


def unfold(metadata: dict, folded: str) -> dict:
    """The metadata as written: ``fold``'s additions taken away."""
    return metadata if folded == "idea" else {key: value for key, value in metadata.items() if key != "cellView"}


def problems(cell: NotebookNode) -> list[str]:
    """What is wrong with a code cell's tags and title."""
    if kind(cell) == "idea":
        return ["it has a title, and no tag that folds it"] if title(cell) else []
    return (
        [] if title(cell) else [f"as {kind(cell)} it is folded, so its first line must say what it does: # @title ..."]
    )


def head(source: Path, sources: list[Path], notebook: NotebookNode) -> NotebookNode:
    """The first cell of a chapter's twin.

    Args:
        source: the chapter.
        sources: all chapters, in order.
        notebook: its twin, with the record of the last full run.
    """
    here, place = address.current(), sources.index(source)
    lines = [f"[![Open in Colab]({BADGE})]({here.colab}/book/{source.stem}.ipynb)", ""]
    where = [
        f"Chapter {place + 1} of [What does the network look at?]({here.pages}), "
        f"also [as a page]({here.pages}book/{source.stem}.html)"
    ]
    for word, step in (("before", -1), ("next", 1)):
        if 0 <= place + step < len(sources):
            other = sources[place + step]
            where.append(f"{word}: [{HEADING.search(other.read_text(encoding='utf-8'))[1]}]({other.stem}.ipynb)")
    lines += [" · ".join(where), "", _run(notebook)]
    return v4.new_markdown_cell("\n".join(lines), id=HEAD)


def _run(notebook: NotebookNode) -> str:
    record = notebook.metadata.get("salkit", {})
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    fetched = [words for name, words in DATA.items() if any(name in used for used in record.get("data", []))]
    fetched += [words for call, words in NETWORKS.items() if call in code]
    text = "It runs without a GPU; one makes the training faster (*Runtime > Change runtime type*)."
    if "seconds" in record:
        minutes = max(1, round(record["seconds"] / 60))
        where = "on two CPU cores" if record["device"].startswith("cpu") else f"on one {record['device']}"
        text += f" The run that you see took {minutes} minute{'s' if minutes > 1 else ''} {where}."
    return f"{text} Downloaded once: {', '.join(['salkit', *fetched])}."


def without_head(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that stand in the source."""
    return [cell for cell in notebook.cells if cell.get("id") != HEAD]


def for_page(notebook: NotebookNode) -> NotebookNode:
    """A twin as Sphinx should read it: what was written in place of plain links, titles in place of folded code."""
    page = deepcopy(notebook)
    page.cells = without_head(page)
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = links.written(cell.source)
        elif cell.cell_type == "code" and kind(cell) != "idea":
            _fold_on_page(cell)
    return page


def _fold_on_page(cell: NotebookNode) -> None:
    said, cell.source = title(cell), TITLE.sub("", cell.source, count=1)
    lines = len(cell.source.strip().splitlines())
    if kind(cell) == "plumbing":
        said += f" ({lines} line{'s' if lines > 1 else ''})"
    tags = cell.metadata["tags"]
    if "hide-cell" not in tags:
        tags.append("hide-cell" if kind(cell) == "solution" else "hide-input")
    cell.metadata.setdefault("mystnb", {})["code_prompt_show"] = said
