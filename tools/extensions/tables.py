"""Sphinx extension: on a phone a table is a card for each row, and each cell says which column it is from.

The cells get their column's heading as ``data-label``, which `cells.css` shows below 600 pixels. Tables of numbers
that a cell of a notebook makes (`salkit.display.table`) have it already.
"""

from __future__ import annotations

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

FEWEST_COLUMNS = 3  # two fit a phone


def label(html: str) -> str:
    """The page's body with labelled cells in every table that has one line of headings."""
    if "<table" not in html:
        return html
    soup = BeautifulSoup(html, "html.parser")
    for table in soup.find_all("table"):
        lines = table.select("thead tr")
        headings = [cell.get_text(" ", strip=True) for cell in lines[0].find_all("th")] if len(lines) == 1 else []
        if len(headings) < FEWEST_COLUMNS or "salkit-table" in table.get("class", []):
            continue
        table["class"] = [*table.get("class", []), "stacks"]
        for row in table.select("tbody tr"):
            for heading, cell in zip(headings, row.find_all(["td", "th"], recursive=False)):
                cell["data-label"] = heading
    return str(soup)


def label_cells(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    context["body"] = label(context.get("body", ""))


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", label_cells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
