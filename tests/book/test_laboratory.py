"""The laboratory and the first page's stage, as a reader meets them: from a folder, with the network off."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from test_pages import AXE, KEYBOARD, MOVING, PHONE, RUN_AXE, WIDTHS, remote, turn, watched

from tools.browser import transferred
from tools.extensions import laboratory

READY = """() => {
    const told = [...document.querySelectorAll(".lab-progress")];
    return told.length === 2 && told.every((one) => one.textContent.endsWith("on your device"));
}"""
MAPS = "() => [...document.querySelectorAll('.lab-panel canvas')].map((canvas) => canvas.toDataURL())"
FIRST = 5000  # bytes of a first visit


def ready(page):
    page.wait_for_function(READY)


def stuck(page):
    """Settings take a moment to be asked for; then both panels are ready again."""
    page.wait_for_timeout(50)
    ready(page)


@pytest.fixture(scope="module")
def lab(browser, html):
    """The page with its laboratory started."""
    page = watched(browser, color_scheme="light")
    page.goto((html / "book/laboratory.html").as_uri())
    page.evaluate("window.first = performance.getEntriesByType('resource').length")
    page.locator(".lab-start").click()
    ready(page)
    yield page
    assert page.complaints == [] and remote(page) == []
    page.context.close()


@pytest.fixture
def fresh(lab, html):
    """The same as if it had just been started."""
    lab.goto("about:blank")
    lab.goto((html / "book/laboratory.html").as_uri() + "#lab:picture=scene-cat")
    ready(lab)
    return lab


def choose(page, panel, label, value):
    page.locator(".lab-panel").nth(panel).locator(f"label:has(> span:text-is('{label}')) select").select_option(value)


@pytest.mark.parametrize("name", ["laboratory", "index"])
def test_a_first_visit_loads_next_to_nothing(browser, html, name):
    page = watched(browser)
    page.goto((html / f"book/{name}.html").as_uri())
    asked = [url for url in page.asked if "/_lab/" in url]
    assert [url.rsplit("/", 1)[1] for url in asked] == ["start.js"]
    assert transferred([html / "_lab/start.js"]) < FIRST
    page.context.close()


def test_no_network_is_larger_than_its_page_says_and_all_are_small(html):
    for one in laboratory.networks():
        if one["bytes"]:
            assert (html / "_lab" / one["file"]).stat().st_size == one["bytes"] <= 1_600_000


def test_without_scripts_a_sentence_says_so(browser, html):
    page = watched(browser, java_script_enabled=False)
    page.goto((html / "book/laboratory.html").as_uri())
    assert not page.locator(".lab-start").is_visible()
    assert (
        page.get_by_text("needs JavaScript").is_visible() and page.get_by_text("never leave your device").is_visible()
    )
    page.context.close()


def test_axe_finds_nothing_in_light_and_dark_and_on_a_phone(fresh):
    # Less motion, so that axe doesn't judge a colour half on its way.
    fresh.emulate_media(reduced_motion="reduce")
    fresh.evaluate(AXE.replace("selector: '[data-asked]'", "selector: '.lab *'"))
    for theme, size in (("light", None), ("dark", None), ("dark", {"width": 390, "height": 844})):
        turn(fresh, theme)
        if size:
            fresh.set_viewport_size(size)
        assert fresh.evaluate(RUN_AXE, [".lab", None]) == []
        width, screen = fresh.evaluate(WIDTHS)
        assert width <= screen
    fresh.keyboard.press("Tab")
    assert fresh.evaluate(KEYBOARD) == [] and fresh.evaluate(MOVING) == []
    turn(fresh, "light")
    fresh.set_viewport_size({"width": 1200, "height": 800})
    fresh.emulate_media(reduced_motion="no-preference")


def test_a_link_carries_the_whole_state(fresh, html):
    choose(fresh, 0, "Method", "gradcam")
    choose(fresh, 0, "Class", "4")
    choose(fresh, 1, "Network", laboratory.UNTRAINED)
    choose(fresh, 1, "Method", "fgsm")
    fresh.get_by_label("largest change").fill("3")
    fresh.locator(".lab-picture label:has(> span:text-is('Cover with')) select").select_option("snow")
    fresh.get_by_role("button", name="Cover all but the object").click()
    stuck(fresh)
    before, address = fresh.evaluate(MAPS), fresh.get_attribute(".lab-link", "href")
    fresh.goto("about:blank")
    fresh.goto((html / "book/laboratory.html").as_uri() + address)
    ready(fresh)
    assert fresh.evaluate(MAPS) == before and fresh.get_attribute(".lab-link", "href") == address


@pytest.mark.parametrize(
    "wrong", ["picture=none&fill=lava&a=x~y", "cells=999.-4.x&a=~~~", "a=untrained~77~gradcam~9~1~layer=77", "%"]
)
def test_a_link_that_was_damaged_still_opens(fresh, html, wrong):
    fresh.goto("about:blank")
    fresh.goto((html / "book/laboratory.html").as_uri() + f"#lab:{wrong}")
    ready(fresh)


def test_covering_by_mouse_and_by_keyboard_changes_the_answer(fresh):
    before = fresh.evaluate(MAPS)
    picture = fresh.locator("canvas[role=application]")
    box = picture.bounding_box()
    fresh.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    fresh.mouse.down()
    fresh.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=8)
    fresh.mouse.up()
    stuck(fresh)
    by_mouse = fresh.evaluate(MAPS)
    assert by_mouse != before and "cells=" in fresh.url
    fresh.get_by_role("button", name="Uncover all").click()
    stuck(fresh)
    assert fresh.evaluate(MAPS) == before
    picture.focus()
    fresh.keyboard.press("ArrowDown")
    fresh.keyboard.press("Space")
    stuck(fresh)
    assert "cells=135" in fresh.url and "row 9, column 8, covered" in fresh.inner_text(".lab-picture .lab-said").lower()
    fresh.keyboard.press("Space")
    stuck(fresh)
    assert "cells" not in fresh.url


def picture_file(kind, **options):
    file = io.BytesIO()
    Image.fromarray(np.full((90, 120, 4), (200, 30, 40, 0), np.uint8)).convert("RGBA").save(file, kind, **options)
    return file.getvalue()


def huge():
    file = io.BytesIO()
    Image.new("1", (10_000, 5_000)).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("empty.png", b"", "empty"),
        ("words.png", b"these are no pixels", "not a picture"),
        ("cut.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "not a picture"),
        ("phone.heic", b"\x00\x00\x00\x18ftypheic" + bytes(40), "HEIC"),
        ("huge.png", huge(), "50 million pixels"),
    ],
)
def test_a_bad_file_gets_a_sentence_and_the_rest_goes_on(fresh, name, content, words):
    before = fresh.evaluate(MAPS)
    fresh.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": content})
    fresh.wait_for_function(
        "words => document.querySelector('.lab-picture .lab-said').textContent.includes(words)", arg=words
    )
    assert fresh.evaluate(MAPS) == before
    choose(fresh, 0, "Method", "edge_map")
    stuck(fresh)
    assert fresh.evaluate(MAPS)[0] != before[0]


def test_a_transparent_picture_lies_on_white_and_stays_here(fresh):
    content = picture_file("png")
    fresh.locator("input[type=file]").set_input_files({"name": "clear.png", "mimeType": "image/png", "buffer": content})
    fresh.get_by_text("It stays on this device").wait_for()
    stuck(fresh)
    colour = fresh.evaluate(
        "[...document.querySelector('canvas[role=application]').getContext('2d').getImageData(64, 64, 1, 1).data]"
    )
    assert colour == [255, 255, 255, 255] and "your picture stays with you" in fresh.inner_text(".lab-link")
    assert remote(fresh) == []


def test_a_picture_is_saved(fresh):
    with fresh.expect_download() as saved:
        fresh.get_by_role("button", name="Save as a picture").first.click()
    with Image.open(saved.value.path()) as image:
        colours = image.convert("RGB").crop((542, 20, 1044, 522)).getcolors(maxcolors=2**20)
        assert image.size == (1064, 600) and len(colours) > 20


def test_a_network_that_came_incomplete_is_told_of_and_another_one_works(fresh):
    fresh.evaluate("() => { Lab.script = () => Promise.resolve(); }")
    choose(fresh, 0, "Network", "small_cnn")
    fresh.get_by_text("came incomplete").wait_for()
    choose(fresh, 0, "Network", laboratory.UNTRAINED)
    stuck(fresh)


def test_facts_are_told_for_maps_with_a_mask_or_a_sum(fresh):
    choose(fresh, 0, "Method", "cam")
    stuck(fresh)
    facts = fresh.inner_text(".lab-facts >> nth=0").replace("\u2212", "-")
    mean, less = re.search(r"Mean of its grid\s+(\S+); the score less its bias is (\S+)", facts).groups()
    assert mean == less and "% of the map; it is" in facts.replace("\u00a0", " ")


def test_the_stage_shows_which_map_does_not_care(browser, html):
    page = watched(browser, viewport=PHONE)
    page.goto((html / "book/index.html").as_uri())
    page.locator(".lab-start").click()
    page.get_by_text("calls this a cat").wait_for()
    for layers in (1, 2, 3):
        page.locator(".stage-scramble").click()
        page.wait_for_function(
            "n => document.querySelector('.stage-said').textContent.match(n)",
            arg="The last" if layers == 1 else f"last {layers}",
        )
    a, b = (float(text) for text in re.findall(r"likeness to before: (-?[\d.]+)", page.inner_text(".stage-row")))
    assert a < 0.4 and b > 0.6 and "Map B hardly cares" in page.inner_text(".stage-said")
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(AXE.replace("selector: '[data-asked]'", "selector: '.lab *'"))
    assert page.evaluate(RUN_AXE, [".course-stage", None]) == []
    assert page.evaluate(WIDTHS)[0] <= 360 and page.complaints == [] and remote(page) == []
    page.context.close()
