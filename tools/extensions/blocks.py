"""Sphinx extension: blocks of a page that are made while the book is built, from the chapters and the cheat sheet.

``{chapter-cards}`` is the list of chapters on the first page, ``{chapter-times}`` the table of how long they take, and
``{poster}`` shows every method of the table below it, as pictures that ``tools/poster.py`` has drawn.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools import front_page, poster

THUMBNAILS = "_build/cards"


def linked(docname: str, title: str) -> addnodes.pending_xref:
    """A link to a page of the book."""
    options = dict(refdomain="std", reftype="doc", reftarget=f"/{docname}", refexplicit=True, refwarn=True)
    return addnodes.pending_xref("", nodes.inline("", title), **options)


def division(text: str, name: str) -> nodes.container:
    """A ``<div>`` of sphinx-design. It is no running text, in which words would lead to the glossary."""
    return nodes.container("", nodes.inline("", text), is_div=True, design_component="div", classes=[name])


class Cards(SphinxDirective):
    """The chapters, part by part, each with its picture, title, question, and the minutes to read it."""

    def run(self) -> list[nodes.Node]:
        found = []
        for part, sources in front_page.listed(Path(self.env.srcdir)).items():
            # No heading: the first page's contents would be longer than what they lead to.
            heading = nodes.paragraph("", f"Part {part}", classes=["course-part"])
            cards = [self.card(front_page.card(source)) for source in sources]
            found += [heading, nodes.bullet_list("", *cards, classes=["course-cards"])]
        return found

    def card(self, card: front_page.Card) -> nodes.list_item:
        file = Path(self.env.srcdir, THUMBNAILS, f"{card.number:02d}.webp")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(front_page.thumbnail(card.picture))
        options = dict(uri=f"/{THUMBNAILS}/{file.name}", alt=card.alt, classes=["card-picture", "no-enlarge"])
        refdoc = linked(card.page, f"{card.number}. {card.title}")
        refdoc["refdoc"] = self.env.docname
        return nodes.list_item(
            "",
            nodes.image(**options),
            nodes.paragraph("", "", refdoc, classes=["card-title"]),
            division(card.question, "card-question"),
            division(f"{card.minutes} min", "card-minutes"),
        )


class Times(SphinxDirective):
    """The table of how long each chapter takes."""

    def run(self) -> list[nodes.Node]:
        table = nodes.Element()
        lines = front_page.table_of_times(Path(self.env.srcdir)).splitlines()
        self.state.nested_parse(StringList(lines, "chapter-times"), 0, table)
        return table.children


class Poster(SphinxDirective):
    """A tile for the photograph, whose words are the content, and one for each row of the cheat sheet's table."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        tiles = [self.tile(poster.PHOTO, list(self.content))]
        for tile in poster.tiles(Path(self.env.srcdir)):
            tiles.append(self.tile(tile.name, [f"[`{tile.name}`](#{tile.name})", "", tile.cost, "", tile.blind]))
        return [nodes.bullet_list("", *tiles, classes=["poster"])]

    def tile(self, name: str, lines: list[str]) -> nodes.list_item:
        words = nodes.list_item()
        self.state.nested_parse(StringList(lines, "poster"), 0, words)
        picture = nodes.image(uri=f"/{poster.FOLDER}/{name}.webp", alt=poster.ALTS[name], classes=["no-enlarge"])
        words.insert(0, picture)
        return words


def unlink_small_pictures(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """A card and a tile lead to a page: their pictures are no links to files, as figures are (``figures.py``)."""
    for link in list(doctree.findall(nodes.reference)):
        if "enlarge" in link["classes"] and any("no-enlarge" in child.get("classes", ()) for child in link.children):
            link.replace_self(link.children)


def setup(app: Sphinx) -> dict:
    app.add_directive("chapter-cards", Cards)
    app.add_directive("chapter-times", Times)
    app.add_directive("poster", Poster)
    app.connect("doctree-resolved", unlink_small_pictures, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
