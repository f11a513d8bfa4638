"""Sphinx extension: a list of references that one can scan, and the way back from it.

Each entry begins with the surname and the year, and ends with the pages of the book that cite it.
"""

from __future__ import annotations

from docutils import nodes
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.template import field, join, names
from sphinx.application import Sphinx

PAGE = "book/references"


class SurnameYear(Unsorted):
    """Pybtex's plain style with "Surname, F. (year)." in front, in that order."""

    default_name_style = "lastfirst"
    default_sorting_style = "author_year_title"

    def __init__(self, **options):
        super().__init__(**{**options, "abbreviate_names": True})

    def format_entry(self, label, entry, bib_data=None):
        # The templates end with the year. Here it stands in front, and there it is empty.
        fields = {**entry.fields, "in_front": entry.fields["year"], "year": ""}
        reordered = Entry(entry.type, fields, entry.persons)
        reordered.key = entry.key
        return super().format_entry(label, reordered, bib_data)

    def format_names(self, role, as_sentence=True):
        shown = names(role, sep=", ", sep2=" and ", last_sep=" and ")
        return join[shown, " (", field("in_front"), ")."] if as_sentence else shown


def add_the_way_back(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """To each entry of the list, links to the pages that cite it, in the order of the book."""
    if docname != PAGE or app.builder.format != "html":
        return
    domain = app.env.get_domain("cite")
    keys = {citation.citation_id: citation.key for citation in domain.citations}
    order = list(app.env.toctree_includes.get(app.config.root_doc, [])) + sorted(app.env.all_docs)
    for entry in doctree.findall(nodes.citation):
        key = keys.get(entry["ids"][0])
        citing = {ref.docname for ref in domain.citation_refs if key in {target.key for target in ref.targets}}
        links = [_link(app, page) for page in sorted(citing - {PAGE}, key=order.index)]
        if links:
            separated = [part for link in links for part in (nodes.Text(" · "), link)][1:]
            entry += nodes.paragraph("", "", nodes.Text("Cited in "), *separated, classes=["cited-in"])


def _link(app: Sphinx, page: str) -> nodes.reference:
    title = app.env.titles[page].astext()
    return nodes.reference("", title, internal=True, refuri=app.builder.get_relative_uri(PAGE, page))


def setup(app: Sphinx) -> dict:
    register_plugin("pybtex.style.formatting", "surname_year", SurnameYear)
    app.connect("doctree-resolved", add_the_way_back)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
