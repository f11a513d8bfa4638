"""Exercises that check themselves.

A learner's function goes in, is compared with the reference on fresh random cases, and the
answer is a pass, or a hint that names the likely mistake:

    >>> from salkit import check
    >>> check.saliency(my_saliency)
    Not yet: saliency. You took the maximum over the channels without the absolute value ...

How the hint is found: every exercise knows the usual wrong solutions. If one of them gives
what the learner's function gives, on every case, that was the mistake. Otherwise the hint says
how the answer differs. A new exercise is one more ``Exercise`` at the end of this file.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import math
import secrets
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
            if not torch.equal(old, new):
                return "a tensor that came in was changed in place: work on a copy, x.clone()."
    return ""


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


# --------------------------------------------------------------------------- saliency


def _random_network(generator: torch.Generator, classes: int = 5) -> nn.Module:
    """A small CNN in evaluation mode whose BatchNorm has statistics of its own, so that train mode shows."""
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, classes),
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        net[1].weight.fill_(1.0)
        net[1].running_mean.copy_(torch.randn(6, generator=generator))
        net[1].running_var.copy_(0.5 + torch.rand(6, generator=generator))
    return net.eval()


def _saliency_case(generator: torch.Generator) -> tuple:
    model = _random_network(generator)
    images = torch.rand(4, 3, 7, 9, generator=generator)  # all sizes differ, so that a wrong axis shows
    with torch.no_grad():
        predicted = model(images).argmax(1)
    # Never the predicted class, and not the same one for all.
    labels = (predicted + torch.tensor([1, 2, 3, 4])) % 5
    return model, images, labels


def _picked(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.gather(1, labels[:, None])[:, 0]


_SCORES = {
    "": lambda z, y: _picked(z, y).sum(),
    "You took the gradient of a softmax probability: it is flat where the network is sure, and it mixes in the other "
    "classes. Take the logit.": lambda z, y: _picked(z.softmax(1), y).sum(),
    "You took the gradient of the log-softmax or cross-entropy: it also carries what speaks against the other "
    "classes. Take the logit.": lambda z, y: _picked(z.log_softmax(1), y).sum(),
    "You took the gradient of the mean cross-entropy. Take the logit itself, and add up over the batch.": (
        lambda z, y: F.cross_entropy(z, y)
    ),
    "You explained the predicted class instead of the given labels.": lambda z, y: z.amax(1).sum(),
    "You took the gradient of all logits together: pick the one of each image's label first.": lambda z, y: z.sum(),
    "logits[:, labels] takes every label from every image, an (N, N) table. For one logit an image use "
    "logits[torch.arange(N), labels] or gather.": lambda z, y: z[:, y].sum(),
    "You took the mean of the scores, so each map is divided by the batch size, and an image's map depends on how many "
    "others came with it. Take the sum.": lambda z, y: _picked(z, y).mean(),
}
_REDUCTIONS = {
    "": lambda g, x: g.abs().amax(1),
    "You took the maximum over the channels without the absolute value: a strongly negative gradient counts too. "
    "Take abs() first.": lambda g, x: g.amax(1),
    "You took the absolute value after the maximum: a channel with a strongly negative gradient has lost by then. "
    "Take abs() first.": lambda g, x: g.amax(1).abs(),
    "You took the mean over the channels. The map wants the maximum: amax(1).": lambda g, x: g.abs().mean(1),
    "You took the sum over the channels. The map wants the maximum: amax(1).": lambda g, x: g.abs().sum(1),
    "You took the Euclidean norm over the channels. The map wants the maximum: amax(1).": lambda g, x: g.norm(dim=1),
    "You averaged the signed gradient over the channels, where the signs cancel. Take abs().amax(1).": (
        lambda g, x: g.mean(1)
    ),
    "You added up the signed gradient over the channels, where the signs cancel. Take abs().amax(1).": (
        lambda g, x: g.sum(1)
    ),
    "You squared the gradient. The map wants its absolute value.": lambda g, x: g.square().amax(1),
    "Wrong axis: dimension 0 is the batch. The channels are dimension 1.": lambda g, x: g.abs().amax(0),
    "Wrong axis: dimension 2 is the height. The channels are dimension 1.": lambda g, x: g.abs().amax(2),
    "Wrong axis: the last dimension is the width. The channels are dimension 1.": lambda g, x: g.abs().amax(3),
    "The channel axis is still there, with size 1: reduce without keepdim, or squeeze(1).": (
        lambda g, x: g.abs().amax(1, keepdim=True)
    ),
    "You returned the absolute gradient of every channel: take the maximum over the channels, amax(1).": (
        lambda g, x: g.abs()
    ),
    "You returned the gradient itself: take abs() and then the maximum over the channels, amax(1).": lambda g, x: g,
    "You multiplied the gradient by the image: that is another method, gradient x input.": (
        lambda g, x: (g * x).abs().amax(1)
    ),
}
_AFTER = {
    "": lambda m: m,
    "You divided the whole batch by its one maximum, so an image's map depends on the others. "
    "Return the maps as they are.": lambda m: m / m.max(),
    "You normalised the batch together, so an image's map depends on the others. Return the maps as they are.": (
        lambda m: (m - m.min()) / (m.max() - m.min())
    ),
    "You divided each map by its maximum. That is for display: return the maps as they are.": (
        lambda m: m / m.flatten(1).amax(1).view(-1, *[1] * (m.ndim - 1))
    ),
    "You normalised each map to [0, 1]. That is for display: return the maps as they are.": lambda m: _normalise(m),
}
_MODES = {
    "": False,
    "You switched the network to train mode: BatchNorm then mixes the images of the batch. Use model.eval().": True,
}


def _saliency(score, reduction, after, train_mode: bool) -> Callable:
    """The map of Simonyan et al. (2013), or a wrong one, from its four decisions."""

    def saliency(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        model.train(train_mode)
        images = images.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(score(model(images), labels), images)
        return after(reduction(gradient, images.detach()))

    return saliency


def _saliency_mistakes() -> tuple[tuple[str, Callable], ...]:
    """Every single mistake, then every two of them together."""
    tables = (_SCORES, _REDUCTIONS, _AFTER, _MODES)
    choices = sorted(itertools.product(*tables), key=lambda hints: sum(map(bool, hints)))
    return tuple(
        (
            " Also: ".join(filter(None, hints)),
            _saliency(*(table[hint] for table, hint in zip(tables, hints, strict=True))),
        )
        for hints in choices
        if 1 <= sum(map(bool, hints)) <= 2
    )


def _normalise(maps: Tensor) -> Tensor:
    flat = maps.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    span = torch.where(high > low, high - low, 1.0)
    return ((flat - low) / span).reshape(maps.shape)


saliency = Exercise(
    name="saliency",
    task="write fn(model, images (N, C, H, W), labels (N,)) -> (N, H, W): the largest absolute gradient of the label's "
    "logit over the channels, of a network that comes in evaluation mode.",
    case=_saliency_case,
    reference=_saliency(_SCORES[""], _REDUCTIONS[""], _AFTER[""], False),
    mistakes=_saliency_mistakes(),
)


# --------------------------------------------------------------------------- maps


def _maps_case(generator: torch.Generator) -> tuple:
    maps = torch.randn(4, 5, 6, generator=generator) * torch.tensor([0.01, 1.0, 3.0, 20.0]).view(4, 1, 1)
    maps = maps + torch.randn(4, 1, 1, generator=generator)
    maps[2] = maps[2, 0, 0]  # a constant map, as of a network that ignores its input
    return (maps,)


def _over_map(function) -> Callable:
    """``function`` over the pixels of each map, as ``(N, 1, 1)``."""
    return lambda maps: function(maps.flatten(1)).view(-1, 1, 1)


_LOW, _HIGH = _over_map(lambda flat: flat.amin(1)), _over_map(lambda flat: flat.amax(1))

normalise = Exercise(
    name="normalise",
    task="write fn(maps (N, H, W)) -> (N, H, W): each map on its own, moved and scaled to [0, 1]; a constant map gives "
    "zeros.",
    case=_maps_case,
    reference=_normalise,
    mistakes=(
        (
            "A constant map gives NaN, 0 / 0: where the maximum equals the minimum, return zeros.",
            lambda m: (m - _LOW(m)) / (_HIGH(m) - _LOW(m)),
        ),
        (
            "You normalised the batch together: an image's map then depends on the others. "
            "Take minimum and maximum of each map.",
            lambda m: (m - m.min()) / (m.max() - m.min()),
        ),
        ("You divided by the maximum without subtracting the minimum first.", lambda m: m / _HIGH(m)),
        ("You divided the batch by its one maximum. Take minimum and maximum of each map.", lambda m: m / m.max()),
        ("You divided by the maximum, not by the maximum minus the minimum.", lambda m: (m - _LOW(m)) / _HIGH(m)),
        ("You subtracted the minimum, and the division by the range is missing.", lambda m: m - _LOW(m)),
        (
            "You normalised every row of pixels on its own: take minimum and maximum over height and width.",
            lambda m: _normalise(m.flatten(0, 1)).view(m.shape),
        ),
        (
            "You standardised by mean and standard deviation: the result isn't in [0, 1].",
            lambda m: (m - m.mean((1, 2), keepdim=True)) / m.std((1, 2), keepdim=True),
        ),
        (
            "You divided by the largest absolute value: a negative map then isn't in [0, 1].",
            lambda m: m / _HIGH(m.abs()),
        ),
        ("You returned the maps as they came.", lambda m: m),
    ),
)


def _threshold_case(generator: torch.Generator) -> tuple:
    images = 0.1 + 0.9 * torch.rand(4, 3, 5, 6, generator=generator)
    maps = torch.rand(4, 5, 6, generator=generator)
    level = 0.3 + 0.4 * torch.rand((), generator=generator).item()
    return images, maps, level


threshold = Exercise(
    name="threshold",
    task="write fn(images (N, C, H, W), maps (N, H, W) in [0, 1], level) -> (N, C, H, W): the images where their map "
    "reaches the level, and black elsewhere.",
    case=_threshold_case,
    reference=lambda images, maps, level: images * (maps >= level)[:, None],
    mistakes=(
        ("You kept what lies under the level and blackened the rest.", lambda i, m, t: i * (m < t)[:, None]),
        ("You ignored the level and used 0.5.", lambda i, m, t: i * (m >= 0.5)[:, None]),
        (
            "You multiplied the images by the map itself: compare it with the level first.",
            lambda i, m, t: i * m[:, None],
        ),
        (
            "You weighted the pixels that are kept by the map: they should keep their colour.",
            lambda i, m, t: i * (m * (m >= t))[:, None],
        ),
        ("You returned the mask: multiply the images by it.", lambda i, m, t: m >= t),
        ("You returned the mask: multiply the images by it.", lambda i, m, t: (m >= t)[:, None]),
        (
            "The mask (N, H, W) needs a channel axis to meet images (N, C, H, W): mask[:, None].",
            lambda i, m, t: i * (m >= t),
        ),
        (
            "You took the level as a share of the pixels, a quantile. Compare the map's values with it.",
            lambda i, m, t: i * (m >= m.flatten(1).quantile(t, dim=1).view(-1, 1, 1))[:, None],
        ),
        ("You compared the images with the level, not their maps.", lambda i, m, t: i * (i >= t)),
        ("You made the rest white. It should be black, 0.", lambda i, m, t: torch.where((m >= t)[:, None], i, 1.0)),
    ),
)


def _mass_case(generator: torch.Generator) -> tuple:
    maps = torch.rand(4, 6, 7, generator=generator) * torch.tensor([0.1, 1.0, 2.0, 5.0]).view(4, 1, 1)
    masks = torch.rand(4, 6, 7, generator=generator) < torch.tensor([0.2, 0.4, 0.6, 0.8]).view(4, 1, 1)
    masks[:, 0, 0], masks[:, 0, 1] = True, False  # neither empty nor full
    return maps, masks


def _inside(maps: Tensor, masks: Tensor) -> Tensor:
    return (maps * masks).sum((1, 2))


relevance_mass = Exercise(
    name="relevance_mass",
    task="write fn(maps (N, H, W) >= 0, masks (N, H, W) bool) -> (N,): the share of each map's sum that lies on its "
    "mask.",
    case=_mass_case,
    reference=lambda maps, masks: _inside(maps, masks) / maps.sum((1, 2)),
    mistakes=(
        ("That is the share outside the mask.", lambda m, k: 1 - _inside(m, k) / m.sum((1, 2))),
        ("You returned the sum on the mask: divide it by the sum of the whole map.", _inside),
        (
            "You divided by the size of the mask, which gives the mean on it. Divide by the sum of the whole map.",
            lambda m, k: _inside(m, k) / k.sum((1, 2)),
        ),
        (
            "You divided by the number of pixels. Divide by the sum of the whole map.",
            lambda m, k: _inside(m, k) / m[0].numel(),
        ),
        (
            "You compared the mean on the mask with the mean of the map. The share is made of sums.",
            lambda m, k: _inside(m, k) / k.sum((1, 2)) / m.mean((1, 2)),
        ),
        (
            "You compared the sum inside with the sum outside. Divide by the sum of the whole map.",
            lambda m, k: _inside(m, k) / _inside(m, ~k),
        ),
        ("That is the share of the area under the mask, which ignores the map.", lambda m, k: k.float().mean((1, 2))),
        (
            "You took the batch together: one share for each map is wanted, sum((1, 2)).",
            lambda m, k: (m * k).sum() / m.sum(),
        ),
        (
            "You divided by the sum of the whole batch: each map has its own, sum((1, 2)).",
            lambda m, k: _inside(m, k) / m.sum(),
        ),
        (
            "You returned the mean over the batch: one share for each map is wanted.",
            lambda m, k: (_inside(m, k) / m.sum((1, 2))).mean(),
        ),
        ("You returned a percentage. A share lies in [0, 1].", lambda m, k: 100 * _inside(m, k) / m.sum((1, 2))),
    ),
)


# --------------------------------------------------------------------------- numbers


def _parameters_case(generator: torch.Generator) -> tuple:
    a, b, c, d = torch.randperm(20, generator=generator)[:4].add(3).tolist()
    net = nn.Sequential(
        nn.Conv2d(3, a, 3),
        nn.BatchNorm2d(a),
        nn.ReLU(),
        nn.Conv2d(a, b, 5, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(c, d),
        nn.ReLU(),
    )
    for parameter in net[0].parameters():
        parameter.requires_grad_(False)
    return (net,)


count_parameters = Exercise(
    name="count_parameters",
    task="write fn(model) -> int: the number of weights and biases, frozen ones included and buffers not.",
    case=_parameters_case,
    reference=lambda model: sum(p.numel() for p in model.parameters()),
    mistakes=(
        (
            "You counted buffers too: BatchNorm's running statistics are in state_dict(), and they aren't trained.",
            lambda model: sum(t.numel() for t in model.state_dict().values()),
        ),
        ("You counted tensors, not the numbers in them: numel().", lambda model: len(list(model.parameters()))),
        (
            "You counted tensors of state_dict(), not the numbers in the parameters: numel().",
            lambda model: len(model.state_dict()),
        ),
        (
            "The biases, and BatchNorm's scales, are parameters too: you counted only tensors with several axes.",
            lambda model: sum(p.numel() for p in model.parameters() if p.ndim > 1),
        ),
        (
            "The biases are parameters too.",
            lambda model: sum(p.numel() for name, p in model.named_parameters() if name.endswith("weight")),
        ),
        (
            "You left out the frozen parameters: they don't need a gradient here, and they still are parameters.",
            lambda model: sum(p.numel() for p in model.parameters() if p.requires_grad),
        ),
        (
            "You counted convolutions and linear layers only: BatchNorm has a scale and a shift to train.",
            lambda model: sum(
                p.numel() for m in model if isinstance(m, (nn.Conv2d, nn.Linear)) for p in m.parameters()
            ),
        ),
        ("You counted bytes.", lambda model: sum(p.numel() * p.element_size() for p in model.parameters())),
        ("len(p) is the size of the first axis only: numel().", lambda model: sum(len(p) for p in model.parameters())),
        ("You counted modules.", lambda model: len(list(model.modules()))),
        ("You counted layers.", lambda model: len(model)),
    ),
)


def _conv_case(generator: torch.Generator) -> tuple:
    def between(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    return between(12, 64), between(2, 7), between(1, 5), between(0, 3)


conv_output_size = Exercise(
    name="conv_output_size",
    task="write fn(size, kernel, stride, padding) -> int: how many pixels a convolution leaves along one axis.",
    case=_conv_case,
    reference=lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride + 1,
    mistakes=(
        ("The + 1 is missing: the first position counts as well.", lambda n, k, s, p: (n + 2 * p - k) // s),
        ("The padding is on both sides: 2 * padding.", lambda n, k, s, p: (n + p - k) // s + 1),
        ("You left out the padding.", lambda n, k, s, p: (n - k) // s + 1),
        ("You left out the stride.", lambda n, k, s, p: n + 2 * p - k + 1),
        ("You left out the kernel: its last position ends at the edge.", lambda n, k, s, p: (n + 2 * p) // s + 1),
        ("Round down, not up: a window that doesn't fit isn't taken.", lambda n, k, s, p: -((k - n - 2 * p) // s) + 1),
        ("Add the 1 after the division by the stride, not before.", lambda n, k, s, p: (n + 2 * p - k + 1) // s),
        ("The result must be a whole number: divide with //.", lambda n, k, s, p: (n + 2 * p - k) / s + 1),
        (
            "Round down, not to the nearest: a window that doesn't fit isn't taken.",
            lambda n, k, s, p: math.floor((n + 2 * p - k) / s + 0.5) + 1,
        ),
        ("The padding adds pixels: + 2 * padding, not minus.", lambda n, k, s, p: (n - 2 * p - k) // s + 1),
    ),
    cases=80,
)


def _accuracy_case(generator: torch.Generator) -> tuple:
    n = int(torch.randint(12, 40, (), generator=generator))
    logits = 2 * torch.randn(n, 5, generator=generator)
    logits[0] += 20  # so that argmax() without a dimension finds a class, and hits some of the labels
    order = logits.argsort(1, descending=True)
    # Right for the first images, the second choice for the next, and wrong for the rest.
    right = int(torch.randint(2, n // 2, (), generator=generator))
    rank = torch.tensor([0] * right + [1] * 3 + [4] * (n - right - 3))
    return logits, order.gather(1, rank[:, None])[:, 0]


def _hits(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.argmax(1) == labels


accuracy = Exercise(
    name="accuracy",
    task="write fn(logits (N, classes), labels (N,)) -> a number in [0, 1]: the share of images whose largest logit is "
    "their label's.",
    case=_accuracy_case,
    reference=lambda logits, labels: _hits(logits, labels).double().mean(),
    mistakes=(
        ("You counted the hits: divide by the number of images.", lambda z, y: _hits(z, y).sum()),
        ("You returned a percentage. A share lies in [0, 1].", lambda z, y: 100 * _hits(z, y).double().mean()),
        ("That is the error rate, 1 - accuracy.", lambda z, y: 1 - _hits(z, y).double().mean()),
        ("You returned one answer for each image: take the mean.", _hits),
        ("argmax over dimension 0 compares images. The classes are dimension 1.", lambda z, y: z.argmax(0) == y),
        ("argmax needs the dimension of the classes, 1.", lambda z, y: (z.argmax() == y).double().mean()),
        ("You took the smallest logit, argmin.", lambda z, y: (z.argmin(1) == y).double().mean()),
        (
            "You averaged the probability of the right class. Accuracy counts whether it is the largest.",
            lambda z, y: _picked(z.softmax(1), y).mean(),
        ),
        (
            "You divided by the number of logits. Divide by the number of images, len(labels).",
            lambda z, y: _hits(z, y).sum() / z.numel(),
        ),
        (
            "You divided by the number of classes. Divide by the number of images, len(labels).",
            lambda z, y: _hits(z, y).sum() / z.shape[1],
        ),
        ("You rounded the share to a whole number: / instead of //.", lambda z, y: _hits(z, y).sum() // len(y)),
        (
            "An image counts when its label has the largest logit, not the second largest.",
            lambda z, y: (z.topk(2).indices == y[:, None]).any(1).double().mean(),
        ),
    ),
)

EXERCISES = {
    exercise.name: exercise
    for exercise in (saliency, normalise, threshold, relevance_mass, count_parameters, conv_output_size, accuracy)
}
