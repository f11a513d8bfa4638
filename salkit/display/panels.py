"""A table of images and maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
import torch
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from ..errors import InputError
from .compose import colour_map, pictures
from .normalise import heatmap, raw_range
from .style import DPI, GREY, Figure, styled

WIDTH = 7.2  # Inches that a page, or a notebook, is wide.
_GAP = 0.08
_KEY_WORDS = {False: ("lowest", "highest"), True: ("negative", "positive")}  # By whether the maps are signed.


def grid(
    rows: Sequence[Sequence],
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    *,
    titles: Sequence[Sequence[str | None]] | None = None,
    title: str | None = None,
    cell: float | None = None,
    signed: bool | None = None,
    cmap: str | None = None,
    show_range: bool = True,
) -> Figure:
    """Images and maps in rows and columns.

    What a panel is can be told from its array:

    - **picture**: three channels, or uint8: ``(3, H, W)``, ``(H, W, 3)``, and uint8 ``(1, H, W)`` or ``(H, W)``;
    - **map**: floats ``(H, W)`` or ``(1, H, W)``, raw or normalised, coloured from its own lowest to its own highest
      value, which are printed under it;
    - **mask**: bool ``(H, W)``, white where true;
    - ``None``: left empty.

    Args:
        rows: each row as a list of arrays, or as one tensor ``(columns, ...)``.
        row_labels: at the left of each row.
        column_labels: over the first row; smaller where they would not fit, so break long ones with a newline.
        titles: over each panel, in the shape of ``rows``; ``None`` for none. They shrink, too.
        title: over the whole figure.
        cell: width of a panel in inches; by default what fits the page, 1.28 at most. It is rounded so that
            every pixel of the first image is equally wide.
        signed: draw maps in diverging colours with zero in the middle. By default a row is signed when there
            is a negative value in one of its maps.
        cmap: name of a matplotlib colour map for all the maps, in place of the default.
        show_range: print the lowest and the highest value of each map, and the key to the colours.

    Raises:
        InputError: rows of unequal length, labels that don't match, arrays that are none of the above, NaN in a map.

    Example:
        >>> import torch, salkit
        >>> from salkit import data, display
        >>> some = data.scenes(3)
        >>> edges = display.heatmap(salkit.edge_map(torch.nn.Identity(), some.pixels()))
        >>> display.grid([some.images, edges], row_labels=["picture", "edges"])
        <Figure with 7 panels>
    """
    panels = _panels(rows)
    shape = (len(panels), len(panels[0]))
    for name, labels, expected in (("row_labels", row_labels, shape[0]), ("column_labels", column_labels, shape[1])):
        if labels is not None and len(labels) != expected:
            raise InputError(f"{name} must be {expected} texts, not {len(labels)}")
    if titles is not None and [len(row) for row in titles] != [shape[1]] * shape[0]:
        raise InputError(f"titles must have {shape[0]} rows of {shape[1]}, like the panels; None for no title")
    if cell is not None and not cell > 0:
        raise InputError(f"cell must be a width in inches, over 0, not {cell}")
    row_signed = [_has_negative(row) if signed is None else signed for row in panels]
    colours = {kind: colour_map(cmap, kind) for kind in (False, True)}

    with styled():
        figure = Figure()
        left = _text_width(figure, row_labels, 9.5) + 0.12 if row_labels is not None else 0
        width, height = _cell_size(panels, cell, left)
        labelled = column_labels is not None
        under = [0.17 if show_range and any(map(_is_map, row)) else 0 for row in panels]
        ranges = [_range_text(panel) for row in panels for panel in row if _is_map(panel)]
        range_size = _fitting(figure, ranges, 7.5, width)
        column_size = _fitting(figure, column_labels or [], 9.5, width + _GAP / 2)
        title_size = _fitting(figure, [text for row in titles or [] for text in row if text], 8.5, width + _GAP / 2)
        top = [0.2 * _lines(row) if titles is not None else 0 for row in (titles or panels)]
        head = (0.2 * _lines(column_labels) if labelled else 0) + (0.12 + 0.2 * _lines([title]) if title else 0)
        keys = sorted({row_signed[i] for i in range(shape[0]) if under[i]})
        key_widths = [_text_width(figure, _KEY_WORDS[key], 7.5) * 2 + 0.92 for key in keys]
        foot = 0.24 if keys else 0
        full_width = max(
            left + shape[1] * (width + _GAP) - _GAP,
            left + sum(key_widths) + 0.2 * (len(keys) - 1),
            _text_width(figure, [title or ""], 11),
        )
        full_height = head + sum(top) + sum(under) + shape[0] * (height + _GAP) - _GAP + foot
        figure.set_size_inches(full_width, full_height)

        y = full_height - head
        for i, row in enumerate(panels):
            y -= top[i] + height
            for j, panel in enumerate(row):
                box = Bbox.from_bounds(left + j * (width + _GAP), y, width, height)
                axes = figure.add_axes(_relative(box, full_width, full_height))
                _draw(axes, panel, row_signed[i], colours)
                if show_range and _is_map(panel):
                    axes.text(0.5, -0.035 / height, _range_text(panel), fontsize=range_size, color=GREY,
                              transform=axes.transAxes, ha="center", va="top")  # fmt: skip
                if titles is not None and (text := titles[i][j]):
                    axes.set_title(text, fontsize=title_size, loc="center", pad=3.5)
                if i == 0 and labelled:
                    above = (height + top[0] + 0.06) / height
                    axes.text(0.5, above, column_labels[j], transform=axes.transAxes, ha="center", va="bottom",
                              fontsize=column_size)  # fmt: skip
                if j == 0 and row_labels is not None:
                    axes.text(-0.1 / width, 0.5, row_labels[i], transform=axes.transAxes, ha="right", va="center",
                              fontsize=9.5)  # fmt: skip
            y -= under[i] + _GAP
        for k, (key, key_width) in enumerate(zip(keys, key_widths, strict=True)):
            _draw_key(figure, key, colours[key], left + sum(key_widths[:k]) + 0.2 * k, key_width)
        if title:
            figure.text(0, 1, title, fontsize=11, va="top", ha="left")
    return figure


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


def _is_map(panel) -> TypeGuard[np.ndarray]:
    return panel is not None and panel.ndim == 2 and panel.dtype != bool


def _has_negative(row) -> bool:
    return any(panel.min() < 0 for panel in row if _is_map(panel))


def _draw(axes, panel, signed: bool, colours) -> None:
    axes.set_axis_off()
    if panel is None:
        return
    scale = {}
    if panel.ndim == 2 and panel.dtype == bool:
        scale = dict(cmap="gray", vmin=0, vmax=1)
        # A mask that is true everywhere would vanish into the page.
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=GREY, linewidth=1.5))
    elif panel.ndim == 2:
        panel = heatmap(panel[None], signed=signed)[0].numpy()
        scale = dict(cmap=colours[signed], vmin=-1 if signed else 0, vmax=1)
    # Enlarging must not invent values between the pixels; shrinking has to average them.
    enlarged = panel.shape[1] <= axes.get_window_extent().width + 0.5
    axes.imshow(panel, interpolation="nearest" if enlarged else "antialiased", **scale)


def _cell_size(panels, cell: float | None, left: float) -> tuple[float, float]:
    """Inches. The height follows the first panel's shape; the width is a whole number of pixels for each of its own."""
    rows, columns = next(panel for row in panels for panel in row if panel is not None).shape[:2]
    dots = DPI * (cell or min(1.28, max(0.64, (WIDTH - left) / len(panels[0]) - _GAP)))
    if columns <= dots:
        # A chosen width is rounded to the nearest, an automatic one down, so that it still fits.
        dots = columns * (round(dots / columns) if cell else int(dots / columns + 1e-6))
    return dots / DPI, dots / DPI * rows / columns


def _relative(box: Bbox, width: float, height: float) -> tuple[float, float, float, float]:
    return box.x0 / width, box.y0 / height, box.width / width, box.height / height


def _draw_key(figure, signed: bool, colours, x: float, width: float) -> None:
    """A strip of the colour scale at the foot, ``x`` inches from the left, a word at each end."""
    full_width, full_height = figure.get_size_inches()
    low, high = _KEY_WORDS[signed]
    axes = figure.add_axes(
        _relative(Bbox.from_bounds(x + (width - 0.8) / 2, 0.01, 0.8, 0.1), full_width, full_height), label="key"
    )
    axes.set_axis_off()
    axes.imshow(np.linspace(0, 1, 128)[None], cmap=colours, aspect="auto", vmin=0, vmax=1)
    for word, place, side in ((low, -0.07, "right"), (high, 1.07, "left")):
        axes.text(place, 0.5, word, transform=axes.transAxes, fontsize=7.5, color=GREY, ha=side, va="center")


def _lines(texts) -> int:
    return max((str(text).count("\n") + 1 for text in texts if text), default=0)


def _text_width(figure, texts, size: float) -> float:
    """Inches of the widest of the texts."""
    renderer = figure.canvas.get_renderer()
    widths = []
    for text in texts:
        artist = figure.text(0, 0, text, fontsize=size)
        widths.append(artist.get_window_extent(renderer).width / figure.dpi)
        artist.remove()
    return max(widths, default=0)


def _fitting(figure, texts, size: float, width: float) -> float:
    """The font size, at most ``size``, with which all the texts are narrower than ``width``."""
    # More than one step, as letters are fitted to whole dots and do not shrink evenly.
    while (widest := _text_width(figure, texts, size)) > width and size > 1:
        size *= 0.98 * width / widest
    return size


def _range_text(panel: np.ndarray) -> str:
    return f"{_short(panel.min())} … {_short(panel.max())}"


def _short(value: float) -> str:
    """Two significant digits: 0, 0.031, −1.2, 250, 3.4e−5."""
    if value and not 1e-3 <= abs(value) < 1e4:
        digits, exponent = f"{value:.1e}".split("e")
        text = f"{digits}e{int(exponent)}"
    else:
        text = f"{float(f'{value:.1e}'):g}"
    return text.replace("-", "−")
