"""The first page keeps up with the chapters, and what stands under its picture is true."""

import base64
import io
import re

import nbformat
import numpy as np
import pytest
import skimage.data
import torch
from built_pages import read
from PIL import Image

from salkit import models
from salkit.data import CIFAR10_CLASSES
from tools import chapters, front_page

PAGE = chapters.BOOK / "index.md"
EXECUTED = [source for sources in front_page.listed().values() for source in sources]


def notebook(*prose):
    cells = [nbformat.v4.new_markdown_cell(text) for text in prose]
    return nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("these = 'are no words of prose'")])


def with_figures(*figures):
    """A notebook with figures of one colour each: ``(alt, colour)``."""
    twin = notebook("# More")
    for alt, colour in figures:
        file = io.BytesIO()
        Image.new("RGB", (200, 100), colour).save(file, "png")
        data = {"image/png": base64.b64encode(file.getvalue()).decode()}
        cell = nbformat.v4.new_code_cell("draw()", outputs=[nbformat.v4.new_output("display_data", data)])
        cell.metadata["mystnb"] = {"image": {"alt": alt}}
        twin.cells.append(cell)
    return twin


@pytest.fixture
def chapter(tmp_path):
    """A function that writes a chapter with its front matter, title and twin."""
    (tmp_path / "book").mkdir()
    source = tmp_path / "book/14-more.md"

    def write(front_matter, twin=None):
        source.write_text(f"---\n{front_matter}\n---\n# More\n")
        if twin:
            chapters.write_twin(chapters.twin_of(source), twin)
        return source

    return write


def test_every_chapter_has_a_card_with_a_picture_of_its_own():
    cards = [front_page.card(source) for source in EXECUTED]
    assert [card.number for card in cards] == [int(source.stem[:2]) for source in chapters.chapters()]
    assert len({card.alt for card in cards}) == len({card.question for card in cards}) == len(cards)
    for card in cards:
        assert len(card.alt.split()) >= 6 and card.minutes > 3 and card.question[0].isupper(), card.page
        pixels = np.asarray(card.picture)
        assert (pixels > 245).all(-1).mean() < 0.7, f"{card.page}: the card's picture is mostly white: crop it anew"
        small = front_page.thumbnail(card.picture)
        assert len(small) <= front_page.CARD_BYTES
        with Image.open(io.BytesIO(small)) as image:
            assert image.size == front_page.CARD


def test_a_new_chapter_comes_into_the_part_that_has_it(tmp_path, chapter):
    parts = "- caption: Start\n  chapters:\n  - file: book/notes\n- caption: 'Two: more'\n  chapters:\n"
    (tmp_path / "_toc.yml").write_text(f"root: book/index\nparts:\n{parts}  - file: book/14-more\n")
    source = chapter('description: "more: and more."')
    assert front_page.listed(tmp_path) == {}, "before it was executed"
    source = chapter('description: "more: and more."', with_figures(("A red figure", "red"), ("A blue one", "blue")))
    assert front_page.listed(tmp_path) == {"Two: more": [source]}
    card = front_page.card(source)
    assert (card.number, card.page, card.title) == (14, "book/14-more", "More")
    assert card.question == "More: and more." and card.alt == "From chapter 14: A red figure"
    assert card.picture.size == (200, 100) and card.picture.getpixel((0, 0)) == (255, 0, 0)


def test_a_card_names_its_figure_and_a_part_of_it(chapter):
    twin = with_figures(("A red figure", "red"), ("A blue figure", "blue"))
    card = "card:\n  figure: blue\n  crop: [0.5, 0, 1, 0.5]\n  alt: Half of it."
    found = front_page.card(chapter(f"description: more.\n{card}", twin))
    assert found.picture.size == (100, 50) and found.picture.getpixel((0, 0)) == (0, 0, 255)
    assert found.alt == "Half of it."
    for wrong in ("green", "figure"):
        with pytest.raises(SystemExit, match="14-more.md: [02] figures"):
            front_page.card(chapter(f"description: more.\ncard:\n  figure: {wrong}", twin))
    with pytest.raises(SystemExit, match="14-more.md: say in its front matter"):
        front_page.card(chapter("title: More", twin))


def test_a_thumbnail_shows_all_of_a_picture():
    tall = np.full((400, 100, 3), (0, 0, 255), np.uint8)
    with Image.open(io.BytesIO(front_page.thumbnail(Image.fromarray(tall)))) as small:
        pixels = np.asarray(small.convert("RGB")).astype(int)
    blue = (pixels[..., 2] - pixels[..., 0] > 128).mean()
    assert abs(blue - 75 / 480) < 0.02 and (pixels[:, 0] > 245).all()


def test_words_are_those_of_the_prose():
    text = "Two words, [and a link](https://a.org/b) {cite:p}`key2020`.\n\n$$\nx = y\n$$\n\n<details>more</details>"
    assert front_page.words(notebook(text, "The last.")) == 8


def test_times_come_from_the_record_and_the_benchmark(tmp_path):
    source = tmp_path / "02-trial.md"
    source.write_text("# A trial\n\n" + "word " * 500)
    twin = notebook("# A trial")
    chapters.write_twin(chapters.twin_of(source), twin)
    assert front_page.times(source, {}) == {"read": "3 min"}

    twin.metadata["salkit"] = {"device": "cpu, 2 cores", "seconds": 386}
    chapters.write_twin(chapters.twin_of(source), twin)
    figures = {"02-trial": {"fast": {"seconds": 27.9}, "gpu": {"seconds": 100}}}
    assert front_page.times(source, figures) == {"read": "3 min", "fast": "30 s", "cpu": "6 min", "gpu": "2 min"}

    twin.metadata["salkit"] = {"device": "NVIDIA H100", "seconds": 50}
    chapters.write_twin(chapters.twin_of(source), twin)
    assert front_page.times(source, {}) == {"read": "3 min", "gpu": "50 s"}


def test_the_table_of_times_has_no_column_without_a_time():
    assert front_page.table_of_times(figures={}).splitlines()[0] == "| chapter | to read | in full, CPU |"
    one = {EXECUTED[0].stem: {"fast": {"seconds": 27.9}}}
    head, _, first, second, *_ = front_page.table_of_times(figures=one).splitlines()
    assert head == "| chapter | to read | to run, fast | in full, CPU |"
    assert "| 30 s |" in first and "| – |" in second


def test_nothing_in_the_book_says_that_it_was_not_measured():
    for page in chapters.BOOK.glob("*.md"):
        assert not re.search(r"not (yet )?measured(?! yet| by)", page.read_text(encoding="utf-8"), re.I), page.name


def test_the_caption_says_what_the_network_answers():
    """What stands under the picture: a small network of the package calls the photograph's face a cat's."""
    face = torch.from_numpy(skimage.data.chelsea().copy()).permute(2, 0, 1)[None, :, :300, 75:375] / 255
    small = torch.nn.functional.interpolate(face, (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        label = models.trained("small_cnn")(small).argmax()
    assert CIFAR10_CLASSES[label] == "cat"


def test_the_picture_is_small_and_says_what_it_shows():
    assert (chapters.BOOK / "_static/front.png").stat().st_size < 150_000
    for file, place in ((PAGE, "_static"), (chapters.ROOT / "README.md", "book/_static")):
        (alt,) = re.findall(rf"!\[([^\]]*)\]\({place}/front\.png\)", file.read_text(encoding="utf-8"))
        assert len(alt.split()) >= 20, file.name


def test_the_built_page_has_the_cards_and_a_place_for_the_laboratory(html):
    page, text = read(html / "book/index.html"), (html / "book/index.html").read_text(encoding="utf-8")
    assert "laboratory" in page.ids and text.count("card-question") == len(EXECUTED)
    for source in EXECUTED:
        assert page.links.count(f"{source.stem}.html") >= 2, "in the contents at the side, and on its card"


# What can be seen of the stage and the cards: boxes, and whether one covers another.
SEEN = """() => {
    const box = (what) => document.querySelector(what).getBoundingClientRect();
    const cards = [...document.querySelectorAll(".course-cards > li")];
    return {
        buttons: [...document.querySelectorAll(".course-buttons a")].map((a) => [a.innerText, a.offsetHeight]),
        bottom: Math.max(...[...document.querySelectorAll(".course-buttons a")].map(
            (a) => a.getBoundingClientRect().bottom)),
        picture: box("#laboratory img").width,
        beside: box("#laboratory").left >= box(".course-words").right - 1,
        columns: new Set(cards.map((card) => card.offsetLeft)).size,
        stops: Math.max(...cards.map((card) => card.querySelectorAll("a").length)),
        pressed: cards.every((card) => {
            card.scrollIntoView({block: "center"});
            const {left, top, width, height} = card.getBoundingClientRect();
            return document.elementFromPoint(left + width / 2, top + height / 3)?.closest("a")?.href.includes("/book/");
        }),
    };
}"""


@pytest.mark.parametrize("width, columns, beside", [(1440, 4, True), (820, 3, False), (390, 1, False)])
def test_the_stage_and_the_cards_without_scripts_on_all_screens(browser, html, width, columns, beside):
    height = 844
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((html / "book/index.html").as_uri())
    seen = page.evaluate(SEEN)
    assert [words for words, _ in seen["buttons"]] == ["Start reading", "Run in Colab", "Teach with it"]
    assert all(tall >= 40 for _, tall in seen["buttons"]) and seen["bottom"] < height
    assert seen["picture"] > 300 and seen["beside"] == beside
    assert seen["columns"] == columns and seen["pressed"], "a card is a link all over"
    assert seen["stops"] == 1, "and a keyboard stops at it once"
    context.close()
