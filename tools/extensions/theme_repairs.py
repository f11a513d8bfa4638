"""Sphinx extension: what the theme, the bibliography and autodoc get wrong, put right in the pages they write."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

# 1.5 MB of script that would redraw the icons which the style sheet has drawn already, from a font.
ICON_SCRIPT = "_static/scripts/fontawesome.js"

REPAIRS = {
    # A list may hold nothing but list items, and the role of its entries is deprecated.
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    ' role="doc-biblioentry"': "",
}


# A signature with a parameter to a line is a list of definitions without anything defined.
SIGNATURE = re.compile(r'(<span class="sig-paren">\(</span>)\s*<dl>(.*?)</dl>\s*', re.S)


def repair(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    body = context.get("body", "")
    for wrong, right in REPAIRS.items():
        body = body.replace(wrong, right)
    body = SIGNATURE.sub(lambda match: match[1] + _lines(match[2]), body)
    if pagename == "_modules/index":  # lists in a list, and not in its items
        title, entries = body.split("</h1>", 1)
        body = f"{title}</h1><ul>{re.sub('</?ul>', '', entries)}</ul>"
    context["body"] = body


def _lines(parameters: str) -> str:
    lines = parameters.replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f'<span class="sig-lines">{lines}</span>'


def name_toggles(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """What unfolds pages in the side bar shows an arrow alone, and has no name for those who don't see it."""
    if make := context.get("generate_toctree_html"):
        named = '<summary aria-label="Show or hide its pages">'
        context["generate_toctree_html"] = lambda *args, **options: (
            str(make(*args, **options)).replace("<summary>", named)
        )


def find_type(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element) -> nodes.Node | None:
    """What is named in a signature is looked for among the classes only; here among the names of types."""
    if node.get("reftype") != "class":
        return None
    for name, place in env.get_domain("py").objects.items():
        if place.objtype == "type" and f".{name}".endswith(f".{node['reftarget']}"):
            return make_refnode(app.builder, node["refdoc"], place.docname, place.node_id, contnode, name)
    return None


def drop_icon_script(app: Sphinx, error: Exception | None) -> None:
    script = Path(app.outdir, ICON_SCRIPT)
    if error is None and script.exists():
        script.write_text("// The icons are letters of a font: see tools/extensions/theme_repairs.py.\n")


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", repair)
    app.connect("html-page-context", name_toggles, priority=600)  # after the theme has put its function there
    app.connect("missing-reference", find_type)
    app.connect("build-finished", drop_icon_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
