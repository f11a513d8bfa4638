"""Measurements with their uncertainty: curves and dot charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from ..errors import InputError
from .style import GREY, INK, NARROW, PALETTE, Figure, letters, styled, text_width, wrapped

_LINE_STYLES = ("-", "--", ":")  # Where a colour comes again, the next style.
_NAME = "name"  # What the name at the end of a line is called among all texts of a figure.


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, to hand to all charts of a chapter as ``colours=``, so that they agree.

    Args:
        names: at most seven, without repeats, in the order of importance.

    Raises:
        InputError: more names than colours that can be told apart, or a name twice.

    Example:
        >>> from salkit import display
        >>> display.colours(["gradcam", "edges"])
        {'gradcam': '#0072b2', 'edges': '#d55e00'}
    """
    names = list(names)
    if len(names) > len(PALETTE) or len(set(names)) < len(names):
        raise InputError(
            f"colours are for at most {len(PALETTE)} different names, not {len(names)}: {', '.join(names)}"
        )
    return dict(zip(names, PALETTE, strict=False))


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
    ylog: bool = False,
    ylim: tuple[float, float] | None = None,
    colours: Mapping[str, str] | None = None,
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
        xlog, ylog: logarithmic horizontal or vertical axis.
        ylim: range of the vertical axis.
        colours: of the names, from `colours` or as ``"#rrggbb"``; two names of one colour get other line styles. By
            default the first name has the first colour, and so on.
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
        drawn: list[str] = []
        for i, (name, (mean, *ends)) in enumerate(lines.items()):
            colour = PALETTE[i % len(PALETTE)] if colours is None else _colour(colours, name)
            style = _LINE_STYLES[drawn.count(colour) % len(_LINE_STYLES)]
            drawn.append(colour)
            axes.plot(x, mean, style, color=colour, label=name, marker="o" if len(x) <= 12 else None, markersize=4)
            if ends:
                axes.fill_between(x, ends[0], ends[1], color=colour, alpha=0.18, linewidth=0)
        axes.margins(x=0.02)
        if ylog:
            axes.set_yscale("log")
        if ylim is not None:
            axes.set_ylim(*ylim)
        if percent:
            axes.yaxis.set_major_formatter(_percent(axes.get_ylim()))
        if chance is not None:
            axes.axhline(chance, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
            axes.annotate(chance_label, (0, chance), xycoords=axes.get_yaxis_transform(), xytext=(3, 3),
                          textcoords="offset points", fontsize=8.5, color=GREY)  # fmt: skip
        _name_lines(figure, axes)
    figure.narrow = partial(_narrow_curves, figure, axes)
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
    colours: Mapping[str, str] | None = None,
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
        colours: of the names, from `colours` or as ``"#rrggbb"``; by default one for all.
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
        inks = [PALETTE[0] if colours is None else _colour(colours, name) for name in rows]
        axes.hlines(y, low, high, color=inks, linewidth=2.2, alpha=0.55)
        for ink in dict.fromkeys(inks):
            chosen = np.array([ink == other for other in inks])
            axes.plot(mean[chosen], y[chosen], "o", color=ink, markersize=6.5)
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
    figure.narrow = partial(_narrow_intervals, figure, axes)
    return figure


@contextmanager
def _narrow(figure, axes, height: float):
    """The figure at a phone's width: its title and the name of its axis broken, all else as it was."""
    size = tuple(figure.get_size_inches())
    texts = {text: text.get_text() for text in (axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title)}
    with styled():
        for text, words in texts.items():
            room = height if text is axes.yaxis.label else NARROW
            text.set_text(wrapped(figure, words, text.get_fontsize(), 0.9 * room))
        figure.set_size_inches(NARROW, height)
        yield
    for text, words in texts.items():
        text.set_text(words)
    figure.set_size_inches(size)


@contextmanager
def _narrow_curves(figure, axes):
    """Names at the ends of lines would take a third of a phone: they stand in a legend below."""
    lines = _named(axes)
    with _narrow(figure, axes, max(2.6, 0.85 * figure.get_figheight())):
        if len(lines) > 1:
            _forget_names(axes)
            longest = text_width(figure, [line.get_label() for line in lines], 9.5) + 0.55
            below = axes.bbox.y0 - axes.get_tightbbox(figure.renderer).y0 + 6
            place = axes.transAxes + ScaledTranslation(0, -below / figure.dpi, figure.dpi_scale_trans)
            axes.legend(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=place, borderaxespad=0,
                        ncols=max(1, int((NARROW - 0.6) / longest)), labelcolor=INK)  # fmt: skip
        yield
    if len(lines) > 1:
        with styled():
            _name_lines(figure, axes)


@contextmanager
def _narrow_intervals(figure, axes):
    """Names beside the rows would take half of a phone: they stand above them."""
    names = [text.get_text() for text in axes.get_yticklabels()]
    with _narrow(figure, axes, figure.get_figheight() + 0.2 * len(names)):
        axes.tick_params(axis="y", labelleft=False)
        written = [
            axes.text(0, y - 0.22, name, transform=axes.get_yaxis_transform(), fontsize=9.5, va="bottom")
            for y, name in zip(axes.get_yticks(), names, strict=True)
        ]
        low, high = axes.get_ylim()
        axes.set_ylim(low, high - 0.3)
        yield
        axes.set_ylim(low, high)
        for text in written:
            text.remove()
        axes.tick_params(axis="y", labelleft=True)


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
    _forget_names(axes)
    lines = _named(axes)
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
                      textcoords="offset points", color=letters(line.get_color()), fontsize=9.5, gid=_NAME)  # fmt: skip


def _named(axes) -> list:
    return [line for line in axes.get_lines() if not line.get_label().startswith("_")]


def _forget_names(axes) -> None:
    for old in [axes.get_legend(), *(text for text in axes.texts if text.get_gid() == _NAME)]:
        if old:
            old.remove()


def _colour(colours: Mapping[str, str], name: str) -> str:
    if name not in colours:
        raise InputError(f"colours has none for {name!r}; it has: {', '.join(colours)}")
    return colours[name]


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
