"""The kinds of cells: what is folded where, a twin's first cell, and links that any front end shows."""

import re
from copy import deepcopy

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import cells, chapters, links

PLUMBING = "# @title How the figure is made\nx = 1\ny = 2"
TWINS = [pytest.param(source, id=source.stem) for source in chapters.chapters()]


def code(source, *tags):
    return new_code_cell(source, metadata={"tags": list(tags)})


def shown(cell):
    """The cell on its page."""
    return cells.for_page(new_notebook(cells=[cell])).cells[0]


@pytest.mark.parametrize(
    "tags, kind", [((), "idea"), (("plumbing", "hide-cell"), "plumbing"), (("solution",), "solution")]
)
def test_what_is_not_an_idea_is_folded_by_every_front_end(tags, kind):
    cell = code(PLUMBING, *tags)
    cells.fold(cell)
    assert cells.kind(cell) == kind
    assert (cell.metadata.get("cellView"), "jupyter" in cell.metadata) == (("form", True) if tags else (None, False))


def test_on_the_page_a_folded_cell_is_a_line_that_says_what_it_does():
    plumbing, check, solution = (shown(code(PLUMBING, tag)) for tag in ("plumbing", "check", "solution"))
    assert plumbing.source == "x = 1\ny = 2"
    assert plumbing.metadata["mystnb"]["code_prompt_show"] == "How the figure is made (2 lines)"
    assert check.metadata["mystnb"]["code_prompt_show"] == "How the figure is made"
    assert "hide-input" in plumbing.metadata.tags and "hide-cell" in solution.metadata.tags
    assert "hide-input" not in shown(code(PLUMBING, "plumbing", "hide-cell")).metadata.tags


@pytest.mark.parametrize("cell", [code("x = 1", "check"), code(PLUMBING)])
def test_a_fold_without_a_title_and_a_title_without_a_fold_are_said(cell):
    assert len(cells.problems(cell)) == 1
    assert cells.problems(code(PLUMBING, "check")) == cells.problems(code("x = 1")) == []


@pytest.mark.parametrize(
    "text, plain",
    [
        (
            "{cite:t}`zhou2016learning` say",
            '[Zhou et al. (2016)](https://doi.org/10.1109/CVPR.2016.319 "cite:t zhou2016learning")',
        ),
        (
            "so {cite:p}`bohle2021convolutional`.",
            '[(Böhle et al., 2021)](https://arxiv.org/abs/2104.00032 "cite:p bohle2021',
        ),
        (
            "{cite:p}`simonyan2015very,he2016deep`",
            '[(Simonyan and Zisserman, 2015](https://arxiv.org/abs/1409.1556 "cite:p simonyan2015very"); [He',
        ),
        (
            "see [Scenes](scenes.md#dials)",
            '[Scenes](https://salkit.github.io/salkit/book/scenes.html#dials "page:scenes.md#dials")',
        ),
        ("the [package](api/index.md)", "/salkit/book/api/index.html "),
    ],
)
def test_roles_become_links_and_come_back(text, plain):
    assert plain in links.plain(text)
    assert links.written(links.plain(text)) == text


@pytest.mark.parametrize(
    "text", ["![a picture](x.md)", "[next](05-occlusion.ipynb)", "[out](https://a.org/b.md)", "`{cite}`"]
)
def test_other_links_stay(text):
    assert links.plain(text) == text


@pytest.mark.parametrize("source", TWINS)
def test_a_twin_reads_well_raw(source):
    twin = chapters.read_twin(source)
    prose = "\n".join(cell.source for cell in twin.cells if cell.cell_type == "markdown")
    assert not re.search(r"\{[\w:.-]+\}`|^\s*\{[.#]|^:::|\]\((?!https?:)[^)]*\.md", prose, re.M)


@pytest.mark.parametrize("source", TWINS)
def test_a_twin_begins_with_where_it_belongs(source):
    head = chapters.read_twin(source).cells[0]
    every = chapters.chapters()
    place = every.index(source)
    assert head.id == cells.HEAD
    assert f"/book/{source.stem}.ipynb)" in head.source and f"/book/{source.stem}.html)" in head.source
    for neighbour in every[max(0, place - 1) : place] + every[place + 1 : place + 2]:
        assert f"({neighbour.stem}.ipynb)" in head.source
    assert "GPU" in head.source and "Downloaded once: salkit" in head.source


def test_every_notebook_can_be_opened_in_colab_from_how_to_run():
    page = (chapters.BOOK / "how-to-run.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(https://colab\S+/book/([\w-]+)\.ipynb\)", page)
    assert linked == [*(source.stem for source in chapters.chapters()), "mistakes"]


def test_an_edit_of_a_link_is_taken_over_as_it_is_written():
    source = chapters.chapters()[3]
    text, twin = source.read_text(encoding="utf-8"), chapters.regenerate(source)
    edited = deepcopy(twin)
    cited = next(cell for cell in edited.cells if "cite:p zhou2016" in cell.source)
    cited.source += "\n\nMy own line on {cite:t}`zhou2016learning`."
    taken = chapters.taken_over(text, edited)
    assert set(taken.splitlines()) - set(text.splitlines()) == {"My own line on {cite:t}`zhou2016learning`."}


def test_the_first_cell_is_not_on_the_page_nor_in_the_source():
    notebook = new_notebook(cells=[new_markdown_cell("where", id=cells.HEAD), new_markdown_cell("# A chapter")])
    assert [cell.source for cell in cells.for_page(notebook).cells] == ["# A chapter"]
