"""How often a wrong program is told its true mistake, and how often a mistake that it did not make."""

import re
import time

import pytest
import torch
import wrong_programs

from salkit.course import check


def _told(programs):
    """Programs told by name, with a generic hint, and with another name than the expected one."""
    named, generic, other = [], [], []
    for exercise, name, function, words in programs:
        result = exercise(function, seed=0)
        assert not result, f"{exercise.name} passes {name}"
        where = (
            named
            if re.search(words, result.hint)
            else generic
            if re.search(wrong_programs.GENERIC, result.hint)
            else other
        )
        where.append((exercise.name, name, result.hint))
    return named, generic, other


def test_the_usual_slips_are_told_by_name():
    programs = [
        (check.EXERCISES[name], i, function, words) for i, (name, function, words) in enumerate(wrong_programs.SLIPS)
    ]
    named, generic, other = _told(programs)
    assert len(programs) > 100 and len(named) >= 0.97 * len(programs), (generic, other)
    assert not other


def test_made_up_mistakes_are_told_by_name_or_not_at_all():
    """Of all 1,360 programs some 1,210 are named, 140 get the generic hint, and under 10 another name."""
    programs = wrong_programs.made()[::4]
    named, generic, other = _told(programs)
    assert len(programs) > 300
    assert len(named) >= 0.85 * len(programs), generic
    assert len(other) <= 0.02 * len(programs), other


@pytest.mark.parametrize("exercise", check.EXERCISES.values(), ids=check.EXERCISES)
def test_an_answer_that_nobody_foresaw_is_told_soon(exercise):
    generator = torch.Generator().manual_seed(0)

    def odd(*case):
        expected = torch.as_tensor(exercise.reference(*case))
        if not expected.is_floating_point():
            return int(expected) + int(torch.randint(5, 99, (), generator=generator))
        return expected + torch.rand(expected.shape, generator=generator) * (1 + expected.nan_to_num().abs())

    exercise(odd, seed=0)
    started = time.process_time()
    result = exercise(odd, seed=1)
    assert not result and re.search(wrong_programs.GENERIC + "|too large by|second call", result.hint), result
    assert time.process_time() - started < 0.5
