"""The drawing of a figure: what a page shows in its own font and colours, wide and on a phone."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from salkit.display import Figure, curves, grid, intervals, slider
from salkit.display.drawing import MIME, drawing

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (5, 3, 32, 32), generator=GENERATOR).to(torch.uint8)
MAPS = torch.randn(5, 32, 32, generator=GENERATOR)
ROWS = {f"method {i}": SimpleNamespace(mean=i, low=i - 1, high=i + 1, n=9) for i in range(4)}
FIGURES = {
    "grid": lambda: grid([IMAGES, MAPS], row_labels=["image", "map"], column_labels=["a <b>", *"cdef"]),
    "curves": lambda: curves(range(3), {"up": [0, 1, 2], "down": [2, 1, 0]}, "x", "y & z", chance=1),
    "intervals": lambda: intervals(ROWS, "share", chance=0),
}
every = pytest.mark.parametrize("kind", FIGURES)


def parsed(html):
    return ElementTree.fromstring(html.replace("&nbsp;", " "))


def svgs(html):
    return {svg.get("class"): svg for svg in parsed(html) if svg.tag == "svg"}


def texts(svg):
    return {"".join(text.itertext()) for text in svg.iter("text")}


@every
def test_wide_and_narrow_say_the_same_and_narrow_fits_a_phone(kind):
    html, sizes = drawing(FIGURES[kind]())
    found = svgs(html)
    assert {"salkit-wide", "salkit-narrow"} <= set(found)
    assert texts(found["salkit-wide"]) - {"image"} <= texts(found["salkit-narrow"])
    assert sizes["narrow"]["width"] <= 370 < sizes["wide"]["width"]
    for name, size in sizes.items():
        assert float(found[f"salkit-{name}"].get("width")) == size["width"]
        sizes_in_svg = re.findall(r"font-size: ([\d.]+)px", ElementTree.tostring(found[f"salkit-{name}"]).decode())
        assert min(map(float, sizes_in_svg)) == pytest.approx(size["smallest_font"], abs=0.1)


@every
def test_it_has_no_font_no_ink_and_no_ground_of_its_own(kind):
    html, _ = drawing(FIGURES[kind]())
    assert "DejaVu" not in html and "#222222" not in html and "currentColor" in html
    assert not re.search(r"fill: ?#f{6}", html) and "<rect" not in re.sub("<clipPath.*?</clipPath>", "", html)
    # A style sheet in an SVG is one of the whole page; only our own, with its own class, may be there.
    assert html.count("<style") == 1 and "stroke-linejoin: round; stroke-linecap" not in html
    assert kind == "grid" or "var(--salkit-1,#0072b2)" in html


@every
def test_names_inside_are_its_own_and_all_there(kind):
    html, other = drawing(FIGURES[kind]())[0], drawing(grid([MAPS[:2]]))[0]
    ids = re.findall(r' id="([^"]+)"', html)
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', html)
    assert len(set(ids)) == len(ids) and set(used) <= set(ids)
    assert not set(ids) & set(re.findall(r' id="([^"]+)"', other))


def test_panels_are_stored_once_in_their_own_pixels():
    html, _ = drawing(FIGURES["grid"]())
    found = [(group, image) for group in parsed(html).iter("g") for image in group.findall("image")]
    assert len(found) == 10 + 1  # and the key to the colours
    used = re.findall(r'<use href="#([^"]+)"', html)
    for (group, image), expected in zip(found, IMAGES):
        pixels = Image.open(io.BytesIO(base64.b64decode(image.get("href").split(",")[1]))).convert("RGB")
        np.testing.assert_array_equal(np.asarray(pixels), expected.permute(1, 2, 0).numpy())
        assert "pixelated" in image.get("style") and used.count(group.get("id")) == 2


def test_a_map_keeps_its_colours():
    html, _ = drawing(grid([MAPS.abs()]))
    image = next(parsed(html).iter("image"))
    pixels = Image.open(io.BytesIO(base64.b64decode(image.get("href").split(",")[1])))
    heat = (MAPS[0].abs() - MAPS[0].abs().min()) / (MAPS[0].abs().max() - MAPS[0].abs().min())
    expected = matplotlib.colormaps["inferno"](heat.double().numpy(), bytes=True)[..., :3]
    assert pixels.mode == "P" and np.abs(np.asarray(pixels.convert("RGB")).astype(int) - expected).max() <= 4


def test_an_image_lies_where_matplotlib_draws_it(browser):
    figure = grid([[IMAGES[0], IMAGES[1]]], column_labels=["a", "b"], cell=1.28)
    html, _ = drawing(figure)
    page = browser.new_page(viewport={"width": 700, "height": 400})
    page.set_content(f"<body style='margin:0'>{html}")
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    wanted = IMAGES[1].permute(1, 2, 0).numpy().repeat(4, 0).repeat(4, 1).astype(int)
    boxes = [box.bounding_box() for box in page.locator("svg.salkit-wide use").all()]
    x, y = (round(boxes[1][side]) for side in "xy")
    # Less a rim: the panel need not begin at a whole pixel of the screen.
    assert np.abs(shot[y : y + 128, x : x + 128] - wanted)[:, :].mean() < 12
    assert boxes[1]["width"] == pytest.approx(128, abs=0.5)
    page.close()


def test_a_cloud_of_points_is_a_picture():
    figure = Figure(figsize=(4, 3), layout="constrained")
    figure.add_subplot().scatter(*torch.rand(2, 2000, generator=GENERATOR).numpy(), s=5)
    html, sizes = drawing(figure)
    assert html.count("<use") < 50 and "data:image/png" in html and set(sizes) == {"wide"}


def test_what_was_drawn_on_a_figure_later_is_there():
    figure = curves([0, 1], {"a": [0, 1]}, "x", "y")
    figure.axes[0].text(0.5, 0.5, "added later")
    html, _ = drawing(figure)
    assert html.count("added later") == 2


def test_a_slider_of_figures_follows_the_page_and_keeps_a_picture_for_strict_sites(browser):
    frames = [grid([MAPS[i : i + 1], MAPS[:1]], row_labels=["a", "b"]) for i in range(3)]
    html = slider(frames, ["one", "two", "three"], title="Maps", alt="Two maps").html
    page = browser.new_page()
    page.set_content(f"<body style='color: rgb(1, 2, 3)'>{html}")
    shown = page.locator(".salkit-frame")
    visible = lambda: [frame.is_visible() for frame in shown.all()]  # noqa: E731
    assert visible() == [True, False, False]
    height = page.locator(".salkit-slider").bounding_box()["height"]
    page.get_by_role("slider").fill("2")
    assert visible() == [False, False, True] and page.locator("output").inner_text() == "three"
    assert page.locator(".salkit-slider").bounding_box()["height"] == height, "the page doesn't jump"
    assert shown.nth(2).get_by_role("img").first.get_attribute("aria-label") == "Two maps: three"
    label = shown.nth(2).locator("svg.salkit-wide text", has_text="b").first
    assert label.evaluate("text => getComputedStyle(text).fill") == "rgb(1, 2, 3)"
    assert not page.locator(".salkit-fallback").is_visible()
    page.close()
    assert re.search(r'<img class="salkit-fallback" src="data:image/\w+;base64,[^"]+" alt="Two maps: one">', html)


def test_it_is_what_a_notebook_stores():
    figure = FIGURES["curves"]()
    data, metadata = figure._repr_mimebundle_()
    assert (data[MIME], metadata[MIME]) == drawing(figure)
