"""One look for every figure: set while a figure is made, never in the reader's own matplotlib settings."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import cast

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MatplotlibFigure

DPI = 100  # Dots to an inch of a figure as it is shown.
SHARP = 2  # Dots drawn for each that is shown: screens of phones and new laptops have them.
NARROW = 3.4  # Inches for a figure on a phone.
CRISP = 64  # Images of at most so many pixels are maps or icons: shown with hard edges, kept to the last bit.
MAX_BYTES = 75_000  # Of a picture, 100 kB once a notebook has made text of it; the drawing beside it takes as much.
OUTLINE = "outline"  # What outlines are called among all artists of a figure.
INK, GREY, LINE = "#222222", "#666666", "#dddddd"

# Okabe and Ito's colours, which people with any kind of colour blindness tell apart, three of them darker: a line has
# a contrast of 3 to white. The yellow is left out. Ink comes last: it draws more attention than the others.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#c66f9f", "#3d9bd1", "#b98000", INK)

# Perceptually uniform: equal steps of the value look like equal steps. The diverging map is white at zero.
UNSIGNED_COLOURS = "inferno"
SIGNED_COLOURS = "RdBu_r"

_SETTINGS = {
    # A single family that ships with matplotlib: the same letters on every machine.
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    # In a page, letters are text in the page's own font, and the same figure has the same names inside.
    "svg.fonttype": "none",
    "svg.hashsalt": "salkit",
}


class Figure(MatplotlibFigure):
    """A matplotlib figure that shows itself, once, as the last value of a notebook cell.

    pyplot doesn't know it, so nothing draws it a second time and nothing has to be closed. A notebook shows a
    picture at twice its size, white like a printed page, so that it can be read in a dark notebook, too; it also keeps
    the figure as a drawing, which the pages of the book show in their own font and colours. ``savefig`` works as ever.

    Attributes:
        narrow: a context in which the figure is arranged for a phone; ``None`` where it has one arrangement only.

    Example:
        >>> import io
        >>> from salkit import data, display
        >>> file = io.BytesIO()
        >>> display.grid([data.scenes(3).images]).savefig(file, format="png")
        >>> file.getvalue()[1:4]
        b'PNG'
    """

    narrow: Callable[[], AbstractContextManager] | None = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, dpi=DPI, facecolor="white", **kwargs)
        FigureCanvasAgg(self)  # Text can only be measured on a canvas that draws.

    def draw(self, renderer):
        with styled():  # matplotlib makes tick labels only now, and looks up their size.
            super().draw(renderer)

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        from .drawing import MIME, drawing

        kind, picture, (width, height) = self.picture()
        html, sizes = drawing(self)
        stored = base64.b64encode(picture).decode()
        return (
            {f"image/{kind}": stored, MIME: html, "text/plain": repr(self)},
            {f"image/{kind}": {"width": width, "height": height}, MIME: sizes},
        )

    def _ipython_display_(self) -> None:
        # Or matplotlib's own way to show a figure, once pyplot is loaded, would draw it a second time.
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)

    def picture(self) -> tuple[str, bytes, tuple[int, int]]:
        """The figure at twice its size: ``"png"``, or ``"jpeg"`` where that would be too large; its bytes; and the
        width and height at which it is shown, in pixels."""
        from PIL import Image, ImageOps

        drawn = io.BytesIO()
        self.savefig(drawn, format="png", dpi=SHARP * DPI, facecolor="white", bbox_inches="tight", pad_inches=0.1)
        # Nothing shines through, so a notebook need not store how much would: a tenth fewer bytes.
        image = Image.open(drawn).convert("RGB")
        image = ImageOps.expand(image, (0, 0, -image.width % SHARP, -image.height % SHARP), "white")
        shown = (image.width // SHARP, image.height // SHARP)
        for kind, most, version, options in _versions(image):
            stored = io.BytesIO()
            version.save(stored, kind, **options)
            if stored.tell() <= most:
                break
        return kind, stored.getvalue(), shown

    @property
    def renderer(self):
        """What measures texts."""
        return cast(FigureCanvasAgg, self.canvas).get_renderer()

    def __repr__(self) -> str:
        return f"<Figure with {len(self.axes)} panel{'' if len(self.axes) == 1 else 's'}>"


def _versions(image) -> Iterator[tuple]:
    """How a picture may be stored, the best first: kind, the most bytes, image, options.

    A chart and maps of few pixels have hardly more than 256 colours; only photographs come to JPEG, with full colour
    resolution (subsampling=0), as else the edges of letters get a coloured rim.
    """
    yield "png", MAX_BYTES // 2, image, {}
    yield "png", MAX_BYTES, image.quantize(256), {"optimize": True}
    for size, quality in ((1, 90), (1, 82), (1, 72), (0.75, 80), (0.75, 66), (0.5, 80), (0.35, 80)):
        smaller = image.resize((round(size * image.width), round(size * image.height)))
        yield "jpeg", MAX_BYTES, smaller, {"quality": quality, "subsampling": 0}


@contextmanager
def styled():
    """Make a figure inside of this: its texts and lines take the look of the course.

    Starting from matplotlib's defaults, so that a reader's own style (a dark one, say) can't mix in.
    """
    with matplotlib.style.context(["default", _SETTINGS]):
        yield


def letters(colour: str) -> str:
    """The same hue, darkened until thin letters in it are easy to read on white."""
    return "#" + "".join(f"{int(int(colour[i : i + 2], 16) * 0.65):02x}" for i in (1, 3, 5))


def text_width(figure: Figure, texts, size: float) -> float:
    """Inches of the widest of the texts, in this font size."""
    widths = []
    for text in texts:
        artist = figure.text(0, 0, text, fontsize=size)
        widths.append(artist.get_window_extent(figure.renderer).width / figure.dpi)
        artist.remove()
    return max(widths, default=0)


def wrapped(figure: Figure, text: str, size: float, width: float) -> str:
    """The text with each line that is wider than so many inches broken where it has spaces."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines.append("")
        for word in [line] if "$" in line else line.split(" "):  # a formula stays in one piece
            longer = f"{lines[-1]} {word}".lstrip()
            if lines[-1] and text_width(figure, [longer], size) > width:
                lines.append(word)
            else:
                lines[-1] = longer
    return "\n".join(lines)
