"""A slider that needs no server, no widget library and no network: pictures in one piece of HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure

from ..errors import InputError
from .compose import pictures
from .drawing import drawing
from .style import DPI, Figure

_STYLE = """
.salkit-slider{margin:1em 0;max-width:100%;color:inherit;font:inherit}
.salkit-slider .salkit-fallback,.salkit-slider img[hidden]{display:none!important}
.salkit-frames{display:grid;justify-items:start}
.salkit-frames>*{grid-area:1/1;min-width:0;max-width:100%}
.salkit-frames>div[hidden]{display:block!important;visibility:hidden}
.salkit-slider img{display:block;max-width:100%;height:auto;margin:0;border-radius:0}
.salkit-slider img{padding:0!important;background:#fff!important;filter:none!important}
.salkit-slider label{display:flex;flex-wrap:wrap;align-items:center;gap:.2em .8em;margin-top:.5em;max-width:40em}
.salkit-slider input{flex:1 1 9em;min-width:0;height:2em;margin:0;accent-color:#0072b2;cursor:pointer}
.salkit-slider output{flex:0 0 auto;font-variant-numeric:tabular-nums}
"""

# In the handler rather than in a script element: some notebooks put HTML into the page in a way that runs no
# scripts, and "this" finds the right slider when a page has several, or one twice.
_HANDLER = (
    "var box=this.closest('.salkit-slider'),at=+this.value,frames=box.querySelectorAll('.salkit-frame');"
    "frames.forEach(function(frame,i){frame.hidden=i!==at});"
    "var label=frames[at].dataset.label;"
    "box.querySelector('output').textContent=label;this.setAttribute('aria-valuetext',label)"
)


_LOSSLESS_BYTES = 150_000  # For each frame.
_MARGIN = 10  # White pixels around a figure, as when it is shown alone.


@dataclass(frozen=True)
class Slider:
    """Shows itself in Jupyter, in Colab and on a static page.

    Attributes:
        html: the whole slider, for any page.
        labels: of its frames.

    Example:
        >>> from salkit import data, display
        >>> moving = display.slider(data.scenes(2).images, ["before", "after"], title="Training")
        >>> "<input" in moving.html
        True
    """

    html: str
    labels: tuple[str, ...]

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<Slider with {len(self.labels)} frames: {self.labels[0]} … {self.labels[-1]}>"


def slider(frames: Sequence, labels: Sequence[str], title: str = "", alt: str | Sequence[str] | None = None) -> Slider:
    """Frames to move through with a slider: by mouse, finger or arrow keys. Nothing moves by itself.

    Everything is in the HTML, so it works in a saved notebook and without a network. Where scripts are off,
    the first frame stands alone, and a line says so.

    Args:
        frames: matplotlib figures, or images: uint8 or floats in [0, 1], ``(3, H, W)``, ``(H, W, 3)``, ``(1, H, W)``.
        labels: a short text for each frame, such as ``"epoch 3"``.
        title: what the slider changes; stands before it.
        alt: for those who don't see the frames, what they show: one text for all, to which each frame's label
            is added, or a text for each. By default the title.

    Raises:
        InputError: no frames, numbers that don't match, no text for ``alt`` at all, or a frame that is no image.

    Example:
        >>> from salkit import data, display
        >>> epochs = ["epoch 1", "epoch 2", "epoch 3"]
        >>> display.slider(data.scenes(3).images, epochs, title="Epoch").labels
        ('epoch 1', 'epoch 2', 'epoch 3')
    """
    frames, labels = list(frames), tuple(str(label) for label in labels)
    if not frames or len(frames) != len(labels):
        raise InputError(f"a slider needs frames and as many labels, not {len(frames)} and {len(labels)}")
    if alt is None or isinstance(alt, str):
        alt = alt or title
        if not alt.strip():
            raise InputError("say in alt=... what the frames show, for those who can't see them")
        texts = [f"{alt.rstrip('. ')}: {label}" for label in labels]
    else:
        texts = [str(text) for text in alt]
        if len(texts) != len(labels) or not all(text.strip() for text in texts):
            raise InputError(f"alt must be one text, or one for each of the {len(labels)} frames")
    if all(isinstance(frame, Figure) for frame in frames):
        shown = _drawings(frames, labels, texts)
    else:
        shown = _images([_pixels(frame, f"frame {i}") for i, frame in enumerate(frames)], labels, texts)
    return Slider(_html(shown, labels, title, texts), labels)


def _drawings(frames: list[Figure], labels, texts) -> str:
    """The frames as drawings, in the colours of the page. A site that takes them out leaves a picture of the first."""
    first = _data_url(_pixels(frames[0], "frame 0"))
    return f'<img class="salkit-fallback" src="{first}" alt="{escape(texts[0])}">\n' + "\n".join(
        f'<div class="salkit-frame" data-label="{escape(label)}"{" hidden" if i else ""}>'
        f"{drawing(frame, text)[0]}</div>"
        for i, (frame, label, text) in enumerate(zip(frames, labels, texts, strict=True))
    )


def _images(images: list[np.ndarray], labels, texts) -> str:
    images = _same_size(images)
    height, width = images[0].shape[:2]
    # "dark-light" tells the book's theme that the image needs no help in dark mode.
    return "\n".join(
        f'<img class="salkit-frame dark-light" src="{_data_url(image)}" width="{width}" height="{height}" '
        f'alt="{escape(text)}" data-label="{escape(label)}"{" hidden" if i else ""}>'
        for i, (image, label, text) in enumerate(zip(images, labels, texts, strict=True))
    )


def _html(frames: str, labels, title: str, texts) -> str:
    first = escape(labels[0])
    return f"""<div class="salkit-slider" role="group" aria-label="{escape(title or texts[0])}">
<style>{_STYLE}</style>
<div class="salkit-frames">
{frames}
</div>
<label><span>{escape(title)}</span>
<input type="range" min="0" max="{len(labels) - 1}" value="0" step="1" autocomplete="off"\
 aria-label="{escape(title or "frame")}" aria-valuetext="{first}" oninput="{escape(_HANDLER)}">
<output aria-live="off" style="min-width:{max(map(len, labels))}ch">{first}</output></label>
<noscript><style>.salkit-slider label{{display:none}}</style>
<p>This is “{first}”, the first of {len(labels)} frames; the slider needs JavaScript.</p></noscript>
</div>"""


def _pixels(frame, where: str) -> np.ndarray:
    """``(H, W, 3)`` uint8."""
    if isinstance(frame, MatplotlibFigure):
        buffer = io.BytesIO()
        frame.savefig(buffer, format="rgba", dpi=DPI, facecolor="white")
        width, height = (int(round(inches * DPI, 6)) for inches in frame.get_size_inches())
        pixels = np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)[..., :3]
        return np.pad(pixels, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), constant_values=255)
    if getattr(frame, "ndim", 0) != 3:
        raise InputError(f"{where} must be a matplotlib figure or an image of three axes, not {type(frame).__name__}")
    try:
        image = pictures(frame[None])[0]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return (image * 255).round().astype(np.uint8)


def _same_size(images: list[np.ndarray]) -> list[np.ndarray]:
    """White added at the right and below, so that the page doesn't jump between frames."""
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    return [
        np.pad(
            image,
            ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0)),
            constant_values=255,
        )
        for image in images
    ]


def _data_url(image: np.ndarray) -> str:
    """WebP without loss, so that a map keeps its colours; with a little loss where that would be too much to load."""
    from PIL import Image, features

    picture = Image.fromarray(np.ascontiguousarray(image))
    kind, attempts = "png", [dict(optimize=True)]
    if features.check("webp"):
        kind, attempts = "webp", [dict(lossless=True, method=6), dict(quality=90, method=6)]
    for options in attempts:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        if buffer.tell() <= _LOSSLESS_BYTES:
            break
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()
