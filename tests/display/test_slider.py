"""The slider's HTML, read by a parser and then used in a real browser."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from salkit.display import grid, slider
from salkit.errors import InputError

COLOURS = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=torch.uint8)
FRAMES = COLOURS.view(3, 3, 1, 1).expand(3, 3, 40, 60)
LABELS = ["epoch 1", 'epoch "2"', "epoch <3>"]


class Reader(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.void = [], [], {"img", "input"}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, wanted):
        return [attributes for tag, attributes in self.tags if tag == wanted]


def decode(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGB"))


def test_html_is_complete_and_first_frame_alone_is_visible():
    reader = Reader(slider(FRAMES, LABELS, title="Training & more", alt="A plain colour.").html)
    assert reader.open == []
    frames = reader.all("img")
    assert ["hidden" in frame for frame in frames] == [False, True, True]
    assert [frame["alt"] for frame in frames] == [f"A plain colour: {label}" for label in LABELS]
    assert [frame["data-label"] for frame in frames] == LABELS
    (control,) = reader.all("input")
    assert (control["type"], control["min"], control["max"], control["value"]) == ("range", "0", "2", "0")
    assert control["aria-label"] == "Training & more" and control["aria-valuetext"] == "epoch 1"
    assert not any("id" in attributes for _, attributes in reader.tags)  # so no two sliders can share one


def test_frames_keep_their_pixels():
    noise = torch.randint(0, 256, (1, 3, 30, 50), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    (frame,) = Reader(slider(noise, ["a"], alt="noise").html).all("img")
    np.testing.assert_array_equal(decode(frame["src"]), noise[0].permute(1, 2, 0).numpy())
    assert (frame["width"], frame["height"]) == ("50", "30")


def test_large_frames_are_compressed_harder():
    noise = torch.randint(0, 256, (1, 3, 400, 500), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    (frame,) = Reader(slider(noise, ["a"], alt="noise").html).all("img")
    assert decode(frame["src"]).shape == (400, 500, 3)
    assert len(frame["src"]) < 400 * 500 * 3


def test_figures_are_drawn_and_images_have_one_size():
    small, large = grid([torch.rand(1, 8, 8)]), grid([torch.rand(2, 8, 8)], row_labels=["long label"])
    reader = Reader(slider([small, large], ["a", "b"], title="t").html)
    frames = [tag for tag in reader.all("div") if tag.get("class") == "salkit-frame"]
    assert [frame["data-label"] for frame in frames] == ["a", "b"]
    assert {svg["aria-label"] for svg in reader.all("svg") if svg.get("role") == "img"} == {"t: a", "t: b"}
    other = grid([torch.rand(2, 8, 8)])
    other.__class__ = type(other).__mro__[1]  # a matplotlib figure of somebody else's becomes an image
    frames = Reader(slider([torch.rand(3, 40, 60), other], ["a", "b"], title="t").html).all("img")
    assert decode(frames[0]["src"]).shape == decode(frames[1]["src"]).shape
    assert (decode(frames[0]["src"])[:, -5:] == 255).all()
    assert frames[0]["alt"] == "t: a"


def test_alt_text_for_each_frame():
    frames = Reader(slider(FRAMES, LABELS, alt=["red", "green", "blue"]).html).all("img")
    assert [frame["alt"] for frame in frames] == ["red", "green", "blue"]


def test_the_same_slider_is_the_same_text():
    assert slider(FRAMES, LABELS, alt="x") == slider(FRAMES, LABELS, alt="x")


def test_no_address_but_data_and_nothing_moves():
    html = slider(FRAMES, LABELS, title="t").html
    assert re.findall(r'(?:src|href)="(?!data:)', html) == []
    assert not re.search(r"https?:|@import|url\(|animation|transition|setInterval|setTimeout|<script", html)


def test_representations():
    shown = slider(FRAMES, ["a", "b", "c"], title="t")
    assert shown._repr_html_() == shown.html
    assert shown._repr_mimebundle_() == {"text/html": shown.html, "text/plain": "<Slider with 3 frames: a … c>"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: slider([], [], alt="x"), "as many labels, not 0 and 0"),
        (lambda: slider(FRAMES, ["a"], alt="x"), "as many labels, not 3 and 1"),
        (lambda: slider(FRAMES, LABELS), "alt="),
        (lambda: slider(FRAMES, LABELS, alt=["a", "b"]), "one for each of the 3"),
        (lambda: slider(FRAMES, LABELS, alt=["a", " ", "b"]), "one for each of the 3"),
        (lambda: slider([torch.zeros(4, 4)], ["a"], alt="x"), "frame 0"),
        (lambda: slider(["a.png"], ["a"], alt="x"), "frame 0"),
        (lambda: slider([torch.full((3, 4, 4), 9.0)], ["a"], alt="x"), "frame 0"),
    ],
)
def test_errors_say_what_to_do(call, words):
    with pytest.raises(InputError, match=words):
        call()


def opened(browser, html, tmp_path, **options):
    """A page with the slider, the requests that it made, and the errors that it reported."""
    file = tmp_path / "slider.html"
    file.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><body>{html}</body></html>')
    page = browser.new_context(**options).new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    return page, requests, errors


def visible(page, nth=0):
    frames = page.locator(".salkit-slider").nth(nth).locator("img")
    return [i for i in range(frames.count()) if frames.nth(i).is_visible()]


def test_arrow_keys_change_the_frame(browser, tmp_path):
    html = slider(FRAMES, LABELS, title="Training", alt="A plain colour").html
    page, requests, errors = opened(browser, html + html, tmp_path)
    assert visible(page) == [0]
    page.keyboard.press("Tab")
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Home", "End"):
        page.keyboard.press(key)
        seen.append(visible(page))
    assert seen == [[1], [2], [2], [1], [0], [2]]
    control = page.get_by_role("slider", name="Training").first
    assert control.get_attribute("aria-valuetext") == "epoch <3>"
    assert page.locator("output").first.inner_text() == "epoch <3>"
    assert visible(page, 1) == [0]  # the other slider on the page has not moved
    assert errors == [] and [url for url in requests if not url.startswith(("file:", "data:"))] == []


def test_it_also_works_when_put_in_as_text(browser, tmp_path):
    """As notebooks do that assign innerHTML, where script elements would not run."""
    page, _, errors = opened(browser, "<div id='output'></div>", tmp_path)
    html = slider(FRAMES, LABELS, title="Training").html
    page.evaluate("html => { document.getElementById('output').innerHTML = html }", html)
    page.get_by_role("slider").fill("2")
    assert visible(page) == [2] and errors == []


def test_a_site_that_makes_all_images_blocks_shows_one_frame(browser, tmp_path):
    html = "<style>img{display:block}</style>" + slider(FRAMES, LABELS, title="t").html
    assert visible(opened(browser, html, tmp_path)[0]) == [0]


def test_without_scripts_the_first_frame_stands_alone(browser, tmp_path):
    page, requests, _ = opened(browser, slider(FRAMES, LABELS, title="t").html, tmp_path, java_script_enabled=False)
    assert visible(page) == [0]
    assert not page.locator("input").is_visible()
    assert (
        page.locator("noscript p").inner_text()
        == "This is “epoch 1”, the first of 3 frames; the slider needs JavaScript."
    )
    assert all(url.startswith(("file:", "data:")) for url in requests)


def test_it_fits_a_phone(browser, tmp_path):
    wide = FRAMES.repeat_interleave(20, 3)  # 1,200 pixels
    page, _, _ = opened(browser, slider(wide, LABELS, title="t").html, tmp_path, viewport={"width": 360, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    box = page.locator("img").first.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(1200 / 40, rel=0.05)
