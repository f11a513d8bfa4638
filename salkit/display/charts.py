"""Measurements with their uncertainty: curves and dot charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..errors import InputError
from .style import GREY, INK, PALETTE, Figure, letters, styled

_LINE_STYLES = ("-", "--", ":")  # After as many curves as there are colours, the next style.


def curves(
    x: Sequence[float] | np.ndarray,
    series: Mapping[str, object],
    xlabel: str,
    ylabel: str,
    *,
    title: str | None = None,
    chance: float | None = None,
    chance_label: str = "chance",
    percent: bool = False,
    xlog: bool = False,
    ylim: tuple[float, float] | None = None,
    size: tuple[float, float] = (6.4, 3.6),
) -> Figure:
    """Lines over a common axis, each named at its end, with shaded intervals where they are given.

    Args:
        x: positions, increasing, at least two.
        series: for each name ``len(x)`` values; or a tuple ``(mean, low, high)`` of three such arrays; or a list
            of objects with ``mean``, ``low`` and ``high``. NaN leaves a gap.
        xlabel, ylabel: what the axes are, with the unit.
        title: over the figure.
        chance: what guessing would reach, drawn as a dashed line.
        chance_label: what the dashed line is called.
        percent: values are shares in [0, 1]; print them as percentages.
        xlog: logarithmic horizontal axis.
        ylim: range of the vertical axis.
        size: inches.

    Raises:
        InputError: lengths that don't fit, no series, an interval that does not hold its mean.

    Example:
        >>> from salkit import display
        >>> scores = {"gradcam": [0.9, 0.4, 0.1],
        ...           "random": ([0.9, 0.6, 0.1], [0.8, 0.5, 0.0], [1.0, 0.7, 0.2])}  # with an interval
        >>> display.curves([0, 0.5, 1], scores, "share of the pixels deleted", "probability")
        <Figure with 1 panel>
    """
    x = _vector(x, "x")
    if len(x) < 2 or not np.isfinite(x).all() or (np.diff(x) <= 0).any():
        raise InputError("x must hold at least two finite, increasing numbers")
    if xlog and x[0] <= 0:
        raise InputError(f"a logarithmic axis needs x over 0, not {x[0]:g}")
    if not series:
        raise InputError("there is no series to draw")
    lines = {name: _line(name, values, len(x)) for name, values in series.items()}

    with styled():
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.grid(axis="x", visible=False)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        if title:
            axes.set_title(title)
        if xlog:
            axes.set_xscale("log")
            if len(x) <= 8:
                axes.set_xticks(x, [f"{value:g}" for value in x])
                axes.minorticks_off()
        elif (x == x.round()).all():
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for i, (name, (mean, *ends)) in enumerate(lines.items()):
            colour, style = PALETTE[i % len(PALETTE)], _LINE_STYLES[i // len(PALETTE) % len(_LINE_STYLES)]
            axes.plot(x, mean, style, color=colour, label=name, marker="o" if len(x) <= 12 else None, markersize=4)
            if ends:
                axes.fill_between(x, ends[0], ends[1], color=colour, alpha=0.18, linewidth=0)
        axes.margins(x=0.02)
        if ylim is not None:
            axes.set_ylim(*ylim)
        if percent:
            axes.yaxis.set_major_formatter(_percent(axes.get_ylim()))
        if chance is not None:
            axes.axhline(chance, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
            axes.annotate(chance_label, (0, chance), xycoords=axes.get_yaxis_transform(), xytext=(3, 3),
                          textcoords="offset points", fontsize=8.5, color=GREY)  # fmt: skip
        _name_lines(figure, axes)
    return figure


def intervals(
    rows: Mapping[str, Any],
    xlabel: str,
    *,
    title: str | None = None,
    chance: float | None = None,
    chance_label: str = "chance",
    percent: bool = False,
    xlim: tuple[float, float] | None = None,
    width: float = 6.4,
) -> Figure:
    """A dot for each mean with its interval as a whisker, one row for each name, in the given order.

    Args:
        rows: for each name an object with ``mean``, ``low``, ``high`` and ``n`` (how many samples), such as
            `salkit.evaluation.mean_interval` returns. A mean of NaN leaves the row empty.
        xlabel: what is measured, with the unit.
        title: over the figure.
        chance: what an uninformed map would reach, drawn as a dashed line.
        chance_label: what the dashed line is called.
        percent: values are shares in [0, 1]; print them as percentages.
        xlim: range of the axis.
        width: inches; the height follows the number of rows.

    Raises:
        InputError: no rows, a missing attribute, an interval that does not hold its mean.

    Example:
        >>> from salkit import display, evaluation
        >>> rows = {"gradcam": evaluation.mean_interval([0.6, 0.7, 0.9]),
        ...         "edges": evaluation.mean_interval([0.3, 0.4, 0.2])}
        >>> display.intervals(rows, "share of the map on the object", chance=0.25)
        <Figure with 1 panel>
    """
    if not rows:
        raise InputError("there are no rows to draw")
    for name, row in rows.items():
        if not all(hasattr(row, attribute) for attribute in ("mean", "low", "high", "n")):
            raise InputError(f"{name!r} needs the attributes mean, low, high and n: use evaluation.mean_interval")
    mean, low, high = (
        np.array([float(getattr(row, attribute)) for row in rows.values()]) for attribute in ("mean", "low", "high")
    )
    for name, *values in zip(rows, mean, low, high, strict=True):
        _check_interval(name, *map(np.atleast_1d, values))

    with styled():
        figure = Figure(figsize=(width, 0.75 + 0.36 * len(rows) + (0.3 if title else 0)), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        y = np.arange(len(rows))
        axes.hlines(y, low, high, color=PALETTE[0], linewidth=2.2, alpha=0.55)
        axes.plot(mean, y, "o", color=PALETTE[0], markersize=6.5)
        axes.set(xlabel=xlabel, yticks=y, ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticklabels([f"{name}  (n = {row.n:,})" for name, row in rows.items()], fontsize=9.5)
        axes.margins(x=0.05)
        if xlim is not None:
            axes.set_xlim(*xlim)
        if percent:
            axes.xaxis.set_major_formatter(_percent(axes.get_xlim()))
        if chance is not None:
            # Where a map that knows nothing would end up: the dots are read as distances from it.
            axes.axvline(chance, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            axes.annotate(chance_label, (chance, 1), xycoords=axes.get_xaxis_transform(), xytext=(0, 2),
                          textcoords="offset points", fontsize=8.5, color=GREY, ha="center")  # fmt: skip
        if title:
            axes.set_title(title, pad=18 if chance is not None else 10)
    return figure


def _vector(values, name: str) -> np.ndarray:
    values = torch.as_tensor(values, dtype=torch.float64).detach().cpu().numpy()
    if values.ndim != 1:
        raise InputError(f"{name} must be one row of numbers, not of shape {values.shape}")
    return values


def _line(name: str, values, length: int) -> list[np.ndarray]:
    """The values, or three rows: their mean, and the lower and the upper end of the interval."""
    if isinstance(values, tuple) and len(values) == 3 and all(np.ndim(part) == 1 for part in values):
        parts = values
    elif len(values) and all(hasattr(value, "low") and hasattr(value, "high") for value in values):
        parts = [[float(getattr(value, part)) for value in values] for part in ("mean", "low", "high")]
    else:
        parts = [values]
    parts = [_vector(part, repr(name)) for part in parts]
    for part in parts:
        if len(part) != length:
            raise InputError(f"{name!r} must have {length} values, one for each x, not {len(part)}")
    if len(parts) == 3:
        _check_interval(name, *parts)
    return parts


def _check_interval(name: str, mean, low, high) -> None:
    # A bootstrap's ends and its mean may differ by rounding. NaN compares as false and passes: it is not drawn.
    slack = 1e-6 * (np.abs(low) + np.abs(high))
    if (low > mean + slack).any() or (mean > high + slack).any():
        raise InputError(f"the interval of {name!r} does not hold its mean: the order is mean, low, high")


def _percent(limits) -> PercentFormatter:
    return PercentFormatter(1, decimals=0 if abs(limits[1] - limits[0]) > 0.05 else 1, symbol=" %")


def _name_lines(figure, axes) -> None:
    """Names at the ends of the lines, moved apart where they would touch; a legend where that isn't enough."""
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    if len(lines) == 1:
        return  # The vertical axis says what it is.
    figure.draw_without_rendering()
    height = axes.get_window_extent().height
    step = 1.25 * 9.5 / 72 * figure.dpi / height  # One line of text, as a share of the axes' height.
    ends = []
    for line in lines:
        valid = np.flatnonzero(np.isfinite(line.get_ydata()))
        if not len(valid) or valid[-1] != len(line.get_ydata()) - 1:
            return _legend(axes)  # It ends before the right edge: a name there would be another line's.
        end = axes.transData.transform((line.get_xdata()[-1], line.get_ydata()[-1]))
        ends.append(axes.transAxes.inverted().transform(end)[1])
    places = _spread(np.array(ends), step)
    if np.abs(places - ends).max() > 2 * step:
        return _legend(axes)
    for line, place in zip(lines, places, strict=True):
        axes.annotate(line.get_label(), (1, place), xycoords="axes fraction", xytext=(6, 0), va="center",
                      textcoords="offset points", color=letters(line.get_color()), fontsize=9.5)  # fmt: skip


def _spread(places: np.ndarray, step: float) -> np.ndarray:
    """The nearest places, in the same order, that are at least ``step`` apart: touching ones share their mean."""
    order = np.argsort(places, kind="stable")
    groups: list[tuple[float, int]] = []  # Each as (centre, members); the members lie step apart around the centre.
    for place in places[order]:
        groups.append((place, 1))
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < step * (groups[-1][1] + groups[-2][1]) / 2:
            (centre, n), (before, m) = groups.pop(), groups.pop()
            groups.append(((centre * n + before * m) / (n + m), n + m))
    result = np.empty_like(places)
    result[order] = [centre + (i - (n - 1) / 2) * step for centre, n in groups for i in range(n)]
    return result


def _legend(axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, labelcolor=INK)
