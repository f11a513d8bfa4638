"""Results as a table: HTML for a page or a notebook, lines of text for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from typing import Any, TypeGuard

from ..errors import InputError

_NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Table:
    """What `table` returns: as the last value of a notebook cell it shows itself.

    Attributes:
        columns: their headings.
        rows: as many texts each; the first is the row's name.
        numeric: for each column whether it holds numbers, which are set to the right.
        caption: a line under the table, or "".

    Example:
        >>> from salkit import display
        >>> display.table([{"network": "fc", "weights": 4_889_834}]).rows
        (('fc', '4,889,834'),)
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    caption: str = ""

    def _repr_html_(self) -> str:
        sides = [' class="number"' if numeric else "" for numeric in self.numeric]
        head = "".join(f'<th scope="col"{side}>{escape(name)}</th>' for name, side in zip(self.columns, sides))
        body = []
        for first, *others in self.rows:
            cells = [f'<th scope="row">{escape(first)}</th>']
            for name, text, side in zip(self.columns[1:], others, sides[1:]):
                cells.append(f'<td data-label="{escape(name)}"{side}>{escape(text)}</td>')
            body.append(f"<tr>{''.join(cells)}</tr>\n")
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        head = f"{caption}<thead><tr>{head}</tr></thead>"
        return f'<table class="salkit-table">{head}\n<tbody>\n{"".join(body)}</tbody></table>'

    def __repr__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines)]
        text = "\n".join(
            "  ".join(
                cell.rjust(width) if numeric else cell.ljust(width)
                for cell, width, numeric in zip(line, widths, self.numeric)
            ).rstrip()
            for line in lines
        )
        return (f"{text}\n{self.caption}" if self.caption else text).replace(_NO_BREAK, " ")


def table(rows: Sequence[Mapping[str, object]], format: str | Mapping[str, str] = "", *, caption: str = "") -> Table:
    """Results in rows and columns; on a narrow screen the book stacks them into a card for each row.

    Args:
        rows: a dictionary for each row, by the columns' headings, the same ones in each. The first column names the
            row. A value is a text, a number, an `~salkit.evaluation.Interval`, or ``None`` for none.
        format: of numbers and intervals, such as ``".2f"`` or ``".1%"``; or one for each column by its heading.
        caption: a line under the table. How many images stand behind most of the intervals is added; another number
            stands behind its interval.

    Raises:
        InputError: no rows, rows with other columns than the first, a format for a column that isn't there.

    Example:
        >>> from salkit import display, evaluation
        >>> on_object = evaluation.mean_interval([0.6, 0.7, 0.8])
        >>> edges = evaluation.mean_interval([0.3, 0.2, 0.4])
        >>> rows = [{"map": "gradcam", "share": on_object}, {"map": "edge_map", "share": edges}]
        >>> display.table(rows, ".2f")
        map                   share
        gradcam   0.70 [0.60, 0.80]
        edge_map  0.30 [0.20, 0.40]
        n = 3
    """
    if not rows or not rows[0]:
        raise InputError("a table needs at least one row, and each row at least one column")
    columns = tuple(rows[0])
    for number, row in enumerate(rows):
        if tuple(row) != columns:
            raise InputError(f"row {number} has the columns {', '.join(row)}, the first one {', '.join(columns)}")
    formats = {name: format for name in columns} if isinstance(format, str) else format
    if unknown := formats.keys() - set(columns):
        raise InputError(f"there is no column {', '.join(sorted(unknown))}; there are: {', '.join(columns)}")
    numbers = Counter(value.n for row in rows for value in row.values() if _is_interval(value))
    usual = max(numbers, key=lambda n: (numbers[n], n), default=0)
    if numbers:
        unless = " unless stated" if len(numbers) > 1 else ""
        caption = f"{caption + '; ' if caption else ''}n = {usual:,}{unless}"
    texts = tuple(tuple(_text(row[name], formats.get(name, ""), usual) for name in columns) for row in rows)
    numeric = tuple(
        all(_is_interval(row[name]) or row[name] is None or _is_number(row[name]) for row in rows) for name in columns
    )
    return Table(columns, texts, (False, *numeric[1:]), caption)


def _is_interval(value) -> TypeGuard[Any]:
    return all(hasattr(value, part) for part in ("mean", "low", "high", "n"))


def _is_number(value) -> TypeGuard[Real]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _text(value, format: str, usual: int) -> str:
    """One cell; nothing in it breaks over two lines but a text between its words."""
    if value is None:
        return "–"
    if _is_interval(value):
        mean, low, high = (_number(end, format or ".3f") for end in (value.mean, value.low, value.high))
        n = f" (n{_NO_BREAK}={_NO_BREAK}{value.n:,})" if value.n != usual else ""
        return f"{mean} [{low},{_NO_BREAK}{high}]{n}"
    return _number(value, format or ("," if isinstance(value, Integral) else "")) if _is_number(value) else str(value)


def _number(value: Real, format: str) -> str:
    text = f"{value:{format}}".replace("%", f"{_NO_BREAK}%")
    return f"−{text[1:]}" if text.startswith("-") else text
