"""A figure as a drawing for web pages: SVG in HTML, in the page's own font and colours, once wide and once for a phone.

The panels of a grid are stored once, in their own pixels, and both arrangements show them: so a map of 32 pixels is
sharp at any size, and takes a kilobyte. Notebooks, which show the picture instead, store this beside it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from contextlib import ExitStack
from html import escape
from typing import cast

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from .style import CRISP, DPI, GREY, INK, LINE, MAX_BYTES, NARROW, OUTLINE, PALETTE, SHARP, Figure, letters, styled

MIME = "application/vnd.salkit.figure+html"
"""The type under which a notebook keeps the drawing: only the book's own extension shows it."""

_POINTS = 300  # Clouds of more points than this become a picture: each would be an element of the page.
_MARGIN = 0.03  # Inches.

# What a page's style sheet may choose, by the names that it has there; without one it is as on paper.
_VARIABLES = {
    INK: "currentColor",
    GREY: f"var(--salkit-muted,{GREY})",
    LINE: f"var(--salkit-line,{LINE})",
    **{colour: f"var(--salkit-{i},{colour})" for i, colour in enumerate(PALETTE[:-1], 1)},
    **{letters(colour): f"var(--salkit-letters-{i},{letters(colour)})" for i, colour in enumerate(PALETTE[:-1], 1)},
}

# In the HTML itself: a notebook that shows a slider has no other style sheet of ours.
STYLE = (
    ".salkit-figure svg{display:block;max-width:100%;height:auto;overflow:visible}"
    ".salkit-figure svg.salkit-narrow{display:none}"
    "@media (max-width:600px){.salkit-figure svg.salkit-narrow{display:block}"
    ".salkit-narrow~svg.salkit-wide{display:none}}"
)


def drawing(figure: Figure, label: str = "") -> tuple[str, dict]:
    """The figure as HTML, and the sizes of what is in it.

    Args:
        figure: it is left as it was.
        label: what it shows, for those who don't see it; the book's extension writes that itself, from the cell.

    Returns:
        the HTML; and for ``"wide"`` and, where the figure has such an arrangement and needs it, ``"narrow"``:
        ``width`` in pixels as it is shown, and ``smallest_font`` in points.
    """
    with styled():
        found = {"wide": _arranged(figure)}
        if figure.narrow and found["wide"][1]["width"] > NARROW * DPI:
            with figure.narrow():
                found["narrow"] = _arranged(figure)
        images = _images(figure)
    digest = hashlib.sha256(repr((found, images)).encode()).hexdigest()[:10]
    parts = [f'<div class="salkit-figure" data-figure="{digest}"><style>{STYLE}</style>']
    if images:
        parts.append('<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>')
        parts += [image.replace("ID-", f"salkit-{digest}-") for image in images]
        parts.append("</defs></svg>")
    for name, (svg, _) in reversed(found.items()):
        named = f' role="img" aria-label="{escape(label)}"' if label else ""
        own = svg.replace("ID-", f"salkit-{digest}-").replace("OWN-", f"salkit-{digest}-{name}-")
        parts.append(own.replace("<svg ", f'<svg class="salkit-{name}"{named} ', 1))
    return "".join([*parts, "</div>"]), {name: sizes for name, (_, sizes) in found.items()}


def _outlines(axes) -> list:
    return [patch for patch in axes.patches if patch.get_gid() == OUTLINE]


def _shown_images(figure: Figure) -> list[tuple[AxesImage, np.ndarray]]:
    images = [image for axes in figure.axes for image in axes.get_images() if image.get_visible()]
    return [(image, cast(np.ndarray, image.get_array())) for image in images]


def _arranged(figure: Figure) -> tuple[str, dict]:
    """The figure as it is arranged now: lines and letters as SVG, and places for the images."""
    for cloud in figure.findobj(PathCollection):
        cloud.set_rasterized(len(cast(np.ndarray, cloud.get_offsets())) > _POINTS)
    figure.draw_without_rendering()
    box = figure.get_tightbbox(figure.renderer).padded(_MARGIN)
    points, places = 72 / figure.dpi, []
    for i, (image, array) in enumerate(_shown_images(figure)):
        extent, (rows, columns) = image.get_window_extent(), array.shape[:2]
        x, y = points * extent.x0 - 72 * box.x0, 72 * box.y1 - points * extent.y1
        across, down = points * extent.width / columns, points * extent.height / rows
        places.append(f'<use href="#ID-{i}" transform="translate({x:.2f} {y:.2f}) scale({across:.4f} {down:.4f})"/>')
    fonts = [text.get_fontsize() for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    smallest = {"smallest_font": round(float(min(fonts)), 2)} if fonts else {}
    width, height = round(box.width * DPI), round(box.height * DPI)
    svg = (
        f'<svg viewBox="0 0 {72 * box.width:.1f} {72 * box.height:.1f}" width="{width}" height="{height}" fill="#000" '
        f'stroke-linejoin="round">{"".join(places)}{_lines(figure, box)}</svg>'
    )
    return svg, {"width": width, **smallest}


def _lines(figure: Figure, box: Bbox) -> str:
    """What matplotlib draws of the figure besides images and backgrounds."""
    file = io.BytesIO()
    with ExitStack() as stack:
        hidden = [image for image, _ in _shown_images(figure)]
        for artist in (*hidden, *(part for axes in figure.axes for part in (axes.patch, *_outlines(axes)))):
            stack.callback(artist.set_visible, artist.get_visible())
            artist.set_visible(False)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", dpi=SHARP * DPI, facecolor="none", bbox_inches=box, metadata=nothing)
    text = file.getvalue().decode()
    text = text[text.index("<g ") : text.rindex("</svg>")].replace("xlink:href", "href")
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    used = dict.fromkeys(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
    for i, name in enumerate(used):
        text = re.sub(rf'(url\(|href="|id=")(#?){re.escape(name)}([)"])', rf"\1\2OWN-{i}\3", text)
    text = re.sub(r' id="(?!OWN-)[^"]*"', "", text)
    # The size and the slant of letters stay, the family is the page's. Older matplotlibs write both into "font".
    text = re.sub(r"font: ((?:italic |oblique |\d{3} )?)([\d.]+px) [^;\"]*", r"font-style: \1; font-size: \2", text)
    text = re.sub(r"font-style: (?:\d{3} )?; |font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    text = re.sub(r"(?<=(?:fill|roke): )#[0-9a-f]{6}", lambda colour: _VARIABLES.get(colour[0], colour[0]), text)
    text = re.sub(r'<path d="[^"]*" style="fill: none"/>', "", text)  # the background
    text = re.sub(r' (?:d|x|y)="[^"]*"', lambda numbers: re.sub(r"\d+\.\d+", _rounded, numbers[0]), text)
    while (fewer := re.sub(r"<g>\s*</g>|<g/>", "", text)) != text:
        text = fewer
    return re.sub(r"\s*\n\s*", " ", text)


def _rounded(number: re.Match) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _images(figure: Figure) -> list[str]:
    """Each image once, in its own pixels: small ones as they are, large ones as good as there is room for."""
    shown = _shown_images(figure)
    pictures = [_pixels(figure, *one) for one in shown]
    for quality, size in ((90, 1), (82, 1), (72, 1), (60, 1), (60, 0.75), (60, 0.5), (50, 0.35)):
        stored = [_encoded(picture, quality, size) for picture in pictures]
        if sum(len(data) for _, data in stored) <= MAX_BYTES:
            break
    tags = []
    for i, ((image, array), (kind, data)) in enumerate(zip(shown, stored, strict=True)):
        rows, columns = array.shape[:2]
        crisp = ' style="image-rendering:pixelated"' if max(rows, columns) <= CRISP else ""
        size = f'width="{columns}" height="{rows}" preserveAspectRatio="none"{crisp}'
        url = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        outlines = "".join(map(_outline, _outlines(image.axes)))
        tags.append(f'<g id="ID-{i}"><image {size} href="{url}"/>{outlines}</g>')
    return tags


def _outline(patch) -> str:
    """In the pixels of its panel, so that it is stored once; its width is the same at every size."""
    ends = [f"{number + 0.5:g}" for number in patch.get_path().vertices.ravel()]
    steps = (ends[i : i + 4] for i in range(0, len(ends), 4))
    path = "".join(f"M{x} {y}{f'H{right}' if y == low else f'V{low}'}" for x, y, right, low in steps)
    width, colour = DPI / 72 * patch.get_linewidth(), to_hex(patch.get_edgecolor())
    style = f"fill:none;stroke:{colour};stroke-width:{width:.1f}px;stroke-linecap:square"
    return f'<path d="{path}" style="{style};vector-effect:non-scaling-stroke"/>'


def _pixels(figure: Figure, image: AxesImage, array: np.ndarray):
    """A PIL image of the colours, no larger than twice the size at which it is shown."""
    from PIL import Image

    colours = image.to_rgba(array, bytes=True)[..., :3]
    if image.origin == "lower":
        colours = colours[::-1]
    picture = Image.fromarray(np.ascontiguousarray(colours))
    most = SHARP * image.get_window_extent().width * DPI / figure.dpi
    if max(picture.size) > CRISP and picture.width > most:
        picture = picture.resize((round(most), round(most * picture.height / picture.width)))
    return picture


def _encoded(picture, quality: int, size: float) -> tuple[str, bytes]:
    from PIL import Image

    file = io.BytesIO()
    if max(picture.size) > CRISP:
        smaller = picture.resize((max(1, round(picture.width * size)), max(1, round(picture.height * size))))
        smaller.save(file, "jpeg", quality=quality, subsampling=0)
        return "jpeg", file.getvalue()
    levels, index = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_inverse=True)
    if len(levels) <= 256:  # A map: a number for each pixel, and the colours once.
        picture = Image.fromarray(index.reshape(picture.size[::-1]).astype(np.uint8))
        picture.putpalette(levels.astype(np.uint8).tobytes())
    picture.save(file, "png", optimize=True)
    return "png", file.getvalue()
