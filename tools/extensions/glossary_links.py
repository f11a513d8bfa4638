"""Sphinx extension: on every page, the first use of each term of the glossary leads to its definition.

Only running text counts, paragraphs and lists: no headings, tables, code, links or captions. A term in lower case is
also found at the beginning of a sentence and in the plural.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
ELSEWHERE = (
    *(nodes.reference, nodes.title, nodes.caption, nodes.table),
    *(nodes.citation, nodes.literal, nodes.math, nodes.FixedTextElement),
)


def pattern(terms: list[str]) -> re.Pattern:
    """Finds any of the terms; the longer one where one begins with another."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(_forms, sorted(terms, key=len, reverse=True)))})(?![\w-])")


def _forms(term: str) -> str:
    words = r"\s+".join(map(re.escape, term.split()))
    if not term[0].islower():
        return f"({words})"
    return f"([{term[0]}{term[0].upper()}]{words[1:]})s?"


def split(text: str, terms: list[str], seen: set[str]) -> list[tuple[str, str]]:
    """Pieces of a text, each with its term, or with "" between terms; ``seen`` grows by those that were found."""
    pieces, at = [], 0
    names = sorted(terms, key=len, reverse=True)
    for match in pattern(terms).finditer(text):
        term = names[match.lastindex - 1]
        if term not in seen:
            seen.add(term)
            pieces += [(text[at : match.start()], ""), (match[0], term)]
            at = match.end()
    return [piece for piece in [*pieces, (text[at:], "")] if piece[0]]


def link_first_uses(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    places = {
        name: (target, anchor)
        for name, _, kind, target, anchor, _ in app.env.get_domain("std").get_objects()
        if kind == "term" and target == GLOSSARY
    }
    if app.builder.format != "html" or docname == GLOSSARY or not places:
        return
    seen: set[str] = set()
    for text in list(doctree.findall(nodes.Text)):
        if not _in_running_text(text):
            continue
        pieces = split(text.astext(), list(places), seen)
        if any(term for _, term in pieces):
            text.parent.replace(text, [_linked(app, docname, word, places.get(term)) for word, term in pieces])


def _in_running_text(text: nodes.Text) -> bool:
    node, in_paragraph = text.parent, False
    while node is not None:
        if isinstance(node, ELSEWHERE):
            return False
        in_paragraph |= isinstance(node, nodes.paragraph)
        node = node.parent
    return in_paragraph


def _linked(app: Sphinx, docname: str, word: str, place: tuple[str, str] | None) -> nodes.Node:
    if place is None:
        return nodes.Text(word)
    uri = f"{app.builder.get_relative_uri(docname, place[0])}#{place[1]}"
    return nodes.reference("", "", nodes.Text(word), internal=True, refuri=uri, classes=["glossary-use"])


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", link_first_uses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
