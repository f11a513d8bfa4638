"""The pictures of the cheat sheet's poster, and the card that a shared link shows.

Run as ``python -m tools.poster`` after a change to a method; it writes ``book/_static/poster/*.webp`` and ``card.jpg``.
One photograph, one good network (EfficientNet-Lite0, from a package), the class that it names, and a map by every
method of ``salkit.METHODS``. A map with a grid lies over the photograph; of a map of the pixels the largest of the
three channels is shown, from black for nothing to bright for the 99.5th percentile. The card shows the picture of the
first page.

What a tile says stands in the table of ``book/cheat-sheet.md``; the extension ``blocks.py`` puts the two together.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import chapters, fonts
from .front_page import webp

FOLDER = "book/_static/poster"
PAGE = "book/cheat-sheet.md"
PHOTO = "photograph"
TILE_BYTES = 13_000  # so that all of them have less than 250 kB
CROP = slice(100, 500)  # the columns of the photograph that make it square
ROW = re.compile(r"^\| \[`(\w+)`\]\(#\w+\) \| (.+?) \| .+? \| (.+?) \|$", re.M)

PATCHES = ("occlusion", "rise")  # methods whose maps are coarse, as those of a layer

# What each tile shows, for those who don't see it.
ALTS = {
    PHOTO: "A cup of coffee, white inside and red outside, on a red saucer with a spoon, on a wooden table.",
    "gradient": "Gradient: specks all over the cup and the saucer, densest on the coffee and under the cup's handle.",
    "input_x_gradient": "Input times gradient: specks on the coffee and the white inside of the cup, few elsewhere.",
    "smoothgrad": "SmoothGrad: a wide grainy cloud over cup, handle and spoon, brightest at the spoon.",
    "integrated_gradients": "Integrated gradients: specks within the rim of the cup, densest on the coffee.",
    "deeplift": "DeepLift: specks within the rim of the cup, densest on the coffee, and hardly any outside.",
    "deconvnet": "Deconvnet: a regular grid of stripes over the whole picture, in which no cup can be seen.",
    "guided_backprop": "Guided backpropagation: fine lines along the rim of the cup, the coffee's edge and the spoon.",
    "gradcam": "Grad-CAM: one warm spot in the middle of the coffee that fades towards the rim of the cup.",
    "gradcam_plus_plus": "Grad-CAM++: one warm spot on the coffee, nearly the same as that of Grad-CAM.",
    "hirescam": "HiResCAM: one warm spot on the coffee, the same as that of Grad-CAM on this network.",
    "layercam": "LayerCAM: one warm spot on the coffee, a little flatter than that of Grad-CAM.",
    "guided_gradcam": "Guided Grad-CAM: the fine lines of guided backpropagation, those around the coffee only.",
    "cam": "CAM: one warm spot on the coffee, the same as that of Grad-CAM on this network.",
    "occlusion": "Occlusion: a few warm squares on the left half of the coffee, and nearly nothing on the saucer.",
    "rise": "RISE: a warm spot on the right half of the coffee and the rim beside it.",
    "edge_map": "Edges: thin bright lines along the rim, saucer, handle and spoon, drawn without a network.",
    "random_map": "Random map: even noise over the whole picture, drawn without network and photograph.",
}

CARD_SIZE = 1200, 630
PAPER, ROSE = "#ffffff", "#f0c3dc"
TITLE = "What does\nthe network\nlook at?"
BELOW = "A course on saliency maps:\nhow they are made,\nwhat they show, and\nwhen to believe them"


@dataclass(frozen=True)
class Tile:
    """What the poster says of a method, in Markdown."""

    name: str
    cost: str
    blind: str


def tiles(root: Path = chapters.ROOT) -> list[Tile]:
    """The poster's tiles, in the order of the cheat sheet's table."""
    return [Tile(*row) for row in ROW.findall((root / PAGE).read_text(encoding="utf-8"))]


def photograph() -> np.ndarray:
    """The photograph, ``(400, 400, 3)`` uint8: a cup of coffee, by Rachel Michetti, CC0."""
    import skimage.data

    return skimage.data.coffee()[:, CROP]


def methods() -> dict:
    """What is drawn."""
    import salkit

    return salkit.METHODS


def drawn(size: int = 224) -> dict[str, np.ndarray]:
    """The photograph and a map of it by every method, by name, each ``(size, size, 3)`` float32 in [0, 1]."""
    import torch
    from matplotlib import colormaps

    from salkit import display, models

    pixels = torch.from_numpy(photograph().copy()).permute(2, 0, 1)[None] / 255
    pixels = torch.nn.functional.interpolate(pixels, (size, size), mode="bilinear", antialias=True).clamp(0, 1)
    network = models.pretrained("efficientnet_lite0")
    with torch.no_grad():
        target = int(network(pixels).argmax())
    print(f"the network calls it {network.classes[target]}")
    found = {PHOTO: display.pictures(pixels)[0]}
    for name, method in methods().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as of a completeness gap: no numbers are shown
            maps = method(network, pixels, target)
        if method.one_channel or name in PATCHES:
            found[name] = display.overlay(pixels, display.heatmap(maps.clamp_min(0)))[0]
        else:
            heat = display.heatmap(maps, channel="max_abs", percentile=99.5)
            found[name] = colormaps["inferno"](heat[0].numpy())[..., :3].astype(np.float32)
    return found


def image(values: np.ndarray) -> Image.Image:
    return Image.fromarray((values * 255).round().astype(np.uint8))


def font(size: int, weight: int = 400) -> ImageFont.FreeTypeFont:
    """The book's text face."""
    letters = ImageFont.truetype(fonts.face(), size)
    values = {b"Optical Size": min(60, size), b"Weight": weight}
    letters.set_variation_by_axes([values.get(axis["name"], axis["default"]) for axis in letters.get_variation_axes()])
    return letters


def card(front: Image.Image) -> Image.Image:
    """What a shared link shows: the title, and the first page's picture on its own ground."""
    width, height = CARD_SIZE
    picture = front.resize((round(front.width * (height - 60) / front.height), height - 60), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", CARD_SIZE, front.getpixel((1, 1)))
    sheet.paste(picture, (width - picture.width - 30, 30))
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((48, 110), TITLE, PAPER, font(66, 650), spacing=14)
    draw.multiline_text((50, 392), BELOW, ROSE, font(29), spacing=9)
    return sheet


def main() -> None:
    found = drawn()
    folder = chapters.ROOT / FOLDER
    folder.mkdir(exist_ok=True)
    for name, values in found.items():
        (folder / f"{name}.webp").write_bytes(webp(image(values), TILE_BYTES))
    with Image.open(folder.parent / "front.png") as front:
        card(front.convert("RGB")).save(folder.parent / "card.jpg", quality=82, optimize=True)
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"wrote {len(found)} tiles, {total / 1000:.0f} kB in all, and card.jpg")


if __name__ == "__main__":
    main()
