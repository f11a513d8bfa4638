"""The slides: what a page's marks put on them, and every deck in a real browser, from a file, offline."""

import re
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from tools import chapters, slides

# Milliseconds before the browser counts as stuck: a busy machine is slow, and that is no defect of a page.
PATIENCE = 120_000
LOCAL = ("file", "data", "blob", "about")
NAMES = [path.stem for path in chapters.chapters()]
# Their authors have chosen what is shown, so the deck is short and nothing had to be made smaller.
MARKED = [path.stem for path in chapters.chapters() if "<!-- slide" in path.read_text(encoding="utf-8")]
UNMARKED = [name for name in NAMES if name not in MARKED]
MOST = 30

# What sticks out of the slide in view, in pixels, and how large things are.
MEASURE = """() => {
    const slide = Reveal.getCurrentSlide().querySelector(".slide");
    const body = slide.querySelector(".body");
    const end = slide.getBoundingClientRect().bottom - 46;
    const parts = [...body.querySelectorAll("*:not(.half *)")];  // the rest of a halved picture is cut off
    const boxes = parts.map((part) => part.getBoundingClientRect()).filter((box) => box.width);
    // What an image fills of its box: it keeps its proportions.
    const drawn = (image) => {
        const {width, height} = image.getBoundingClientRect();
        const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
        return [image.naturalWidth * scale, image.naturalHeight * scale];
    };
    const pictures = [...body.querySelectorAll("img")].filter((image) => image.checkVisibility());
    return {
        heading: slide.querySelector("h1, h2").textContent,
        below: Math.max(0, ...boxes.map((box) => box.bottom - end)),
        sideways: body.scrollWidth - body.clientWidth,
        pictures: pictures.map(drawn),
        alone: boxes.length > 0 && !body.querySelector(".text, .print, .table"),
        alts: [...body.querySelectorAll("img:not(.half + .half img)")].map((image) => image.alt),
        empty: !body.textContent.trim() && !body.querySelector("img, svg"),
        zoom: Number(body.style.zoom),
    };
}"""
# 99: with everything that key presses bring up.
MEASURE_ALL = f"""async () => {{
    document.querySelectorAll("img").forEach((image) => {{ image.loading = "eager"; }});
    await Promise.all([...document.images].map((image) => image.decode()));
    return [...Array(Reveal.getTotalSlides()).keys()].map((number) => {{
        Reveal.slide(number, 0, 99);
        return ({MEASURE})();
    }});
}}"""


@pytest.fixture(scope="module")
def decks(html, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    slides.write(html, NAMES, folder)
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
        page.evaluate("MathJax.startup.promise.then(() => null)")
        return page

    yield present
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", NAMES)
def test_no_slide_overflows_and_nothing_is_remote(present, name):
    page = present(name)
    slides_seen = page.evaluate(MEASURE_ALL)
    assert len(slides_seen) >= 8
    for number, seen in enumerate(slides_seen):
        assert seen["below"] <= 0 and seen["sideways"] <= 0, (number, seen)
        assert all(width >= 0.9 * 1152 or height >= 180 for width, height in seen["pictures"]), (number, seen)
        assert all(re.search(r"\w", alt) for alt in seen["alts"]), (number, seen)
        assert not seen["empty"], (number, seen)
        if name in MARKED:
            assert seen["zoom"] >= 0.85, f"slide {number} has too much on it: {seen}"
            if seen["alone"]:
                assert all(width >= 0.95 * 1152 or height >= 440 for width, height in seen["pictures"]), (number, seen)
    assert name not in MARKED or len(slides_seen) <= MOST
    assert page.locator("mjx-merror").count() == 0
    assert page.remote == [] and page.complaints == []


def test_a_chapter_is_marked():
    assert MARKED


def test_the_measure_sees_what_sticks_out(present):
    page = present(NAMES[0])
    page.evaluate("Reveal.slide(1)")
    page.evaluate("Reveal.getCurrentSlide().querySelector('.body').innerHTML += '<p style=\"min-height:900px\">x</p>'")
    assert page.evaluate(MEASURE)["below"] > 0


def test_letters_that_are_wider_than_ours_fit_as_well(present):
    page = present(NAMES[0])
    page.add_style_tag(content=".reveal .slide { letter-spacing: 0.1em; }")
    slides_seen = page.evaluate(MEASURE_ALL)
    assert all(seen["below"] <= 0 and seen["sideways"] <= 0 for seen in slides_seen)
    assert any(seen["zoom"] < 1 for seen in slides_seen)


def test_arrows_move_and_what_follows_a_figure_waits(present):
    page = present(UNMARKED[0])
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


def test_a_slider_is_as_large_as_the_slide_and_moves(present):
    page = present("02-vanilla-saliency")
    at = "[...document.querySelectorAll('.slides > section')].findIndex((slide) => slide.querySelector('.slider'))"
    page.evaluate(f"Reveal.slide({at})")
    slide = page.locator(".slides > section.present")
    frame = slide.locator("img:visible, svg.salkit-wide:visible")
    box = frame.bounding_box()
    assert box["width"] >= 0.95 * 1152 and box["height"] >= 440
    assert slide.locator("input").bounding_box()["width"] > 350
    before = slide.locator("output").text_content()
    slide.locator("input").press("End")
    assert slide.locator("output").text_content() != before and frame.count() == 1


def test_the_speaker_has_the_prose(present):
    page = present(UNMARKED[0])
    page.evaluate("Reveal.slide(1)")
    words = page.evaluate("document.querySelector('.slides > section.present p').textContent")
    with page.context.expect_page() as opened:
        page.keyboard.press("s")
    notes = opened.value.locator(".speaker-controls-notes .value")
    notes.get_by_text(words[:40]).first.wait_for()


def test_a_deck_without_marks_shows_all_figures_and_no_solution(html, decks):
    for name in NAMES:
        deck = (decks / f"{name}.html").read_text()
        shown = re.sub(r'<aside class="notes">.*?</aside>', "", deck, flags=re.S)
        assert (
            "@title Solution" not in shown and "{cite" not in shown and "```" not in shown and "headerlink" not in deck
        )
        assert not re.search(r'\bid="(?!salkit)', deck)
        if name not in MARKED:
            page = BeautifulSoup((html / f"book/{name}.html").read_text(), "html.parser")
            figures = page.select(".bd-article .cell_output img:not(.salkit-slider img)")
            assert [
                image["alt"] for image in figures if f'alt="{image["alt"]}"' not in shown.replace("&#x27;", "'")
            ] == []


# ------------------------------------------------------------------------------------------------- what is shown


@pytest.fixture
def made(tmp_path):
    """A function that makes a page of some HTML, and returns its slides but the first: heading, kinds, notes."""

    def made(body, seen=None):
        (tmp_path / "book").mkdir(exist_ok=True)
        (tmp_path / "_images").mkdir(exist_ok=True)
        for name, size in (("wide", (30, 10)), ("tall", (10, 30))):
            Image.new("RGB", size).save(tmp_path / f"_images/{name}.png")
        page = tmp_path / "book/07-trial.html"
        page.write_text(f'<article class="bd-article"><section id="a"><h1>T</h1><p>Q?</p>{body}</section></article>')
        first, *rest = slides.slides_of(page, tmp_path)
        assert first.heading == "T" and [item.kind for item in first.items] == ["text"]
        return rest

    return made


def cell(source="x = 1", output="", tags=""):
    outputs = f'<div class="cell_output">{output}</div>' if output else ""
    return f'<div class="cell {tags}"><div class="cell_input"><pre>{source}</pre></div>{outputs}</div>'


WIDE = cell(output='<a class="enlarge" href="x"><img alt="Wide." src="../_images/wide.png"></a>')
TALL = cell(output='<img alt="Tall." src="../_images/tall.png">')
SLIDER = cell(output='<div class="output"><img alt="A" src="data:,"><input type="range"></div>')
FUNCTION = cell("def f(x):\n    return x\n\n\nprint(f(1))", '<div class="output"><pre>1\n</pre></div>')
FORMULA = r'<div class="math">\[a\]</div>'
GUESS = "<blockquote><p>Guess.</p></blockquote>"


def shown(found):
    return [(slide.heading, [item.kind for item in slide.items]) for slide in found]


def test_a_mark_shows_the_next_thing_with_the_sentence_before_and_after_it(made):
    long = f"Before. {'x' * 40}. {'X' * 150}."
    body = f"<!-- slide: One & all -->\n<p>{long}</p>{FUNCTION}{WIDE}<p>After.</p><p>More.</p>"
    found = made(f"<p>Not shown.</p>{WIDE}{body}")
    assert shown(found) == [("One &amp; all", ["text", "figure", "text"])]
    assert [item.html for item in found[0].items[::2]] == [f"<p>{long[:-152]}</p>", "<p>After.</p>"]
    assert found[0].notes == [f"<p>{long}</p>", "<p>After.</p>", "<p>More.</p>"]


def test_marks_that_follow_each_other_share_what_follows(made):
    marks = "<!-- slide f: A -->\n<!-- slide result text: B -->\n<!-- slide figure: C -->\n<!-- slide figure: D -->"
    found = made(f"{marks}<p>One.</p>{FUNCTION}<p>Two.</p>{WIDE}<p>Three.</p>{TALL}<!-- slide formula: E -->{FORMULA}")
    assert shown(found) == [
        ("A", ["code"]), ("B", ["print", "text", "text", "text"]),
        ("C", ["figure"]), ("D", ["figure"]), ("E", ["formula"]),
    ]  # fmt: skip
    assert found[3].items[0].html.count('class="half"') == 2, "a picture higher than wide, in two halves"
    assert [slide.notes for slide in found] == [["<p>One.</p>"], ["<p>Two.</p>"], ["<p>Three.</p>"], [], []]


def test_bold_words_are_a_title_and_no_slide_ends_one(made):
    found = made(f"<!-- slide --><p><strong>It works.</strong> Look:</p>{WIDE}<!-- no slide --><p>Hidden.</p>{TALL}")
    assert shown(found) == [("It works", ["text", "figure"])] and "Hidden" not in str(found)


@pytest.mark.parametrize(
    "body",
    [
        f"<!-- slide formula: A -->{WIDE}",
        f"<!-- slide g: A -->{FUNCTION}",
        f"<!-- slide figure: A -->\n<!-- slide figure: B -->{WIDE}",
        f"<!-- slide --><p>No bold words.</p>{WIDE}",
        "<!-- slide: A -->",
    ],
)
def test_a_mark_that_has_nothing_to_show_is_refused(made, body):
    with pytest.raises(slides.SlideError, match="<!-- slide"):
        made(body)


def test_marks_of_records_are_not_seen(made):
    words = "It is right on <!--r:A1.x:.1%-->60.7 %<!--/r--> of the images.<!--s:A1-x--> More. "
    (slide,) = made(f"<!-- slide text: A --><p>{words * 3}</p>")
    assert slide.items[0].html == f"<p>{'It is right on 60.7 % of the images. More. ' * 3}</p>".replace(" </p>", "</p>")


def test_without_marks_each_thing_to_look_at_has_a_slide(made):
    found = made(
        f"<h2>H</h2><p>A.</p><p>B:</p>{WIDE}<p>C.</p><p>D:</p>{FUNCTION}<p>E.</p>{SLIDER}<h2>I</h2><p>F.</p><p>G.</p>"
    )
    assert shown(found) == [
        ("H", ["text", "figure", "text"]), ("H", ["text", "code", "text"]), ("H", ["slider"]), ("I", ["text", "text"])
    ]  # fmt: skip
    assert [item.html for item in found[1].items[::2]] == ["<p>D:</p>", "<p>E.</p>"]
    assert found[0].notes == ["<p>A.</p>", "<p>B:</p>", "<p>C.</p>"]


def test_without_marks_the_first_function_under_a_heading_is_shown(made):
    found = made(f"<h2>H</h2>{FUNCTION}{cell('def g(x): ...')}<h2>I</h2>{cell('def h(x): ...')}")
    assert [(slide.heading, slide.items[0].name) for slide in found] == [("H", "f"), ("I", "h")]


def test_a_guess_is_made_before_its_answer_is_seen(made):
    found = made(f"<h2>H</h2><p>Before.</p>{GUESS}<p>It tells:</p>{WIDE}<p>It shows.</p>")
    assert shown(found) == [("H", ["text", "guess"]), ("H", ["text", "figure", "text"])]


def test_what_is_shown_of_a_cell(made):
    def items(body):
        return made(f"<p>A.</p>{body}")

    assert shown(items(FUNCTION)) == [("T", ["text", "code"])]
    assert "print(f(1))" not in items(FUNCTION)[0].items[1].html, "of a cell its functions, and each whole"
    for hidden in (
        cell("run = course.start()", "<pre>said</pre>"),
        cell("def f(): ...\ncheck.cam(f)", "<pre>no</pre>"),
    ):
        assert shown(items(hidden)) == [("T", ["text"])]
    (solved,) = items(cell("def f(x):\n    return x", tags="tag_solution"))
    assert [item.kind for item in solved.items] == ["text"] and "return x" in solved.notes[-1]
    (table,) = items(f"<table><thead><tr><th>h</th></tr></thead><tbody>{'<tr><td>1</td></tr>' * 20}</tbody></table>")
    assert table.items[1].html.count("<tr>") == 1 + slides.ROWS + 1 and "11 more" in table.items[1].html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One thing. Another one.", "One thing. Another one."),
        (
            "A sentence of more than forty characters, e.g. This one. " + "More. " * 40,
            "A sentence of more than forty characters, e.g. This one. More.",
        ),
        ("Look at <code>a. B</code> and <em>what I. Said</em> (no. Not now.) " + "for long " * 20 + ". End.", None),
        ("No full stop here", "No full stop here"),
        ("Two of them agree: Here they are, all of them. " + "And more words follow. " * 9, None),
        ("<strong>The point.</strong> A sentence of forty characters, or of more. " + "More words. " * 20, None),
    ],
)
def test_a_paragraph_is_cut_after_a_sentence(text, expected):
    cut = slides.lead(BeautifulSoup(f"<p>{text}</p>", "html.parser").p)
    assert text.startswith(cut) and re.search(r"[.!?]$|here$", cut)
    assert cut.startswith(expected) if expected else 60 < len(cut) < len(text)
    assert all(cut.count(f"<{tag}>") == cut.count(f"</{tag}>") for tag in ("code", "em", "strong"))
    assert cut.count("(") == cut.count(")")
