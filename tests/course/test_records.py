"""Results that a run records, and what it refuses to."""

import numpy as np
import pytest
import torch

from salkit import course
from salkit.course import records
from salkit.errors import InputError, RecordError
from salkit.evaluation import Interval, mean_interval


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("SALKIT_PROFILE", "fast")
    return course.start()


@pytest.fixture
def kept(monkeypatch):
    """What the runs of a test keep."""
    calls = []
    monkeypatch.setattr(records, "keep", lambda *call: calls.append(call))
    return calls


def test_a_value_is_kept_with_its_interval_n_and_unit(run, kept):
    accuracy = mean_interval(torch.tensor([1.0, 0, 1, 1]))
    run.record("A1", unit="images", accuracy={"fc": accuracy}, parameters=4_889_834, first="cat", same=np.bool_(True))
    expected = {"value": 0.75, "n": 4, "unit": "images", "low": accuracy.low, "high": accuracy.high, "level": 0.95}
    values = {"accuracy": {"fc": expected}, "parameters": {"value": 4_889_834}}
    assert kept == [("A1", values | {"first": {"value": "cat"}, "same": {"value": True}}, "fast")]


@pytest.mark.parametrize("number", [torch.tensor(2), np.int64(2), np.float32(0.5), torch.tensor(0.5), np.array(2.0)])
def test_numbers_of_torch_and_numpy_are_plain_ones_in_the_record(run, kept, number):
    run.record("A1", x=number)
    value = kept[0][1]["x"]["value"]
    assert type(value) in (int, float) and value == float(number)


def test_one_value_has_no_interval(run, kept):
    run.record("A1", unit="trainings", x=mean_interval([0.5]))
    assert kept[0][1]["x"] == {"value": 0.5, "n": 1, "unit": "trainings"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"x": float("nan")}, "A1.x is not finite"),
        ({"x": mean_interval([])}, "A1.x is not finite"),
        ({"x": {"fc": float("inf")}}, "A1.x.fc is not finite"),
        ({"x": torch.zeros(3)}, "must be a number"),
        ({"x": [1, 2]}, "must be a number"),
        ({"x": None}, "must be a number"),
        ({"x": {"ResNet-18": 1}}, "'ResNet-18' can't be a name"),
        ({"x": {3: 1}}, "3 can't be a name"),
        ({"x": {"class": 1}}, "can't be a name"),
        ({"x": {"low": 1}}, "part of every value"),
        ({"x": {}}, "A1.x is empty"),
        ({}, "nothing to record"),
    ],
)
def test_what_can_not_be_recorded_is_refused_by_name(run, kept, values, words):
    with pytest.raises(RecordError, match=words):
        run.record("A1", unit="images", **values)
    assert kept == []


def test_a_key_must_be_a_name(run):
    with pytest.raises(RecordError, match="'A 1' can't be a name"):
        run.record("A 1", x=1)


def test_an_interval_needs_a_unit(run):
    with pytest.raises(RecordError, match="n = 4: say of what, for example unit='images'"):
        run.record("A1", x=Interval(0.5, 0.4, 0.6, 4))


def test_a_name_is_taken_once(run, kept):
    run.record("A1", x=1)
    run.record("A1", y=1)
    run.record("A2", x=1)
    with pytest.raises(RecordError, match="A1.x was recorded before"):
        run.record("A1", x=2, z=3)
    assert len(kept) == 3


def test_a_cell_that_runs_again_records_anew(run, kept, monkeypatch):
    class Shell:
        execution_count = 7

    monkeypatch.setattr(records, "shell", Shell)
    run.record("A1", x=1)
    Shell.execution_count = 8
    run.record("A1", x=2)
    assert [call[1]["x"]["value"] for call in kept] == [1, 2]
    with pytest.raises(RecordError, match="recorded before"):
        run.record("A1", x=2)


def test_outside_a_notebook_nothing_is_shown(run, capsys):
    capsys.readouterr()
    run.record("A1", x=1)
    assert capsys.readouterr().out == ""


# By R's binom.test(successes, n).
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 80, 0.0, 0.04506), (7, 80, 0.03591, 0.17198), (80, 80, 0.95494, 1.0), (5, 10, 0.18709, 0.81291)],
)
def test_a_proportion_has_the_exact_interval(successes, n, low, high):
    interval = course.proportion(torch.tensor(successes), n)
    assert (interval.mean, interval.n) == (successes / n, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-4)


def test_a_proportion_covers_as_often_as_it_says():
    """Of the outcomes of 12 throws, 90 % or more, by their probability, have an interval that holds the truth."""
    from scipy.stats import binom

    for truth in (0.03, 0.2, 0.5, 0.9):
        covering = 0.0
        for k in range(13):
            interval = course.proportion(k, 12, level=0.9)
            covering += binom.pmf(k, 12, truth) * (interval.low <= truth <= interval.high)
        assert covering >= 0.9


@pytest.mark.parametrize(("successes", "n", "level"), [(5, 4, 0.95), (-1, 4, 0.95), (0, 0, 0.95), (1, 2, 1.0)])
def test_a_proportion_of_nothing_is_refused(successes, n, level):
    with pytest.raises(InputError):
        course.proportion(successes, n, level=level)
