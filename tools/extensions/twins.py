"""Sphinx extension: a chapter's page is made from its twin as `tools.cells` turns it back: roles, and folded code."""

from __future__ import annotations

from html import escape

import nbformat
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx

from tools import cells


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    if str(app.env.doc2path(docname)).endswith(".ipynb"):
        source[0] = nbformat.writes(cells.for_page(nbformat.reads(source[0], as_version=4)))


def open_fold(self, node: HideCodeCellNode) -> None:
    """One line with its own name; MyST-NB's has the same name, for those who don't see it, on every cell."""
    classes, line = " ".join(node["classes"]), escape(node["prompt_show"])
    self.body.append(f'<details class="hide {classes}"><summary>{line}</summary>\n')


def close_fold(self, node: HideCodeCellNode) -> None:
    self.body.append("</details>\n")


def setup(app: Sphinx) -> dict:
    app.connect("source-read", read)
    app.add_node(HideCodeCellNode, override=True, html=(open_fold, close_fold))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
