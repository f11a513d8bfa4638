"""What an exercise is, and how a learner's function is judged."""

from __future__ import annotations

import copy
import inspect
import math
import secrets
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Result:
    """What a check found: true in a condition when the function passed.

    Attributes:
        exercise: the exercise's name.
        passed: whether the function agreed with the reference in every case, and left its arguments alone.
        hint: what to look at when it did not; empty when it passed.
        cases: how many random cases it was tried on.
    """

    exercise: str
    passed: bool
    hint: str = ""
    cases: int = 0

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        if self.passed:
            return f"Passed: {self.exercise}, equal to the reference on {self.cases} fresh cases."
        return f"Not yet: {self.exercise}. {self.hint}"


@dataclass(frozen=True)
class Exercise:
    """A task, its solution, and what people get wrong. Call it with a function to have that checked.

    Attributes:
        name: as it stands in the answer.
        task: the signature to write and what it returns, in one or two sentences.
        case: draws the arguments of one fresh case from a generator.
        reference: the solution.
        mistakes: pairs (hint, wrong solution), most telling first; no two may give the same answers.
        cases: how many cases to try.
        tolerance: largest difference allowed, as a share of the largest value expected.
    """

    name: str
    task: str
    case: Callable[[torch.Generator], tuple]
    reference: Callable
    mistakes: tuple[tuple[str, Callable], ...] = ()
    cases: int = 4
    tolerance: float = 1e-4

    def __call__(self, function: Callable, *, seed: int | None = None) -> Result:
        """Check ``function``. Never raises for what it does: an exception becomes the hint.

        Args:
            function: the learner's, uncalled.
            seed: of the cases; by default they are new each time.
        """
        hint = self._hint(function, secrets.randbits(32) if seed is None else seed)
        return Result(self.name, not hint, hint, self.cases)

    def __repr__(self) -> str:
        return f"Exercise {self.name}: {self.task}"

    def _hint(self, function, seed: int) -> str:
        if function is None or function is ...:
            return "There is no function yet."
        if not callable(function):
            return "Pass the function itself, without calling it: its name, and no brackets."
        # Cases, and whatever the functions draw, come from the seed; the caller's random state stays as it was.
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(seed)
            generator = torch.Generator().manual_seed(seed)
            cases = [self.case(generator) for _ in range(self.cases)]
            if problem := _signature_problem(function, cases[0]):
                return problem
            outcomes = [_outcome(function, case) for case in cases]
            return self._judge(function, cases, outcomes)

    def _judge(self, function, cases, outcomes) -> str:
        wrong = []
        for case, outcome in zip(cases, outcomes, strict=True):
            expected = _outcome(self.reference, case)
            if not self._same(outcome, expected):
                wrong.append((outcome, expected.value))
        if wrong:
            unwritten = [pair for pair in wrong if _is_unwritten(pair[0])]
            if unwritten:
                return _problem(*unwritten[0], function)
            for hint, mistake in self.mistakes:
                if all(
                    self._same(outcome, _outcome(mistake, case)) for case, outcome in zip(cases, outcomes, strict=True)
                ):
                    return hint
            return _problem(*wrong[0], function)
        if any(isinstance(o.value, Tensor) and o.value.requires_grad for o in outcomes):
            return "The values are right, but they still hang on the graph of the network: return them with .detach()."
        return next((f"The values are right, but {o.trace}" for o in outcomes if o.trace), "")

    def _same(self, outcome: _Outcome, other: _Outcome) -> bool:
        if outcome.error is not None or other.error is not None:
            return repr(outcome.error) == repr(other.error)
        if isinstance(other.value, int) and isinstance(outcome.value, float):
            return False  # 16.0 for 16: equal in value, yet useless as a size or a count
        a, b = _as_tensor(outcome.value), _as_tensor(other.value)
        if a is None or b is None or a.shape != b.shape:
            return False
        finite = b[b.isfinite()].abs()
        tolerance = self.tolerance * (finite.max().item() if finite.numel() else 0.0)
        return torch.allclose(a, b, rtol=0.0, atol=tolerance, equal_nan=True)


@dataclass(frozen=True)
class _Outcome:
    """What a function made of one case: a value or an error, and what it left behind in its arguments."""

    value: object = None
    error: Exception | None = None
    trace: str = ""


def _outcome(function: Callable, case: tuple) -> _Outcome:
    arguments = copy.deepcopy(case)
    try:
        value = function(*arguments)
    except Exception as error:
        return _Outcome(error=error)
    return _Outcome(value, trace=_trace(case, arguments))


def _is_unwritten(outcome: _Outcome) -> bool:
    if outcome.error is not None:
        return isinstance(outcome.error, NotImplementedError)
    return outcome.value is None or outcome.value is ...


def _trace(before: tuple, after: tuple) -> str:
    """What a function changed in its arguments, in words; empty when nothing."""
    for old, new in zip(before, after, strict=True):
        if isinstance(new, nn.Module):
            if any(p.grad is not None for p in new.parameters()):
                return (
                    "the gradients of the network's parameters were filled on the way, and would add up in a training "
                    "step: use torch.autograd.grad(score, images) instead of .backward()."
                )
            if [m.training for m in old.modules()] != [m.training for m in new.modules()]:
                return "the network came in evaluation mode and was left in another: put its train flags back."
            if [p.requires_grad for p in old.parameters()] != [p.requires_grad for p in new.parameters()]:
                return "requires_grad of the network's parameters was changed: put it back."
            state = new.state_dict()
            if any(not torch.equal(value, state[name]) for name, value in old.state_dict().items()):
                return "the network's weights or running statistics were changed on the way."
        elif isinstance(new, Tensor):
            if old.requires_grad != new.requires_grad:
                return (
                    "requires_grad was switched on in the tensor that came in: work on a copy of your own, "
                    "images.detach().clone().requires_grad_()."
                )
            if not _same_values(old, new):
                return "a tensor that came in was changed in place: work on a copy, x.clone()."
    return ""


def _same_values(old: Tensor, new: Tensor) -> bool:
    """Equal, a NaN counting as equal to a NaN in its place."""
    return old.shape == new.shape and bool(((old == new) | ((old != old) & (new != new))).all())


def _signature_problem(function: Callable, case: tuple) -> str:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return ""
    try:
        signature.bind(*case)
    except TypeError:
        return f"The function is called with {len(case)} arguments, and yours takes {signature}."
    return ""


# Messages of torch that say little to somebody who meets them for the first time.
_ERRORS = (
    (
        "does not require grad",
        "The gradient can't be taken: call requires_grad_() on your copy of the images before they enter the network, "
        "and don't compute under torch.no_grad().",
    ),
    (
        "grad can be implicitly created only for scalar",
        "One gradient needs one number: add the scores of the batch up with .sum(). "
        "No image's score depends on another image, so each still gets its own gradient.",
    ),
    (
        "appears to not have been used in the graph",
        "The gradient doesn't reach the images: compute the logits from the same tensor that you differentiate by.",
    ),
    (
        "Can't call numpy() on Tensor that requires grad",
        "The result still hangs on the graph of the network: call .detach() before .numpy().",
    ),
)


def _problem(outcome: _Outcome, expected, function: Callable) -> str:
    """How an answer differs from the expected one, when no known mistake explains it."""
    if isinstance(outcome.error, NotImplementedError):
        return "The function is still to be written: replace the line that raises NotImplementedError."
    if outcome.error is not None:
        message = " ".join(str(outcome.error).split())
        for fragment, hint in _ERRORS:
            if fragment in message:
                return hint
        return f"It raised {type(outcome.error).__name__}{_line_of(outcome.error, function)}: {message}"
    if outcome.value is None:
        return "It returned None: does its last line say return?"
    if outcome.value is ...:
        return "It returned the placeholder ...: replace that by your code."
    answer, reference = _as_tensor(outcome.value), _as_tensor(expected)
    if answer is None:
        wanted = "a tensor" if reference.ndim else "a number"
        return f"It returned a {type(outcome.value).__name__}, where {wanted} is expected."
    if answer.shape != reference.shape:
        return f"The result has shape {tuple(answer.shape)}, where {tuple(reference.shape)} is expected."
    if isinstance(expected, int) and isinstance(outcome.value, float) and answer == reference:
        return f"The value is right, but {outcome.value} is a float and a whole number is expected: divide with //."
    if answer.isnan().any() and not reference.isnan().any():
        return f"{int(answer.isnan().sum())} of {answer.numel()} values are NaN: is there a division by zero?"
    if not reference.ndim:
        return f"In one case the result was {answer.item():g}, where {reference.item():g} is expected."
    if not answer.any():
        return "Every value is zero."
    difference = (answer - reference).abs().nan_to_num(math.inf)
    where = tuple(int(i) for i in torch.unravel_index(difference.argmax(), difference.shape))
    return (
        f"The shape is right and the values are not: the largest difference is at {list(where)}, "
        f"{answer[where]:.4g} where {reference[where]:.4g} is expected."
    )


def _line_of(error: Exception, function: Callable) -> str:
    """`` in the line `...` `` for the last line of the learner's own file that the error passed through."""
    code = getattr(function, "__code__", None)
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if code and f.filename == code.co_filename]
    return f" in the line `{lines[-1]}`" if lines and lines[-1] else ""


def _as_tensor(value) -> Tensor | None:
    """Numbers, arrays and tensors as float64 tensors; ``None`` for anything else."""
    if value is None or isinstance(value, str):
        return None
    try:
        return torch.as_tensor(value).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        return None
