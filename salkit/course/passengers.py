"""Airline passengers, month by month: the series that everybody forecasts.

Box and Jenkins, "Time Series Analysis: Forecasting and Control" (1970), series G: international airline passengers
from January 1949 to December 1960, in thousands a month.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError

FIRST_YEAR = 1949
# A row is a year, from January to December.
PASSENGERS = (
    *(112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118),
    *(115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140),
    *(145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166),
    *(171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194),
    *(196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201),
    *(204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229),
    *(242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278),
    *(284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306),
    *(315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336),
    *(340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337),
    *(360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405),
    *(417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432),
)


@dataclass(frozen=True, eq=False)
class Flights:
    """A monthly series with its calendar.

    Attributes:
        passengers: ``(144,)`` float32, in thousands a month, 104 to 622.
        years: ``(144,)`` int64, 1949 to 1960.
        months: ``(144,)`` int64, 1 for January to 12 for December.
        source: where the numbers come from, in words that can stand under a figure.

    Example:
        >>> from salkit import course
        >>> course.flights().source
        'Box and Jenkins (1970), series G'
    """

    passengers: Tensor
    years: Tensor
    months: Tensor
    source: str

    def __len__(self) -> int:
        return len(self.passengers)

    def __repr__(self) -> str:
        return f"Flights({len(self)} months, {self.years[0]} to {self.years[-1]}, source={self.source!r})"


def flights() -> Flights:
    """The 144 monthly counts, oldest first. They stand in this file, so no download is needed.

    Example:
        >>> from salkit import course
        >>> series = course.flights()
        >>> series.years[0].item(), series.months[0].item(), series.passengers[:3]
        (1949, 1, tensor([112., 118., 132.]))
    """
    time = torch.arange(len(PASSENGERS))
    return Flights(
        passengers=torch.tensor(PASSENGERS, dtype=torch.float32),
        years=FIRST_YEAR + time // 12,
        months=1 + time % 12,
        source="Box and Jenkins (1970), series G",
    )


def windows(values: Tensor, length: int = 10) -> tuple[Tensor, Tensor]:
    """Every stretch of ``length`` values in a row, and the value that follows it: what to forecast from, and what.

    Args:
        values: ``(T,)``, oldest first.
        length: of a stretch, 1 to ``T - 1``.

    Returns:
        ``(T - length, length)`` inputs, and ``(T - length,)`` targets, which are ``values[length:]``. Target ``i`` is
        the value at time ``i + length``, and the last input of its row the one at ``i + length - 1``. Both are new
        tensors in the values' dtype. For a one-dimensional convolution, ``inputs[:, None]`` has the channel axis.

    Raises:
        InputError: values that are not one row of numbers, or a length with no value left to forecast.

    Example:
        >>> import torch
        >>> from salkit import course
        >>> course.windows(torch.arange(5.0), length=3)
        (tensor([[0., 1., 2.],
                [1., 2., 3.]]), tensor([3., 4.]))
    """
    if values.ndim != 1:
        raise InputError(f"values must be one series (T,), not of shape {tuple(values.shape)}: pass one at a time")
    if isinstance(length, bool) or not isinstance(length, int) or not 0 < length < len(values):
        raise InputError(f"length must be an int from 1 to {len(values) - 1} for {len(values)} values, not {length!r}")
    return values.unfold(0, length, 1)[:-1].clone(), values[length:].clone()
