"""Results with a name, kept in the notebook beside the outputs: what the text says of a run is filled in from them.

``run.record("A1", accuracy=interval, unit="images")`` leaves an output that a reader doesn't see. It holds, as JSON,
``{"key": "A1", "values": {"accuracy": {"value": ..., "n": ..., "low": ..., "high": ..., "level": ..., "unit": ...}}}``.
"""

from __future__ import annotations

import keyword
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import InputError, RecordError, require

if TYPE_CHECKING:
    from ..evaluation.statistics import Interval

MIME = "application/vnd.salkit.record+json"
# What a name can't be: these are the parts of a value.
PARTS = ("value", "n", "low", "high", "level", "unit", "interval", "count")


def proportion(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """The share ``successes / n`` with its exact interval, also where it is 0 or 1: 0 of 80 is at most 4.5 %.

    Reference: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial" (1934).

    Args:
        successes: how many of the ``n``, from 0 to ``n``.
        n: at least 1.
        level: between 0 and 1.

    Raises:
        InputError: a number out of range.

    Example:
        >>> from salkit import course
        >>> print(course.proportion(0, 80))
        0.000 [0.000, 0.045] (n = 80)
    """
    from scipy.special import betaincinv

    from ..evaluation.statistics import Interval

    successes, n = int(successes), int(n)
    if not 0 <= successes <= n or n < 1:
        raise InputError(f"successes must be from 0 to n, and n at least 1, not {successes} of {n}")
    require("level", level, 0 < level < 1, "between 0 and 1")
    tail = (1 - level) / 2
    low = betaincinv(successes, n - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, n - successes, 1 - tail) if successes < n else 1.0
    return Interval(successes / n, float(low), float(high), n, level)


def entries(key: str, values: Mapping, unit: str) -> dict:
    """The values of one record as JSON can hold them, each name with a dictionary of its parts.

    Raises:
        RecordError: see ``Run.record``.
    """
    _check_name(key, key)
    if not values:
        raise RecordError(f"there is nothing to record in {key}")
    return {name: _entry(f"{key}.{name}", name, value, unit) for name, value in values.items()}


def _entry(path: str, name: object, value, unit: str) -> dict:
    # Imported here, because tools that only read records shouldn't wait for torch.
    from ..evaluation.statistics import Interval

    _check_name(path, name)
    if isinstance(value, Mapping):
        if not value:
            raise RecordError(f"{path} is empty")
        return {inner: _entry(f"{path}.{inner}", inner, part, unit) for inner, part in value.items()}
    if isinstance(value, Interval):
        if not unit:
            raise RecordError(f"{path} stands for n = {value.n}: say of what, for example unit='images'")
        parts = {"value": value.mean, "n": value.n, "unit": unit}
        if value.n > 1:  # one value has no interval
            parts |= {"low": value.low, "high": value.high, "level": value.level}
    else:
        if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a tensor's or an array's number
            value = value.item()
        parts = {"value": value}
    for part in parts.values():
        if not isinstance(part, (bool, int, float, str)):
            raise RecordError(f"{path} must be a number, string, bool, Interval or a dict of these, not {value!r}")
        if isinstance(part, float) and not math.isfinite(part):
            raise RecordError(f"{path} is not finite: {value}")
    return parts


def _check_name(path: str, name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise RecordError(f"{path}: {name!r} can't be a name in an expression; take letters, digits and underscores")
    if name in PARTS:
        raise RecordError(f"{path}: {name!r} is a part of every value; take another name")


def shell():
    """IPython's shell in a notebook, else ``None``: there is no place then in which to keep a record."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def keep(key: str, values: dict, profile: str) -> None:
    """Put the record into the outputs of the cell that runs; elsewhere than in a notebook, do nothing."""
    if shell():
        from IPython.display import display

        # Text that is empty, so that a program that doesn't know the type shows nothing instead of a complaint; and for
        # MyST-NB the marks of a glued output, which it leaves out of the page. The profile is in the metadata, which
        # nbval doesn't compare: values that must agree in both profiles can be held to it.
        metadata = {"profile": profile, "scrapbook": {"name": f"{key}.{'.'.join(values)}", "mime_prefix": MIME}}
        display({MIME: {"key": key, "values": values}, "text/plain": ""}, metadata=metadata, raw=True)
