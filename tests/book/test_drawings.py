"""The figures of a notebook on a page: in its colours, numbered, read on a phone, enlarged, and said in words."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from built_pages import read
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from salkit.course.records import MIME as RECORD
from salkit.display import curves, grid, intervals, slider
from salkit.display.drawing import MIME
from tools import chapters
from tools.finished import FINISHED

LEAST = 9  # pixels that letters have at least
PHONE = {"width": 390, "height": 844}
ROOM = 350  # pixels that a phone of 390 has for a figure
WIDE = {"width": 1280, "height": 800}
MAX_BYTES = 190_000  # aim 150,000: a curve with many points in chapter 3 is above it

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (5, 3, 32, 32), generator=GENERATOR).to(torch.uint8)
MAPS = torch.randn(5, 32, 32, generator=GENERATOR)
MASKS = (torch.arange(32) < 16).expand(5, 32, 32)
NAMES = ["first", "second", "third", "fourth", "fifth", "sixth"]
ROWS = {name: SimpleNamespace(mean=i, low=i - 1, high=i + 1, n=280) for i, name in enumerate(NAMES)}
FIGURES = {
    "maps": grid([IMAGES, MAPS, MAPS.abs()], ["image", "gradient", "magnitude"], NAMES[:5], outlines=[MASKS] * 3),
    "lines": curves(range(9), {name: np.cos(np.arange(9) / 4 + i) for i, name in enumerate(NAMES)}, "epoch", "value"),
    "rows": intervals(ROWS, "share on the asked object minus share on the other", chance=0),
    "again": intervals(ROWS, "share on the asked object minus share on the other", chance=0),
}


def shown(thing, alt="", caption="", name="", extra=()):
    """A code cell as it is stored once it has shown something."""
    bundle = thing._repr_mimebundle_()
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    metadata_of_cell = {"image": {"alt": alt}, "figure": {"caption": caption, "name": name}}
    outputs = [*extra, new_output("display_data", data, metadata=metadata)]
    return new_code_cell("1", metadata={"mystnb": metadata_of_cell}, outputs=outputs, execution_count=1)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of such a notebook, in a book of its own, built as the course is: every warning is an error."""
    folder = tmp_path_factory.mktemp("drawings")
    record = new_output("display_data", {RECORD: {"key": "A", "values": {}}, "text/plain": ""})
    cells = [new_markdown_cell("# A chapter\n\nSee [figure](#lines), and [another page](https://salkit.github.io).")]
    for i, (name, figure) in enumerate(FIGURES.items()):
        alt = f"What figure {i} shows. It is <more> than a sentence."
        cells.append(shown(figure, alt, f"The *finding* of {name}.", name, extra=[record] * (i == 0)))
    frames = [grid([MAPS[i : i + 2]], show_range=False) for i in range(3)]
    moving = slider(frames, ["one", "two", "three"], title="Step", alt="Two maps at a step")
    cells.append(shown(moving, caption="A slider.", name="slider"))
    notebook = new_notebook(cells=cells, metadata={"language_info": chapters.LANGUAGE})
    nbformat.write(notebook, folder / "trial.ipynb")
    (folder / "index.md").write_text("# A book\n\nIn a chapter there is [figure](#rows).\n")
    static, extensions = chapters.BOOK / "_static", chapters.ROOT / "tools" / "extensions"
    config = {
        "title": "Trial",
        "execute": {"execute_notebooks": "off"},
        "sphinx": {
            "local_extensions": {"figures": str(extensions)},
            "config": {
                "html_static_path": [str(static)],
                "html_css_files": ["course.css", "figures.css", "print.css"],
                "html_js_files": ["course.js"],
                "numfig_format": {"figure": "Figure %s"},
                "myst_heading_anchors": 3,
            },
        },
    }
    (folder / "_config.yml").write_text(json.dumps(config))
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: index\noptions: {numbered: true}\nchapters:\n- file: trial\n"
    )
    command = [Path(sys.executable).with_name("jupyter-book"), "build", folder, "-n", "-W", "--keep-going"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "_build" / "html" / "trial.html"


@pytest.fixture
def visit(browser, page):
    opened = []

    def visit(viewport=WIDE, theme="light", **options):
        context = browser.new_context(viewport=viewport, color_scheme=theme, offline=True, **options)
        opened.append(context)
        visited = context.new_page()
        visited.complaints = []
        # Jupyter Book's own sphinx_thebe, which the course leaves out, declares a constant twice.
        visited.on("pageerror", lambda error: "THEBE" in str(error) or visited.complaints.append(str(error)))
        visited.goto(page.as_uri())
        return visited

    yield visit
    complaints = [complaint for context in opened for one in context.pages for complaint in one.complaints]
    for context in opened:
        context.close()
    assert complaints == []


def test_each_figure_has_a_number_a_caption_and_links_that_say_which(page):
    text = page.read_text()
    captions = [
        re.sub(r"<[^>]+>|#", "", caption) for caption in re.findall(r"<figcaption>(.*?)</figcaption>", text, re.S)
    ]
    found = [re.sub(r"\s+", " ", caption).strip() for caption in captions]
    assert found == [
        "Figure 1.1 The finding of maps.",
        "Figure 1.2 The finding of lines.",
        "Figure 1.3 The finding of rows.",
        "Figure 1.4 The finding of again.",
        "Figure 1.5 A slider.",
    ]
    assert re.search(r'href="#lines">(<span[^>]*>)?Figure 1\.2<', text)
    assert re.search(r'href="trial.html#rows">(<span[^>]*>)?Figure 1\.3<', (page.parent / "index.html").read_text())


def test_nothing_on_the_page_has_the_name_of_another(page):
    ids = re.findall(r'\bid="([^"]+)"', page.read_text().split("<article")[1].split("</article>")[0])
    assert len(set(ids)) == len(ids) > 30
    used = re.findall(r'<use href="#([^"]+)"|url\(#([^)]+)\)', page.read_text())
    assert {one or other for one, other in used} <= set(ids)


def test_a_drawing_is_an_image_that_says_what_it_shows(visit):
    page = visit()
    images = page.locator("figure").get_by_role("img")
    assert images.count() == 5, "four figures and one frame of the slider"
    name = images.first.evaluate("image => image.getAttribute('aria-labelledby').split(' ').map("
                                 "id => document.getElementById(id).textContent).join(' ')")  # fmt: skip
    assert name == "What figure 0 shows. It is <more> than a sentence."
    assert images.last.get_attribute("aria-label") == "Two maps at a step: one"


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


STYLES = """() => {
    const style = (element) => getComputedStyle(element);
    const inks = (where, what) => [...document.querySelectorAll(where)].map((one) => style(one)[what]);
    return {
        page: getComputedStyle(document.body).backgroundColor,
        text: style(document.querySelector(".bd-article p")).color,
        letters: inks("#lines .salkit-wide text, #rows .salkit-wide text", "fill"),
        lines: inks("#lines .salkit-wide path", "stroke").filter((ink) => ink !== "none"),
        fonts: inks(".salkit-wide text", "fontFamily"), body: style(document.body).fontFamily,
    };
}"""


def test_a_drawing_follows_the_theme_and_can_be_read_in_both(visit):
    page, seen = visit(), {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
        seen[theme] = page.evaluate(STYLES)
        ground = seen[theme]["page"]
        assert seen[theme]["text"] in seen[theme]["letters"], "letters have the text's own colour"
        assert min(contrast(ink, ground) for ink in seen[theme]["letters"]) >= 4.5
        strong = sorted({ink for ink in seen[theme]["lines"]}, key=lambda ink: contrast(ink, ground))
        assert len(strong) >= 7 and sum(contrast(ink, ground) >= 3 for ink in strong) >= 6
        assert set(seen[theme]["fonts"]) == {seen[theme]["body"]}
    assert not set(seen["light"]["letters"]) & set(seen["dark"]["letters"])


LETTERS = """() => [...document.querySelectorAll("figure svg text")].filter((text) =>
    text.checkVisibility()).map((text) => {
    const svg = text.ownerSVGElement;
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    return parseFloat(getComputedStyle(text).fontSize) * scale;
})"""


@pytest.mark.parametrize("viewport", [PHONE, {"width": 700, "height": 900}, WIDE], ids=lambda size: size["width"])
def test_letters_can_be_read_without_enlarging_and_nothing_is_wider_than_the_screen(visit, viewport):
    page = visit(viewport)
    sizes = page.evaluate(LETTERS)
    assert len(sizes) > 50 and min(sizes) >= LEAST
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    narrow = viewport == PHONE
    for name in FIGURES:
        assert page.locator(f"#{name} .salkit-narrow").is_visible() == narrow
        assert page.locator(f"#{name} .salkit-wide").is_visible() != narrow


@pytest.mark.parametrize("viewport", [PHONE, WIDE], ids=lambda size: size["width"])
def test_a_drawing_opens_over_the_page_by_keyboard_and_the_focus_goes_back(visit, viewport):
    page = visit(viewport, theme="dark")
    link, dialog = page.locator("#maps a.enlarge"), page.locator("dialog.enlarged")
    before = link.locator("svg:visible").first.bounding_box()["width"]
    link.focus()
    page.keyboard.press("Enter")
    large = dialog.get_by_role("img")
    assert large.bounding_box()["width"] > 1.2 * before
    assert "What figure 0 shows." in large.get_attribute("aria-label") == dialog.locator("p").inner_text()
    assert (
        min(dialog.locator("text").evaluate_all("texts => texts.map((text) => text.getBoundingClientRect().height)"))
        > LEAST
    )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(set(ids)) == len(ids), "the copy has names of its own"
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert page.evaluate("document.activeElement.classList.contains('enlarge')")


def test_a_frame_opens_by_enter_and_by_a_click(visit):
    page = visit(PHONE)
    control, dialog = page.get_by_role("slider"), page.locator("dialog.enlarged")
    control.fill("1")
    for open_it in (lambda: control.press("Enter"), page.locator(".salkit-frame:not([hidden])").click):
        open_it()
        assert dialog.get_by_role("img").get_attribute("aria-label") == "Two maps at a step: two"
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")


def test_without_scripts_a_drawing_leads_to_its_picture(visit):
    page = visit(java_script_enabled=False)
    page.locator("#lines a.enlarge").click()
    page.wait_for_url(re.compile(r"_frames/\w+\.(webp|png)$"))


def test_on_paper_a_drawing_is_in_light_colours_and_of_a_slider_one_frame_is_there(visit):
    page = visit(theme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    inks = page.locator("#lines .salkit-wide text").evaluate_all(
        "texts => texts.map((text) => getComputedStyle(text).fill)"
    )
    assert min(contrast(ink, "rgb(255, 255, 255)") for ink in inks) >= 4.5
    frames = page.locator(".salkit-frame")
    assert [frame.bounding_box() is not None for frame in frames.all()] == [True, False, False]


def test_the_image_of_a_strict_site_is_not_on_the_page(page):
    assert 'class="salkit-fallback"' not in page.read_text()


def test_the_other_tests_read_what_a_drawing_says(page):
    alts = [alt for alt, _ in read(page).alts]
    assert alts[:2] == [f"What figure {i} shows. It is <more> than a sentence." for i in range(2)]
    assert alts[-3:] == [f"Two maps at a step: {step}" for step in ("one", "two", "three")]


# ------------------------------------------------------------------------------------------- the finished chapters


def drawn(source):
    """The outputs of a chapter that hold a figure of ours."""
    cells = chapters.code_cells(chapters.read_twin(source))
    return [output for cell in cells for output in cell.outputs if MIME in output.get("data", {})]


def too_small(sizes):
    """Whether the letters of a figure are smaller than what can be read at a phone's width."""
    size = sizes.get("narrow", sizes["wide"])
    return size.get("smallest_font", 99) * 100 / 72 * min(1, ROOM / size["width"]) < LEAST


def test_letters_that_are_too_small_would_be_seen():
    wide = {"width": 700, "smallest_font": 9.5}
    assert too_small({"wide": wide}) and too_small({"wide": wide, "narrow": {"width": 340, "smallest_font": 6.4}})
    assert not too_small({"wide": wide, "narrow": {"width": 346, "smallest_font": 7.5}})


@pytest.mark.parametrize("source", chapters.chosen(list(FINISHED)), ids=lambda path: path.stem)
def test_the_figures_of_a_finished_chapter(source):
    found = drawn(source)
    if not found:
        pytest.skip("executed before figures were stored as drawings")
    for output in found:
        assert not too_small(output.metadata[MIME]), output.metadata[MIME]
        assert max(len(data) for kind, data in output.data.items() if kind.startswith("image/")) <= MAX_BYTES
        assert len(output.data[MIME]) <= MAX_BYTES
    cells = chapters.code_cells(chapters.read_twin(source))
    with_figure = [cell for cell in cells if any(MIME in output.get("data", {}) for output in cell.outputs)]
    assert all(cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "").strip() for cell in with_figure)


def test_the_finished_chapters_are_chapters():
    assert set(FINISHED) <= {path.stem[:2] for path in chapters.chapters()}
