"""What an exercise is, and how a learner's function is judged."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from . import hints
from .calling import Outcome, as_tensor, call, undisturbed
from .relations import LastStep, Pair, relation, same


@dataclass(frozen=True)
class Result:
    """What a check found: true in a condition when the function passed.

    Attributes:
        exercise: the exercise's name.
        passed: whether the function agreed with the reference in every case, and left everything else alone.
        hint: what to look at when it did not; empty when it passed.
        cases: how many random cases it was tried on.
        remark: what a function that passed could do better; mostly empty.
        words: how the answer begins when it passed, and when it did not.
    """

    exercise: str
    passed: bool
    hint: str = ""
    cases: int = 0
    remark: str = ""
    words: tuple[str, str] = ("Passed", "Not yet")

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        if not self.passed:
            return f"{self.words[1]}: {self.exercise}. {self.hint}"
        compared = f", equal to the reference on {self.cases} fresh cases" if self.cases else ""
        return f"{self.words[0]}: {self.exercise}{compared}. {self.remark}".rstrip()


class Mistake(NamedTuple):
    """A usual wrong solution that teaches something, and what to tell whoever wrote it.

    ``constant``: its answer is the same in all cases, whatever they are.
    """

    hint: str
    function: Callable
    constant: bool = False


@dataclass(frozen=True)
class Exercise:
    """A task and its solution. Call it with a function to have that checked.

    Attributes:
        name: as it stands in the answer.
        task: the signature to write and what it returns, in one or two sentences.
        case: draws the arguments of one fresh case from a generator. It may ask for a second argument, the number of
            the case in its set: then sizes can differ from case to case in every set, and not only by chance.
        reference: the solution.
        mistakes: usual wrong solutions of this exercise alone; what many exercises share is in ``relations``.
        last_step: what the reference reduces in the end, so that another reduction of it is recognised.
        cases: how many cases to try.
        tolerance: largest difference allowed, as a share of the largest value expected.
        close: ``close(answer, expected, case)``, in place of the tolerance, where more than one answer is right.
        seconds: how long one call may take.
    """

    name: str
    task: str
    case: Callable[..., tuple]
    reference: Callable
    mistakes: tuple[tuple[str, Callable], ...] = ()
    last_step: LastStep | None = None
    cases: int = 4
    tolerance: float = 1e-4
    close: Callable[[Tensor, Tensor, tuple], bool] | None = None
    seconds: float = 10.0

    def __call__(self, function: Callable, *, seed: int | None = None) -> Result:
        """Check ``function``. Never raises for what it does: an exception becomes the hint.

        Args:
            function: the learner's, uncalled.
            seed: of the cases; by default they are new each time.
        """
        seed = secrets.randbits(32) if seed is None else seed
        with undisturbed(seed):
            hint, remark = self._judge(function, seed)
        return Result(self.name, not hint, hint, self.cases, remark)

    def __repr__(self) -> str:
        return f"Exercise {self.name}: {self.task}"

    def draw(self, seed: int) -> list[tuple]:
        """The arguments of all cases of a set."""
        generator = torch.Generator().manual_seed(seed)
        numbered = len(inspect.signature(self.case).parameters) > 1
        return [self.case(generator, k) if numbered else self.case(generator) for k in range(self.cases)]

    def _judge(self, function, seed: int) -> tuple[str, str]:
        """Hint and remark, one of them empty at least."""
        cases = self.draw(seed)
        if problem := hints.unfit(function, cases[0]):
            return problem, ""
        outcomes: list[Outcome] = []
        for case in cases:
            outcomes.append(call(function, case, self.seconds))
            if problem := hints.no_answer(outcomes[-1].error, function, case, len(outcomes)):
                return problem, ""
        expected = [call(self.reference, case, self.seconds).value for case in cases]
        right = [*map(self._right, outcomes, expected, cases)]
        if not all(right):
            return self._explain(function, cases, outcomes, expected, right), ""
        if trace := next((o.trace for o in outcomes if o.trace), ""):
            return f"The values are right, but {trace}", ""
        if not self._right(call(function, cases[0], self.seconds), expected[0], cases[0]):
            return f"The values are right at first. {hints.OTHER_ANSWER}", ""
        attached = any(isinstance(o.value, Tensor) and o.value.requires_grad for o in outcomes)
        return "", hints.ATTACHED if attached else ""

    def _right(self, outcome: Outcome, expected, case: tuple) -> bool:
        answer, wanted = as_tensor(outcome.value), as_tensor(expected)
        if answer is None or (isinstance(expected, int) and not hints.is_whole(outcome.value)):
            return False
        if self.close and answer.shape == wanted.shape:
            return self.close(answer, wanted, case)
        return same(answer, wanted, self.tolerance)

    def _explain(self, function, cases, outcomes, expected, right) -> str:
        for outcome, wanted in zip(outcomes, expected, strict=True):
            if problem := hints.useless(outcome.value, wanted):
                return problem
        pairs = [Pair(*map(as_tensor, (o.value, e)), c) for o, e, c in zip(outcomes, expected, cases, strict=True)]
        constant = hints.constant([pair.answer for pair in pairs])
        # What is the same in all cases fits too much: it names no mistake but those that are so by nature.
        for hint, mistake, is_constant in (Mistake(*parts) for parts in self.mistakes):
            if is_constant or not constant:
                if all(same(p.answer, as_tensor(call(mistake, p.case, self.seconds).value)) for p in pairs):
                    return hint
        if constant and all(pair.answer.shape == pair.expected.shape for pair in pairs):
            return constant
        names = hints.names(function, cases[0])
        if hint := "" if constant else relation(self.reference, self.last_step, pairs, names):
            return hint
        again = call(function, cases[0], self.seconds)
        if again.error or not same(pairs[0].answer, as_tensor(again.value), 1e-6):
            return hints.OTHER_ANSWER
        return hints.difference(pairs, right, function, next((o.trace for o in outcomes if o.trace), ""))
