"""A table of images and maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeGuard

import numpy as np
import torch
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from ..errors import InputError
from .compose import colour_map, pictures
from .normalise import heatmap, raw_range
from .style import CRISP, DPI, GREY, NARROW, OUTLINE, SHARP, Figure, styled, text_width, wrapped

WIDTH = 7.2  # Inches that a page, or a notebook, is wide.
_GAP = 0.08
_LINE = 0.2  # Inches that a line of text takes.
_SMALLEST = 0.78  # Inches of a panel on a phone.
_KEY_WORDS = {False: ("lowest", "highest"), True: ("negative", "positive")}  # By whether the maps are signed.
_MOST_VALUES, _SMALLEST_VALUE = 8, 6.5  # Cells of a map that may hold their values, and the smallest font in them.

Table = Sequence[Sequence]


def grid(
    rows: Table,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    *,
    titles: Sequence[Sequence[str | None]] | None = None,
    title: str | None = None,
    cell: float | None = None,
    signed: bool | None = None,
    cmap: str | None = None,
    scale: str | None = None,
    outlines: Table | None = None,
    values: bool = False,
    show_range: bool = True,
) -> Figure:
    """Images and maps in rows and columns.

    What a panel is can be told from its array:

    - **picture**: three channels, or uint8: ``(3, H, W)``, ``(H, W, 3)``, and uint8 ``(1, H, W)`` or ``(H, W)``;
    - **map**: floats ``(H, W)`` or ``(1, H, W)``, raw or normalised, coloured from its own lowest to its own highest
      value, which are printed under it;
    - **mask**: bool ``(H, W)``, white where true;
    - ``None``: left empty.

    On a phone, the book shows at most four panels beside each other, and row labels above their rows.

    Args:
        rows: each row as a list of arrays, or as one tensor ``(columns, ...)``.
        row_labels: at the left of each row.
        column_labels: over the first row. Long ones are broken at spaces, and smaller where they still don't fit.
        titles: over each panel, in the shape of ``rows``; ``None`` for none. They are broken and shrink, too.
        title: over the whole figure.
        cell: width of a panel in inches; by default what fits the page, 1.28 at most. It is rounded so that
            every pixel of the first image is equally wide.
        signed: draw maps in diverging colours with zero in the middle. By default a row is signed when there
            is a negative value in one of its maps.
        cmap: name of a matplotlib colour map for all the maps, in place of the default.
        scale: which maps share a scale, so that equal values have equal colours: ``"shared"``, all of them;
            ``"row"``, those of a row. Such a scale includes zero, and its range is printed once: in the key, or under
            the row's label.
        outlines: bool ``(H, W)`` masks in the shape of ``rows``, ``None`` for none: their contours are drawn over
            the panels. A mask finer or coarser than its panel is stretched over it.
        values: write the values into the cells of maps of at most 8 x 8.
        show_range: print the lowest and the highest value of each map, and the key to the colours.

    Raises:
        InputError: rows of unequal length, labels that don't match, arrays that are none of the above, NaN in a map;
            values that don't fit into their cells.

    Example:
        >>> import torch, salkit
        >>> from salkit import data, display
        >>> some = data.scenes(3)
        >>> edges = display.heatmap(salkit.edge_map(torch.nn.Identity(), some.pixels()))
        >>> outlines = [[None] * 3, some.masks["object"]]
        >>> display.grid([some.images, edges], row_labels=["picture", "edges"], outlines=outlines)
        <Figure with 7 panels>
    """
    panels = _panels(rows)
    _check(panels, row_labels, column_labels, titles, outlines, scale, cell)
    has_negative = [any(panel.min() < 0 for panel in row if _is_map(panel)) for row in panels]
    if scale == "shared":
        has_negative = [any(has_negative)] * len(panels)
    row_signed = [negative if signed is None else signed for negative in has_negative]
    colours = {kind: colour_map(cmap, kind) for kind in (False, True)}
    texts = _texts(panels, row_labels, column_labels, titles, title, row_signed, scale, show_range)

    with styled():
        figure = Figure()
        axes = _axes(figure, panels)
        for i, row in enumerate(_scaled(panels, row_signed, scale)):
            for j, panel in enumerate(row):
                _draw(axes[i][j], panel, colours[row_signed[i]], row_signed[i])
                if outlines is not None and outlines[i][j] is not None:
                    _outline(axes[i][j], outlines[i][j], panel)
                if values and _is_map(raw := panels[i][j]) and max(raw.shape) <= _MOST_VALUES:
                    _write_values(axes[i][j], raw)
        wide = _measured(figure, panels, texts, cell)
        arrange = partial(_arrange, figure, axes, texts, colours)
        figure.narrow = partial(_narrow, arrange, wide, partial(_measured_narrow, figure, texts, wide))
        arrange(wide)
    inside = [text for one in figure.axes for text in one.texts if text.get_gid() == "value"]
    if any(float(text.get_fontsize()) < _SMALLEST_VALUE for text in inside):
        raise InputError(f"the values don't fit into cells of {wide.width:.2g} inches a map: choose a larger cell=")
    return figure


# ------------------------------------------------------------------------------------------------- what is drawn


def _panels(rows) -> list[list[np.ndarray | None]]:
    """Every panel as ``(H, W, 3)`` picture, or 2-D: bool for a mask and float64 for a map."""
    if getattr(rows, "ndim", 5) < 5:
        raise InputError(f"rows must be a list of rows, not {tuple(rows.shape)}: for a single row write grid([images])")
    table = [[_panel(panel, f"row {i}, column {j}") for j, panel in enumerate(row)] for i, row in enumerate(rows)]
    if not table or not table[0] or len({len(row) for row in table}) > 1:
        lengths = ", ".join(str(len(row)) for row in table)
        raise InputError(f"rows must have the same number of panels, at least one: got {lengths or 'no rows'}; "
                         "fill up with None")  # fmt: skip
    if all(panel is None for row in table for panel in row):
        raise InputError("there is nothing to draw: every panel is None")
    return table


def _panel(panel, where: str) -> np.ndarray | None:
    if panel is None:
        return None
    array = torch.as_tensor(panel).detach().cpu()
    if 0 in array.shape or array.ndim not in (2, 3):
        raise InputError(f"the panel in {where} must be (H, W), (1, H, W), (3, H, W) or (H, W, 3), "
                         f"not {tuple(array.shape)}")  # fmt: skip
    try:
        if array.dtype == torch.uint8 or (array.ndim == 3 and array.shape[0] != 1):
            return pictures(array[None, None] if array.ndim == 2 else array[None])[0]
        flat = array[0] if array.ndim == 3 else array
        if flat.dtype != torch.bool:
            raw_range(flat[None])  # Refuses NaN and infinity.
            flat = flat.double()
        return flat.numpy()
    except InputError as error:
        raise InputError(f"the panel in {where}: {error}") from None


def _check(panels, row_labels, column_labels, titles, outlines, scale, cell) -> None:
    shape = (len(panels), len(panels[0]))
    for name, labels, expected in (("row_labels", row_labels, shape[0]), ("column_labels", column_labels, shape[1])):
        if labels is not None and len(labels) != expected:
            raise InputError(f"{name} must be {expected} texts, not {len(labels)}")
    for name, table in (("titles", titles), ("outlines", outlines)):
        if table is not None and [len(row) for row in table] != [shape[1]] * shape[0]:
            raise InputError(f"{name} must have {shape[0]} rows of {shape[1]}, like the panels; None for none")
    if scale not in (None, "row", "shared"):
        raise InputError(f"scale must be 'shared', 'row' or None, not {scale!r}")
    if cell is not None and not cell > 0:
        raise InputError(f"cell must be a width in inches, over 0, not {cell}")


def _is_map(panel) -> TypeGuard[np.ndarray]:
    return panel is not None and panel.ndim == 2 and panel.dtype != bool


def _groups(panels, scale: str | None) -> list[list[tuple[int, int]]]:
    """The places of maps that share a scale."""
    maps = [[(i, j) for j, panel in enumerate(row) if _is_map(panel)] for i, row in enumerate(panels)]
    if scale == "shared":
        return [[place for row in maps for place in row]]
    return maps if scale == "row" else [[place] for row in maps for place in row]


def _scaled(panels, row_signed: list[bool], scale: str | None) -> list[list[np.ndarray | None]]:
    """The panels with their maps in [0, 1], or [-1, 1] where the row is signed."""
    result = [list(row) for row in panels]
    for group in filter(None, _groups(panels, scale)):
        # A scale that several maps share begins at zero: the darkest colour is then no relevance, and not the least.
        zero = [np.zeros(1)] if scale else []
        together = np.concatenate([*(panels[i][j].ravel() for i, j in group), *zero])
        heat = heatmap(torch.as_tensor(together)[None, None], signed=row_signed[group[0][0]]).numpy().ravel()
        for i, j in group:
            count = panels[i][j].size
            result[i][j], heat = heat[:count].reshape(panels[i][j].shape), heat[count:]
    return result


def _axes(figure, panels) -> list[list]:
    axes = []
    for i, row in enumerate(panels):
        axes.append([figure.add_axes((0, 0, 1, 1), label=f"{i} {j}") for j in range(len(row))])
        for one in axes[-1]:
            one.set_axis_off()
    return axes


def _draw(axes, panel, colours, signed: bool) -> None:
    if panel is None:
        return
    scale = {}
    if panel.ndim == 2 and panel.dtype == bool:
        scale = dict(cmap="gray", vmin=0, vmax=1)
        # A mask that is true everywhere would vanish into the page.
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=GREY, linewidth=1.5))
    elif panel.ndim == 2:
        scale = dict(cmap=colours, vmin=-1 if signed else 0, vmax=1)
    axes.imshow(panel, **scale)


def _outline(axes, mask, panel) -> None:
    """The contour of a mask along the edges of its pixels: black in white, to be seen on dark and on bright."""
    mask = torch.as_tensor(mask).detach().cpu().numpy().astype(bool)
    if mask.ndim != 2 or panel is None:
        raise InputError(f"an outline must be a mask (H, W) over a panel, not {mask.shape}")
    padded, ends = np.pad(mask, 1), []
    for across, table in ((False, padded), (True, padded.T)):
        for at, changes in enumerate(table[1:] != table[:-1]):
            steps = np.flatnonzero(np.diff(np.pad(changes.astype(int), 1))) - 1  # each run of the edge: from, to
            corners = np.stack([steps, np.full_like(steps, at)], axis=-1)
            ends.append(corners[:, ::-1] if across else corners)
    corners = np.concatenate(ends) * (panel.shape[1] / mask.shape[1], panel.shape[0] / mask.shape[0]) - 0.5
    path = Path(corners, [Path.MOVETO, Path.LINETO] * (len(corners) // 2))
    for colour, width in (("white", 2.4), ("black", 1.0)):
        axes.add_patch(PathPatch(path, fill=False, edgecolor=colour, linewidth=width, capstyle="projecting",
                                 gid=OUTLINE))  # fmt: skip


def _write_values(axes, panel) -> None:
    (image,) = axes.get_images()
    colours = image.to_rgba(image.get_array())
    for (row, column), value in np.ndenumerate(panel):
        red, green, blue, _ = colours[row, column]
        ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
        axes.text(column, row, _short(float(value)), color=ink, ha="center", va="center", gid="value")


# ----------------------------------------------------------------------------------------------- what is written


@dataclass(frozen=True)
class _Texts:
    """Everything that stands beside the panels; empty texts where there is none."""

    title: str
    rows: list[str]
    columns: list[str]
    titles: list[list[str]]
    ranges: list[list[str]]
    keys: list[tuple[bool, str, str]]  # of the colours: whether they are signed, and what stands at the ends


def _texts(panels, row_labels, column_labels, titles, title, row_signed, scale, show_range) -> _Texts:
    rows, keys = list(row_labels or [""] * len(panels)), {}
    ranges = [[""] * len(row) for row in panels]
    titles = [[text or "" for text in row] for row in titles or ranges]
    for group in filter(None, _groups(panels, scale) if show_range else []):
        zero = [0.0] if scale else []
        low = min([*(panels[i][j].min() for i, j in group), *zero])
        high = max([*(panels[i][j].max() for i, j in group), *zero])
        i, j = group[0]
        if scale == "shared":
            top = max(abs(low), abs(high))
            keys[row_signed[i]] = (_short(-top), _short(top)) if row_signed[i] else (_short(low), _short(high))
            continue
        keys[row_signed[i]] = _KEY_WORDS[row_signed[i]]
        text = f"{_short(low)} … {_short(high)}"
        if scale == "row":
            rows[i] = f"{rows[i]}\n{text}".lstrip("\n")
        else:
            ranges[i][j] = text
    keys = [(kind, *keys[kind]) for kind in sorted(keys)]
    return _Texts(title or "", rows, list(column_labels or [""] * len(panels[0])), titles, ranges, keys)


def _short(value: float) -> str:
    """Two significant digits: 0, 0.031, −1.2, 250, 3.4e−5."""
    if value and not 1e-3 <= abs(value) < 1e4:
        digits, exponent = f"{value:.1e}".split("e")
        text = f"{digits}e{int(exponent)}"
    else:
        text = f"{float(f'{value:.1e}'):g}"
    return text.replace("-", "−")


# ------------------------------------------------------------------------------------------------ where it stands


@dataclass(frozen=True)
class _Layout:
    """Sizes in inches and points for one arrangement; the texts are broken so that they fit it."""

    columns: int  # panels beside each other; a row that has more goes on below
    width: float  # of a panel
    height: float
    left: float  # room for the row labels; without any they stand above their rows
    texts: _Texts
    column_size: float
    title_size: float
    range_size: float

    def top(self, i: int) -> float:
        """What stands above the panels of a row, besides its own label."""
        repeated = i == 0 or self.columns < len(self.texts.columns)
        return _LINE * (_lines(self.texts.titles[i]) + _lines(self.texts.columns) * repeated)

    def above(self, i: int) -> float:
        return 0 if self.left else _LINE * _lines([self.texts.rows[i]])

    def under(self, i: int) -> float:
        return 0.17 if any(self.texts.ranges[i]) else 0


def _measured(figure, panels, texts: _Texts, cell: float | None) -> _Layout:
    left = text_width(figure, texts.rows, 9.5) + 0.12 if any(texts.rows) else 0
    return _fitted(figure, texts, len(panels[0]), *_cell_size(panels, cell, left), left)


def _measured_narrow(figure, texts: _Texts, wide: _Layout) -> _Layout:
    """For a phone: as many panels beside each other as can be told apart, and all lines of a row equally long."""
    smallest = _SMALLEST * max(1, wide.width / wide.height)
    fitting = max(1, int((NARROW + _GAP) / (min(wide.width, smallest) + _GAP)))
    columns = math.ceil(len(texts.columns) / math.ceil(len(texts.columns) / fitting))
    width = min((NARROW + _GAP) / columns - _GAP, max(wide.width, 1.28))
    rows = [" ".join(text.split("\n")) for text in texts.rows]
    texts = replace(texts, title=wrapped(figure, texts.title, 11, NARROW), rows=rows)
    return _fitted(figure, texts, columns, width, width * wide.height / wide.width, 0)


def _fitted(figure, texts: _Texts, columns: int, width: float, height: float, left: float) -> _Layout:
    texts = replace(
        texts,
        columns=[wrapped(figure, text, 9.5, width) for text in texts.columns],
        titles=[[wrapped(figure, text, 8.5, width) for text in row] for row in texts.titles],
    )
    return _Layout(
        columns,
        width,
        height,
        left,
        texts,
        column_size=_fitting(figure, texts.columns, 9.5, width),
        title_size=_fitting(figure, [text for row in texts.titles for text in row], 8.5, width),
        range_size=_fitting(figure, [text for row in texts.ranges for text in row], 7.5, width),
    )


def _cell_size(panels, cell: float | None, left: float) -> tuple[float, float]:
    """Inches. The height follows the first panel's shape; the width is a whole number of pixels for each of its own."""
    rows, columns = next(panel for row in panels for panel in row if panel is not None).shape[:2]
    dots = DPI * (cell or min(1.28, max(0.64, (WIDTH - left) / len(panels[0]) - _GAP)))
    if columns <= dots:
        # A chosen width is rounded to the nearest, an automatic one down, so that it still fits.
        dots = columns * (round(dots / columns) if cell else int(dots / columns + 1e-6))
    return dots / DPI, dots / DPI * rows / columns


def _arrange(figure, axes, texts: _Texts, colours, layout: _Layout) -> None:
    """Put the panels where the layout has them, and write the texts anew."""
    for old in [*figure.texts, *(one for one in figure.axes if one.get_label() == "key")]:
        old.remove()
    texts, step = layout.texts, layout.width + _GAP
    lines = math.ceil(len(texts.columns) / layout.columns)
    heights = [layout.above(i) + lines * (layout.top(i) + layout.height + layout.under(i) + _GAP)
               for i in range(len(axes))]  # fmt: skip
    key_widths = [text_width(figure, words, 7.5) * 2 + 0.92 for _, *words in texts.keys]
    stacked = layout.columns < len(texts.columns) or not layout.left
    foot = (0.24 if texts.keys else 0) * (len(texts.keys) if stacked else 1)
    head = 0.12 + _LINE * _lines([texts.title]) if texts.title else 0
    full = (
        max(
            layout.left + layout.columns * step - _GAP,
            layout.left + (max(key_widths, default=0) if stacked else sum(key_widths) + 0.2 * (len(key_widths) - 1)),
            text_width(figure, texts.rows, 9.5) if not layout.left else 0,
            text_width(figure, [texts.title], 11),
        ),
        head + sum(heights) - _GAP + foot,
    )
    figure.set_size_inches(*full)
    write = partial(_write, figure, full)
    write(texts.title, 0, full[1] - _LINE * _lines([texts.title]), 11, "left")

    y = full[1] - head
    for i, row in enumerate(axes):
        if layout.left:
            middle = y - layout.top(i) - layout.height / 2 - _LINE * _lines([texts.rows[i]]) / 2
            write(texts.rows[i], layout.left - 0.1, middle + 0.03, 9.5, "right")
        else:
            write(texts.rows[i], 0, y - layout.above(i) + 0.06, 9.5, "left")
            y -= layout.above(i)
        for j, one in enumerate(row):
            x = layout.left + j % layout.columns * step
            if j % layout.columns == 0:
                y -= layout.top(i) + layout.height
            one.set_position(_relative(Bbox.from_bounds(x, y, layout.width, layout.height), *full))
            centre, over = x + layout.width / 2, y + layout.height + 0.05
            write(texts.titles[i][j], centre, over, layout.title_size, "center")
            if i == 0 or lines > 1:
                over += _LINE * _lines(texts.titles[i])
                write(texts.columns[j], centre, over, layout.column_size, "center")
            write(texts.ranges[i][j], centre, y - 0.14, layout.range_size, "center", GREY)
            _set_sizes(figure, one, layout.width)
            if j % layout.columns == layout.columns - 1 or j == len(row) - 1:
                y -= layout.under(i) + _GAP
    x, y = layout.left, foot - 0.23
    for (kind, *words), width in zip(texts.keys, key_widths, strict=True):
        _draw_key(figure, words, colours[kind], x, y, width)
        x, y = (x, y - 0.24) if stacked else (x + width + 0.2, y)


@contextmanager
def _narrow(arrange, wide: _Layout, measured):
    with styled():
        arrange(measured())
        yield
        arrange(wide)


def _write(figure, full, text: str, x: float, y: float, size: float, side: str, colour: str | None = None) -> None:
    """Each line by itself, the last one at ``y`` inches: letters of another font then still stand in the middle."""
    for k, line in enumerate(reversed(text.split("\n") if text else [])):
        figure.text(x / full[0], (y + k * _LINE * size / 9.5) / full[1], line, fontsize=size, ha=side, va="baseline",
                    color=colour)  # fmt: skip


def _set_sizes(figure, axes, width: float) -> None:
    """Of the pixels and the values in a panel that is now so many inches wide."""
    for image in axes.get_images():
        columns = image.get_array().shape[1]
        # Enlarging must not invent values between the pixels of a map; shrinking has to average them.
        crisp = max(image.get_array().shape[:2]) <= CRISP and columns <= SHARP * DPI * width + 0.5
        image.set_interpolation("nearest" if crisp else "antialiased")
        inside = [text for text in axes.texts if text.get_gid() == "value"]
        size = _fitting(figure, [text.get_text() for text in inside], 9.5, 0.9 * width / columns)
        for text in inside:
            text.set_fontsize(size)


def _relative(box: Bbox, width: float, height: float) -> tuple[float, float, float, float]:
    return box.x0 / width, box.y0 / height, box.width / width, box.height / height


def _draw_key(figure, words, colours, x: float, y: float, width: float) -> None:
    """A strip of the colour scale with a word at each end, ``x`` and ``y`` inches from the lower left corner."""
    box = Bbox.from_bounds(x + (width - 0.8) / 2, y, 0.8, 0.1)
    axes = figure.add_axes(_relative(box, *figure.get_size_inches()), label="key")
    axes.set_axis_off()
    axes.imshow(np.linspace(0, 1, 128)[None], cmap=colours, aspect="auto", vmin=0, vmax=1)
    for word, place, side in zip(words, (-0.07, 1.07), ("right", "left"), strict=True):
        axes.text(place, 0.5, word, transform=axes.transAxes, fontsize=7.5, color=GREY, ha=side, va="center")


def _lines(texts) -> int:
    return max((str(text).count("\n") + 1 for text in texts if text), default=0)


def _fitting(figure, texts, size: float, width: float) -> float:
    """The font size, at most ``size``, with which all the texts are narrower than ``width``."""
    # More than one step, as letters are fitted to whole dots and do not shrink evenly.
    while (widest := text_width(figure, texts, size)) > width and size > 1:
        size *= 0.98 * width / widest
    return size
