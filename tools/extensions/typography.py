"""Sphinx extension: the book's fonts, and signs that plain sources do without.

In running text 32x32 becomes 32 × 32, and a number stays on one line with its unit or its per cent. Code, formulas and
what a cell has printed are left alone. The fonts are those of ``tools/fonts.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from tools import fonts

NBSP = "\N{NO-BREAK SPACE}"
VERBATIM = (nodes.literal, nodes.FixedTextElement, nodes.math, nodes.raw, nodes.comment, addnodes.desc_signature)
# 0x1f is a number, and h100x2 a name.
TIMES = re.compile(r"(?<![\w.])(?!0x)\d+(?:x\d+)+(?![\w])")
UNITS = "[kMGT]?B|bytes|m?s|min|hours?|minutes|seconds|h|[mck]?m|px|pixels|[kMG]?Hz|million|thousand"
BEFORE_UNIT = re.compile(rf"(?<=\d) (?=%|‰|(?:{UNITS})\b)")


def set_well(text: str) -> str:
    """The text with its crosses and its spaces that may not break."""
    text = TIMES.sub(lambda sizes: sizes[0].replace("x", f"{NBSP}×{NBSP}"), text)
    return BEFORE_UNIT.sub(NBSP, text)


def set_texts(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if app.builder.format != "html":
        return
    for text in list(doctree.findall(nodes.Text)):
        changed = set_well(text)
        if changed != text and not _verbatim(text):
            text.parent.replace(text, nodes.Text(changed))


def _verbatim(node: nodes.Node) -> bool:
    while (node := node.parent) is not None:
        if isinstance(node, VERBATIM):
            return True
    return False


def add_fonts(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        fonts.write(Path(app.outdir))


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", set_texts)
    app.connect("build-finished", add_fonts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
