"""Draw the course's mark: the logo, the icon of the browser's tab, and the card that a shared link shows.

Run as ``python -m tools.logo``; it writes ``logo.svg``, ``favicon.png`` and ``card.png`` into ``book/_static``.

The mark is what the course is about: a heat-map with one bright spot. Its rings are level sets of a sum of Gaussians,
in the colours that the chapters give to maps.
"""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path

from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch, Polygon
from PIL import Image, ImageDraw

from salkit._cache import write_file

FOLDER = Path(__file__).resolve().parents[1] / "book" / "_static"
SIZE = 64  # of the mark's own coordinates
CORNER = 14
BACKGROUND = "#1b0c41"
CENTRE = (35.0, 31.0)
# (x, y, width, weight): the spot, and a fainter shoulder that keeps the rings from being circles.
SPOTS = ((35.0, 31.0, 10.0, 1.0), (26.0, 40.0, 13.0, 0.55), (44.0, 20.0, 9.0, 0.25))
TITLE = ("What does the network", "look at?")
SUBTITLE = "Saliency maps: how they are made, what they show,\nand when to believe them"


def heat(x: float, y: float) -> float:
    """The map's value at a point of the mark."""
    return sum(weight * math.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * s * s)) for u, v, s, weight in SPOTS)


def ring(share: float, points: int = 48) -> list[tuple[float, float]]:
    """The points at which the heat has fallen to ``share`` of its value at the centre, one in each direction."""
    level, outline = share * heat(*CENTRE), []
    for k in range(points):
        across, down = math.cos(2 * math.pi * k / points), math.sin(2 * math.pi * k / points)
        near, far = 0.0, 2.0 * SIZE
        for _ in range(40):
            middle = (near + far) / 2
            inside = heat(CENTRE[0] + middle * across, CENTRE[1] + middle * down) > level
            near, far = (middle, far) if inside else (near, middle)
        outline.append((CENTRE[0] + near * across, CENTRE[1] + near * down))
    return outline


def rings(shares: tuple[float, ...]) -> list[tuple[str, list[tuple[float, float]]]]:
    """Colour and outline of each ring, from the outside in."""
    magma = colormaps["magma"]
    last = len(shares) - 1
    return [(to_hex(magma(0.3 + 0.69 * i / last)), ring(share)) for i, share in enumerate(shares)]


LOGO = rings((0.16, 0.32, 0.52, 0.74, 0.93))
# At 16 pixels fewer rings are more.
ICON = rings((0.12, 0.38, 0.76))


def logo() -> bytes:
    """The mark as a picture of vectors."""
    paths = "\n".join(
        f'  <path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in outline)}z" fill="{colour}"/>'
        for colour, outline in LOGO
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img"'
        f' aria-label="A heat-map with one bright spot">\n'
        f'  <rect width="{SIZE}" height="{SIZE}" rx="{CORNER}" fill="{BACKGROUND}"/>\n{paths}\n</svg>\n'
    ).encode()


def favicon(size: int = 64, finer: int = 8) -> bytes:
    """The icon of the tab, in pixels: not every browser takes vectors there."""
    scale = size * finer / SIZE
    image = Image.new("RGBA", (size * finer, size * finer), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, size * finer - 1, size * finer - 1), CORNER * scale, fill=BACKGROUND)
    for colour, outline in ICON:
        draw.polygon([(x * scale, y * scale) for x, y in outline], fill=colour)
    buffer = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def card() -> bytes:
    """1200 x 630 pixels, the size that sites which preview links ask for."""
    figure = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 1200), ylim=(630, 0))
    axes.axis("off")
    side, left, top = 300, 90, 165
    scale = side / SIZE
    style = f"round,pad=0,rounding_size={CORNER * scale}"
    axes.add_patch(FancyBboxPatch((left, top), side, side, boxstyle=style, facecolor=BACKGROUND, linewidth=0))
    for colour, outline in LOGO:
        axes.add_patch(Polygon([(left + x * scale, top + y * scale) for x, y in outline], facecolor=colour))
    axes.text(450, 265, "\n".join(TITLE), fontsize=36, fontweight="bold", color="#1f1a24", va="center", linespacing=1.2)
    axes.text(450, 392, SUBTITLE, fontsize=18, color="#4a3f50", va="center", linespacing=1.4)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    plt.close(figure)
    # 64 colours are enough for a flat drawing, and half of the bytes.
    image = Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    smaller = io.BytesIO()
    image.save(smaller, "png", optimize=True)
    return smaller.getvalue()


PICTURES = {
    "logo.svg": logo,
    "favicon.png": favicon,
    "card.png": card,
}


def main() -> int:
    for name, draw in PICTURES.items():
        write_file(FOLDER / name, draw())
        print(f"wrote book/_static/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
