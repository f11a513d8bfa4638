"""The slides: what is shown of a paragraph and of a cell, and every deck in a real browser, from a file, offline."""

import re
from urllib.parse import urlsplit

import pytest
from nbformat.v4 import new_code_cell, new_output

from tools import chapters, slides

# Milliseconds before the browser counts as stuck: a busy machine is slow, and that is no defect of a page.
PATIENCE = 120_000
LOCAL = ("file", "data", "blob", "about")
CHAPTERS = chapters.chapters()

# What sticks out of the slide in view, in pixels, and how high its pictures are.
MEASURE = """() => {
    const slide = Reveal.getCurrentSlide().querySelector(".slide");
    const body = slide.querySelector(".body");
    const end = slide.getBoundingClientRect().bottom - 46;
    const boxes = [...body.querySelectorAll("*")].map((e) => e.getBoundingClientRect()).filter((box) => box.width);
    return {
        heading: slide.querySelector("h1, h2").textContent,
        below: Math.max(0, ...boxes.map((box) => box.bottom - end)),
        sideways: body.scrollWidth - body.clientWidth,
        heights: [...body.querySelectorAll(".figure img")].map((image) => image.getBoundingClientRect().height),
        alts: [...body.querySelectorAll("img")].map((image) => image.alt),
        empty: !body.textContent.trim() && !body.querySelector("img"),
        zoom: Number(body.style.zoom),
    };
}"""
# 99: with everything that key presses bring up.
MEASURE_ALL = f"""() => [...Array(Reveal.getTotalSlides()).keys()].map((number) => {{
    Reveal.slide(number, 0, 99);
    return ({MEASURE})();
}})"""


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    slides.write(CHAPTERS, folder)
    return folder


@pytest.fixture
def present(browser, decks):
    """A function that opens a deck with the network off, and returns it with what it complained about."""
    contexts = []

    def present(name):
        context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.remote, page.complaints = [], []
        page.on("request", lambda request: urlsplit(request.url).scheme in LOCAL or page.remote.append(request.url))
        page.on("requestfailed", lambda request: page.complaints.append(f"{request.url}: {request.failure}"))
        page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto((decks / f"{name}.html").as_uri(), wait_until="load")
        page.wait_for_function("Reveal.isReady() && window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise")
        return page

    yield present
    for context in contexts:
        context.close()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_no_slide_overflows_and_nothing_is_remote(present, chapter):
    page = present(chapter.stem)
    slides_seen = page.evaluate(MEASURE_ALL)
    assert len(slides_seen) >= 8
    for number, seen in enumerate(slides_seen):
        assert seen["below"] <= 0 and seen["sideways"] <= 0, (number, seen)
        assert all(height >= 180 for height in seen["heights"]), (number, seen)
        assert all(re.search(r"\w", alt) for alt in seen["alts"]), (number, seen)
        assert not seen["empty"], (number, seen)
    assert page.locator("mjx-merror").count() == 0
    assert page.remote == [] and page.complaints == []


def test_the_measure_sees_what_sticks_out(present):
    page = present(CHAPTERS[0].stem)
    page.evaluate("Reveal.slide(1)")
    page.evaluate("Reveal.getCurrentSlide().querySelector('.body').innerHTML += '<p style=\"min-height:900px\">x</p>'")
    assert page.evaluate(MEASURE)["below"] > 0


def test_letters_that_are_wider_than_ours_fit_as_well(present):
    page = present(CHAPTERS[0].stem)
    page.add_style_tag(content=".reveal .slide { letter-spacing: 0.1em; }")
    slides_seen = page.evaluate(MEASURE_ALL)
    assert all(seen["below"] <= 0 and seen["sideways"] <= 0 for seen in slides_seen)
    assert any(seen["zoom"] < 1 for seen in slides_seen)


def test_arrows_move_and_what_follows_a_figure_waits(present):
    page = present(CHAPTERS[1].stem)
    seen = [page.evaluate("Reveal.getIndices()")]
    for _ in range(14):
        page.keyboard.press("ArrowRight")
        seen.append(page.evaluate("Reveal.getIndices()"))
    places = [(where["h"], -1 if where["f"] is None else where["f"]) for where in seen]
    assert places == sorted(set(places)), "each press leads on"
    assert any(part >= 0 for _, part in places), "some words came up by themselves"
    for _ in range(14):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate("Reveal.getIndices().h") == 0


def test_the_speaker_has_the_prose(present):
    page = present(CHAPTERS[1].stem)
    page.evaluate("Reveal.slide(1)")
    with page.context.expect_page() as opened:
        page.keyboard.press("s")
    notes = opened.value.locator(".speaker-controls-notes .value")
    notes.get_by_text("hangs on").first.wait_for()


def test_a_deck_shows_figures_and_no_solution(decks):
    for chapter in CHAPTERS:
        deck = (decks / f"{chapter.stem}.html").read_text()
        shown = re.sub(r'<aside class="notes">.*?</aside>', "", deck, flags=re.S)
        figures = sum("'image/" in str(cell.outputs) for cell in chapters.code_cells(chapters.regenerate(chapter)))
        assert shown.count('<img src="data:image/') >= figures
        assert "@title Solution" not in shown and "{cite" not in shown and "```" not in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One thing. Another one.", "One thing. Another one."),
        ("A sentence of more than forty characters, e.g. This one. " + "More. " * 40, None),
        ("Look at `a.b`. Then at $x. Y$ and *what I. Said* " + "for a very long time " * 9 + ". End.", None),
        ("No full stop here", "No full stop here"),
        ("Two of them agree: Here they are. " + "And more words follow. " * 9, None),
    ],
)
def test_a_paragraph_is_cut_after_a_sentence(text, expected):
    cut = slides.lead(text)
    assert text.startswith(cut)
    assert cut == expected if expected else len(cut) < len(text) and re.search(r"[.!?]$", cut)
    assert cut.count("`") % 2 == cut.count("$") % 2 == cut.count("*") % 2 == 0


def test_roles_and_links_become_words():
    assert slides._inline("See {cite:t}`simonyan2013deep`.") == "See Simonyan et al. (2013)."
    assert slides._inline("So {cite:p}`simonyan2013deep,wu2022saliency`").startswith("So (Simonyan et al., 2013; Wu, ")
    assert slides._inline("[Notation](notation.md)") == "<u>Notation</u>"
    assert slides._inline("[a](https://example.org)") == '<a href="https://example.org">a</a>'
    assert slides._inline("$a < b$") == r"\(a &lt; b\)"


def kinds(cell):
    return [part.kind for part in slides._code_cell(cell) if not isinstance(part, str)]


def test_what_is_shown_of_a_cell():
    printed = [new_output("stream", name="stdout", text="a number\n")]
    assert kinds(new_code_cell("def f(x):\n    return x")) == ["code"]
    assert kinds(new_code_cell("x = 1")) == []
    assert kinds(new_code_cell("print(x)", outputs=printed)) == ["code", "print"]
    assert kinds(new_code_cell("x = 1\n" * 30, outputs=printed)) == ["print"]
    assert kinds(new_code_cell("print(x)", outputs=printed, metadata={"tags": ["hide-input"]})) == ["print"]
    assert kinds(new_code_cell("run = course.start()", outputs=printed)) == []
    solution = new_code_cell("def f(x):\n    return x", metadata={"tags": ["hide-cell", "solution"]})
    assert kinds(solution) == [] and "return x" in slides._code_cell(solution)[0]


def test_long_code_says_how_much_is_left_out():
    item = slides._code("\n".join(f"x{i} = {i}" for i in range(40)))
    assert f"{40 - slides.CODE_LINES + 1} more lines" in item.words and "x39" not in item.words


def test_a_guess_is_made_before_its_answer_is_seen():
    figure = slides.Item("figure", "<img>", 300, ratio=2.0)
    guess = slides.Item("guess", "<p>Guess.</p>", 100)
    points = [slides._point(text) for text in ("Before.", "It introduces the figure:", "It shows this.")]
    parts = [points[0], guess, points[1], figure, points[2], "a note"]
    found = slides.packed(slides.Section("A heading", parts))
    assert [slide.items for slide in found] == [[points[0], guess], [points[1], figure, points[2]]]
    assert found[1].notes == ["a note"]


def test_two_visuals_are_two_slides_and_the_introduction_goes_along():
    first, second = (slides.Item("figure", "<img>", 300, ratio=2.0) for _ in range(2))
    introduction = slides._point("And now the other one:")
    found = slides.packed(slides.Section("A heading", [first, introduction, "its note", second]))
    assert [slide.items for slide in found] == [[first], [introduction, second]]
    assert [slide.notes for slide in found] == [[], ["its note"]]
