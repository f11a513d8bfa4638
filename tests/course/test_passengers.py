"""The series is the published one, and a window never holds what is to be forecast from it."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from salkit.course import flights, windows
from salkit.course.passengers import PASSENGERS
from salkit.errors import InputError


def test_the_series_is_series_g():
    assert len(PASSENGERS) == 144 and sum(PASSENGERS) == 40363
    text = ",".join(map(str, PASSENGERS))
    # Of the same numbers in seaborn's flights.csv, in its order.
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "fe529825b8393b68"


def test_the_calendar():
    data = flights()
    assert len(data) == 144
    assert data.passengers.dtype == torch.float32 and data.passengers.tolist() == list(PASSENGERS)
    highest = int(data.passengers.argmax())
    assert (int(data.years[highest]), int(data.months[highest]), int(data.passengers[highest])) == (1960, 7, 622)
    assert data.years.unique().tolist() == list(range(1949, 1961))
    assert (data.months.bincount()[1:] == 12).all()
    assert repr(data) == "Flights(144 months, 1949 to 1960, source='Box and Jenkins (1970), series G')"


def test_a_change_does_not_reach_the_next_call():
    flights().passengers.zero_()
    assert flights().passengers.sum() == 40363


@given(total=st.integers(2, 40), data=st.data())
def test_windows_hold_what_comes_before_their_target(total, data):
    length = data.draw(st.integers(1, total - 1))
    time = torch.arange(total)
    inputs, targets = windows(time, length)
    assert inputs.shape == (total - length, length) and targets.shape == (total - length,)
    assert torch.equal(targets, time[length:])
    steps_back = torch.arange(length, 0, -1)
    assert torch.equal(targets[:, None] - inputs, steps_back.expand_as(inputs))


def test_windows_are_copies_in_the_dtype_of_the_series():
    series = flights().passengers.double()
    inputs, targets = windows(series)
    assert inputs.shape == (134, 10) and inputs.dtype == targets.dtype == torch.float64
    inputs.zero_(), targets.zero_()
    assert series.sum() == 40363
    assert torch.equal(windows(series)[0][1, :9], windows(series)[0][0, 1:]), "windows that overlap don't share memory"


@pytest.mark.parametrize("length", [0, -1, 12, 13, 2.0, True, None])
def test_a_length_that_leaves_nothing_to_forecast_is_refused(length):
    with pytest.raises(InputError, match="from 1 to 11"):
        windows(torch.rand(12), length)


@pytest.mark.parametrize("shape", [(), (3, 12)])
def test_several_series_at_once_are_refused(shape):
    with pytest.raises(InputError, match="one series"):
        windows(torch.rand(shape), 2)
