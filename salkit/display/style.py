"""One look for every figure: set while a figure is made, never in the reader's own matplotlib settings."""

from __future__ import annotations

import io
from contextlib import contextmanager

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MatplotlibFigure

DPI = 100
INK, GREY, LINE = "#222222", "#666666", "#dddddd"

# Okabe and Ito's colours, which people with any kind of colour blindness tell apart; the yellow is too
# pale for a line on white and is left out. Black comes last: it draws more attention than the others.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")

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
}


class Figure(MatplotlibFigure):
    """A matplotlib figure that shows itself, once, as the last value of a notebook cell.

    pyplot doesn't know it, so nothing draws it a second time and nothing has to be closed. It is always
    white, like a printed page, and so can be read in a dark notebook, too. ``savefig`` works as ever.

    Example:
        >>> import io
        >>> from salkit import data, display
        >>> file = io.BytesIO()
        >>> display.grid([data.scenes(3).images]).savefig(file, format="png")
        >>> file.getvalue()[1:4]
        b'PNG'
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, dpi=DPI, facecolor="white", **kwargs)
        FigureCanvasAgg(self)  # Text can only be measured on a canvas that draws.

    def draw(self, renderer):
        with styled():  # matplotlib makes tick labels only now, and looks up their size.
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        from PIL import Image

        drawn, opaque = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.1)
        # Nothing shines through, so a notebook need not store how much would: a tenth fewer bytes.
        Image.open(drawn).convert("RGB").save(opaque, "png", optimize=True, dpi=(DPI, DPI))
        return opaque.getvalue()

    def __repr__(self) -> str:
        return f"<Figure with {len(self.axes)} panel{'' if len(self.axes) == 1 else 's'}>"


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
