"""What a chapter's page has when it has been through all of the machinery: see `tools.finished`."""

import re

import pytest

from tools import cells, chapters
from tools.finished import FINISHED

COLUMNS = 76
SOURCES = [pytest.param(source, id=source.stem) for source in chapters.chapters() if source.stem[:2] in FINISHED]
each = pytest.mark.parametrize("source", SOURCES)


@each
def test_no_line_of_code_is_cut_on_a_laptop(source):
    code = [cell for cell in chapters.code_cells(chapters.read_twin(source))[1:]]
    lines = [line for cell in code for line in cells.TITLE.sub("", cell.source).splitlines()]
    assert not [line for line in lines if len(line) > COLUMNS]


@each
def test_what_draws_or_asserts_is_folded(source):
    for cell in chapters.code_cells(chapters.read_twin(source))[1:]:
        if cells.kind(cell) == "idea":
            assert not re.search(r"^display\.|^(torch\.testing\.)?assert", cell.source, re.M), cell.source


@each
def test_results_are_tables_and_not_printed_columns(source):
    for cell in chapters.code_cells(chapters.read_twin(source)):
        printed = "".join(output.get("text", "") for output in cell.outputs)
        assert len(re.findall(r"\[-?\d[\d.%]*, ", printed)) <= 2, printed


@each
def test_every_figure_has_a_caption(source):
    for cell in chapters.code_cells(chapters.read_twin(source)):
        if any(kind.startswith("image/") for output in cell.outputs for kind in output.get("data", {})):
            assert cell.metadata["mystnb"]["figure"]["caption"], cell.source


@each
def test_the_best_figure_stands_on_the_first_screen_and_nothing_is_cut(source, html, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((html / "book" / f"{source.stem}.html").as_uri())
    figure = page.locator(".bd-article figure img, .bd-article figure svg").first.bounding_box()
    assert figure["y"] + figure["height"] < 800
    assert "question" in page.locator(".bd-article p").first.inner_text()
    page.locator(".code-switch input[value=all]").check()
    cut = page.evaluate(
        "[...document.querySelectorAll('div.cell_input pre')].filter(e => e.scrollWidth > e.clientWidth + 1)"
        ".map(e => e.textContent)"
    )
    page.close()
    assert not cut


@each
def test_the_switch_opens_and_closes_code_and_is_kept(source, html, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    address = (html / "book" / f"{source.stem}.html").as_uri()
    page.goto(address)
    folds = "document.querySelectorAll('div.cell:not(.tag_solution) details.hide{}').length"
    ideas, folded = (page.evaluate(folds.format(which)) for which in (".idea", ":not(.idea)"))
    opened = page.evaluate(folds.format("[open]"))
    assert opened == ideas > 0 and folded > 0
    page.locator(".code-switch input[value=none]").check()
    assert page.evaluate(folds.format("[open]")) == 0
    page.wait_for_timeout(500)  # a browser keeps what it is told a little later
    page.goto(address)
    assert page.evaluate(folds.format("[open]")) == 0, "the choice is kept"
    page.locator(".code-switch input[value=all]").check()
    assert page.evaluate(folds.format("[open]")) == ideas + folded
    context.close()


@each
def test_without_scripts_ideas_are_open_and_the_rest_unfolds(source, html, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / "book" / f"{source.stem}.html").as_uri())
    fold = page.locator("div.tag_plumbing details.hide").first
    assert page.locator(".code-switch").count() == 0
    assert page.locator("div.cell > div.cell_input pre").first.is_visible()
    assert not fold.locator("pre").first.is_visible()
    fold.locator("summary").click()
    assert fold.locator("pre").first.is_visible()
    context.close()


@each
def test_results_are_cards_on_a_phone(source, html, browser):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((html / "book" / f"{source.stem}.html").as_uri())
    for table in page.locator("table.salkit-table").all():
        box = table.bounding_box()
        assert box["width"] <= 390
        cell = table.locator("tbody td").first
        assert cell.evaluate("e => getComputedStyle(e, '::before').content") == f'"{cell.get_attribute("data-label")}"'
        assert table.locator("thead th").count() and table.locator("tbody th[scope=row]").count()
    page.close()
