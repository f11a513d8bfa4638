"""The text face, and the signs that plain sources do without."""

import importlib.util
import re

import pytest
from docutils import nodes
from fontTools.ttLib import TTFont

from tools import build, fonts

spec = importlib.util.spec_from_file_location("typography", build.ROOT / "tools/extensions/typography.py")
typography = importlib.util.module_from_spec(spec)
spec.loader.exec_module(typography)
NBSP = typography.NBSP


@pytest.mark.parametrize(
    "plain, well",
    [
        ("maps of 32x32, and 3x3x3", "maps of 32~×~32, and 3~×~3~×~3"),
        ("about 50 % of them", "about 50~% of them"),
        ("75 MB in 5 s", "75~MB in 5~s"),
        ("12 min, 2 million weights", "12~min, 2~million weights"),
        ("0x1f, h100x2, 10x faster", "0x1f, h100x2, 10x faster"),
        ("2 samples, 5 steps, 3 Maps", "2 samples, 5 steps, 3 Maps"),
    ],
)
def test_signs_and_spaces(plain, well):
    assert typography.set_well(plain) == well.replace("~", NBSP)


def test_code_and_formulas_stay_as_they_are():
    kinds = (nodes.paragraph, nodes.literal, nodes.literal_block, nodes.math, nodes.raw, nodes.title)
    texts = [kind("", "32x32").children for kind in kinds]
    doctree = nodes.paragraph("", "", *(kind("", "", nodes.Text("32x32")) for kind in kinds))
    app = type("App", (), {"builder": type("Builder", (), {"format": "html"})})
    typography.set_texts(app, doctree, "page")
    assert len(texts) == len(kinds)
    changed = [child.__class__ for child in doctree.children if "×" in child.astext()]
    assert changed == [nodes.paragraph, nodes.title]


def test_pages_are_set_well(html):
    text = (html / "book/02-vanilla-saliency.html").read_text(encoding="utf-8")
    prose = re.sub(r"<(pre|code|script|style|svg|table)\b.*?</\1>|<[^>]+>", "", text.split("<article")[1], flags=re.S)
    assert f"{NBSP}%" in prose and not re.search(r"\d %", prose)


@pytest.mark.parametrize("name", fonts.FACES)
def test_a_face_is_small_and_has_the_letters_of_the_book(html, name):
    file = html / fonts.FOLDER / name
    assert file.stat().st_size < 60_000
    font = TTFont(file)
    assert {axis.axisTag for axis in font["fvar"].axes} == {"wght"}
    assert font["name"].getDebugName(1) == "Course Serif", "the licence reserves the name of the whole font"
    assert font["name"].getDebugName(13), "the licence goes with the font"
    assert set(map(ord, "aZ0é×ßŠ–—“”…≤→\u202f\u00a0")) <= font.getBestCmap().keys()


def test_the_font_of_brands_has_one_mark(html):
    file = (html / fonts.BRANDS).with_suffix(".woff2")
    assert set(TTFont(file).getBestCmap()) == {fonts.GITHUB} and file.stat().st_size < 2_000


def test_the_face_is_used_and_lines_are_short(browser, html):
    page = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True).new_page()
    page.goto((html / "book/04-cam-and-gradcam.html").as_uri())
    page.evaluate("document.fonts.ready.then(() => null)")
    assert page.evaluate("document.fonts.check('1em \"Course Serif\"')")
    lengths = page.evaluate(
        """() => [...document.querySelectorAll(".bd-article section > p")].map((text) => {
            const range = document.createRange();
            range.selectNodeContents(text);
            const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.bottom / 20)));
            return [text.textContent.length, lines.size];
        }).filter(([letters]) => letters > 300).map(([letters, lines]) => letters / lines)"""
    )
    assert len(lengths) > 10 and 55 < sum(lengths) / len(lengths) < 75
    page.context.close()
