"""The mark, the tab's icon and the card that a shared link shows: plain files, which the book uses."""

import xml.etree.ElementTree as ET

import numpy as np
import yaml
from PIL import Image

from tools import chapters

CONFIG = yaml.safe_load((chapters.ROOT / "_config.yml").read_text())
STATIC = chapters.BOOK / "_static"
ON_THE_CARD = "What does the network look at?"


def test_the_card_has_the_size_that_sites_ask_for_and_nothing_is_cut_off():
    with Image.open(STATIC / "card.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (630, 1200, 3)
    assert (pixels[:, -30:] > 250).all() and (pixels[:30] > 250).all() and (pixels[-30:] > 250).all()
    assert (STATIC / "card.png").stat().st_size < 60_000


def test_the_book_uses_them():
    assert CONFIG["logo"] == "book/_static/logo.svg"
    assert ET.parse(STATIC / "logo.svg").getroot().get("aria-label") == "A heat-map with one bright spot"
    assert CONFIG["html"]["favicon"] == "book/_static/favicon.png"
    with Image.open(STATIC / "favicon.png") as icon:
        assert icon.width == icon.height
    config = CONFIG["sphinx"]["config"]
    assert config["ogp_image"] == "_static/card.png" and config["html_static_path"] == ["book/_static"]
    assert config["ogp_site_url"] == CONFIG["html"]["baseurl"], "run make address"
    assert CONFIG["title"] == config["ogp_site_name"] == ON_THE_CARD, "card.png shows the old title: draw another"
