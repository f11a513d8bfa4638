"""What an answer has to do with the expected one: the mistakes that all exercises share.

A relation is named only when it holds in every case of a set. Each is one of these:

- the answer is a function of the expected one, or the expected one of the answer: a sign, a factor, a step too many or
  too few, another order;
- the answer is what the reference makes of other arguments: a probability for the logit, the first label for all;
- the answer is another reduction of what the reference reduces in its last step.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calling import as_tensor

_Relations = Iterable[tuple[str, Callable]]  # in words, and the function that makes the answer


class LastStep(NamedTuple):
    """What a reference reduces in the end: its name for the learner, and the function that makes it of a case."""

    name: str
    function: Callable


class Pair(NamedTuple):
    """An answer and the expected one, both float64, and the arguments of the case."""

    answer: Tensor
    expected: Tensor
    case: tuple


def same(a: Tensor | None, b: Tensor | None, tolerance: float = 1e-4) -> bool:
    """Equal shapes, and values that differ by no more than a share of the largest of ``b``; NaN equals NaN."""
    if a is None or b is None or a.shape != b.shape:
        return False
    finite = b[b.isfinite()].abs()
    allowed = tolerance * (finite.max().item() if finite.numel() else 0.0)
    return torch.allclose(a, b, rtol=0.0, atol=allowed, equal_nan=True)


def relation(reference: Callable, last_step: LastStep | None, pairs: list[Pair], names: list[str]) -> str:
    """The first relation that holds in every case, in words; empty when none does."""
    turned = [Pair(pair.expected, pair.answer, pair.case) for pair in pairs]
    steps = [pair._replace(expected=as_tensor(last_step.function(*pair.case))) for pair in pairs if last_step]
    ndims = pairs[0].expected.ndim, pairs[0].answer.ndim
    return (
        _named(pairs, "expected", _functions(*ndims))
        or _by_a_number(pairs, names)
        or _named(pairs, "case", _other_arguments(reference, pairs[0].case, names))
        or _named(turned, "expected", _missing(*reversed(ndims)))
        or _named(
            steps, "expected", _other_last_steps(last_step.name, steps[0].expected.ndim, ndims[1]) if steps else ()
        )
        or _of_the_calls_before(pairs)
    )


def _named(pairs: list[Pair], field: str, relations: _Relations) -> str:
    """The hint of the first relation whose function makes the answer of that field, in every pair."""
    return next((hint for hint, function in relations if _holds(pairs, field, function)), "")


def _holds(pairs: list[Pair], field: str, function: Callable) -> bool:
    told = False  # where all is NaN there is nothing to tell by
    for pair in pairs:
        try:
            made = as_tensor(function(getattr(pair, field)))
        except (RuntimeError, IndexError, ValueError, TypeError, ZeroDivisionError):
            return False  # it does not fit these shapes
        if not same(pair.answer, made):
            return False
        told = told or not made.isnan().all()
    return told


# --- functions of the expected answer


def _per_sample(function: Callable) -> Callable:
    """``function`` of the values of each sample, ``(N, P)``, in the shape they came in."""
    return lambda x: function(x.flatten(1)).reshape(x.shape)


def _to_unit_range(x: Tensor) -> Tensor:
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    return (x - low) / torch.where(high > low, high - low, 1.0)


_FUNCTIONS = (
    ("The sign is turned round.", torch.neg),
    ("That is 1 minus what is asked for: the share of all the others.", lambda x: 1 - x),
    ("You took the absolute value: keep the sign.", torch.abs),
    ("You set what is negative to zero: keep it.", lambda x: x.clamp(min=0)),
    ("You clipped to [0, 1]: leave the values as they are.", lambda x: x.clamp(0, 1)),
    ("You clipped to [-1, 1]: leave the values as they are.", lambda x: x.clamp(-1, 1)),
    ("You took only the sign: the size counts as well.", torch.sign),
    ("You squared the result.", torch.square),
    ("You took the root of the result.", torch.sqrt),
    ("You took the logarithm of the result.", torch.log),
    ("You took the exponential of the result.", torch.exp),
    ("That is one divided by what is asked for.", torch.reciprocal),
    ("You rounded down to whole numbers.", torch.floor),
    ("You rounded up to whole numbers.", torch.ceil),
    ("You rounded to whole numbers.", torch.round),
    ("You rounded towards zero, to whole numbers.", torch.trunc),
    ("The result was made into bytes (uint8), which hold whole numbers only.", lambda x: x.byte().double()),
    ("The result is rounded to 16 bits: float32 is the usual precision.", lambda x: x.bfloat16().double()),
    ("Each result is scaled to [0, 1]. That is for display: return it as it is.", _per_sample(_to_unit_range)),
    (
        "The batch is scaled to [0, 1] as one, so a result depends on its neighbours. Return it as it is.",
        lambda x: _to_unit_range(x.flatten()).reshape(x.shape),
    ),
    (
        "Each result is divided by its largest value. That is for display: return it as it is.",
        _per_sample(lambda x: x / x.amax(1, keepdim=True)),
    ),
    (
        "Each result is divided by its largest absolute value. That is for display: return it as it is.",
        _per_sample(lambda x: x / x.abs().amax(1, keepdim=True)),
    ),
    ("The batch is divided by its one largest value. Return it as it is.", lambda x: x / x.max()),
    ("Each result is divided by its sum: return it as it is.", _per_sample(lambda x: x / x.sum(1, keepdim=True))),
    ("Each result is divided by its length: return it as it is.", _per_sample(lambda x: F.normalize(x, dim=1))),
    (
        "From each result its mean is subtracted, and it is divided by its deviation: return it as it is.",
        _per_sample(lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)),
    ),
    ("From each its mean is subtracted: return it as it is.", _per_sample(lambda x: x - x.mean(1, keepdim=True))),
    ("You took the softmax of the result.", lambda x: x.softmax(-1)),
    ("Only the first of the batch is right, and it is repeated for all.", lambda x: x[:1].expand_as(x)),
    ("Only the last of the batch is right, and it is repeated for all.", lambda x: x[-1:].expand_as(x)),
    ("The first of the batch alone was returned.", lambda x: x[:1]),
    ("The first of the batch alone was returned.", lambda x: x[0]),
    ("The last of the batch alone was returned.", lambda x: x[-1]),
    ("One is missing: the first along axis 0.", lambda x: x[1:]),
    ("One is missing: the last along axis 0.", lambda x: x[:-1]),
    ("Every entry along axis 0 has the ones before it added in: start anew for each.", lambda x: x.cumsum(0)),
    (
        "squeeze() also took away an axis of the batch with one image: name the axis, squeeze(1).",
        lambda x: x.squeeze(),
    ),
    ("The right values in a row: they belong in the shape that is asked for.", lambda x: x.flatten()),
)  # fmt: skip
_MISSING = (
    ("The absolute value is missing at the end.", torch.abs),
    ("What is negative should be zero: the ReLU at the end, clamp(min=0), is missing.", lambda x: x.clamp(min=0)),
    ("The result leaves [0, 1]: clamp(0, 1) at the end is missing.", lambda x: x.clamp(0, 1)),
    ("The root is missing at the end.", torch.sqrt),
    (
        "Each has the right pattern, and not the range that is asked for: its lowest value to 0, its highest to 1.",
        _per_sample(_to_unit_range),
    ),
    ("The softmax is missing: these are no probabilities yet.", lambda x: x.softmax(-1)),
    ("Round down at the end.", torch.floor),
    ("Round up at the end.", torch.ceil),
)  # fmt: skip
_REDUCTIONS = (
    ("mean", torch.mean),
    ("sum", torch.sum),
    ("maximum", torch.amax),
    ("minimum", torch.amin),
    ("length (norm)", lambda x, axes: x.square().sum(axes).sqrt()),
)


def _axes(n: int, left: int | None = None) -> list[tuple[int, ...]]:
    """All choices of some of ``n`` axes, the smallest first; or only those that leave so many when they are reduced."""
    n = min(n, 6)  # of more there are too many choices, and no answer needs so many
    numbers = range(1, n + 1) if left is None else range(n - left, n - left + 1)
    return [axes for number in numbers if number > 0 for axes in itertools.combinations(range(n), number)]


def _over(axes: tuple[int, ...], n: int) -> str:
    if len(axes) == n:
        return "everything"
    return f"axis {axes[0]}" if len(axes) == 1 else f"the axes {', '.join(map(str, axes))}"


def _reduce(function: Callable, axes: tuple[int, ...], repeat: bool, x: Tensor) -> Tensor:
    """Reduced over the axes, and repeated along them where asked for, as a broadcast does."""
    found = function(x, axes)
    return found.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]).expand_as(x) if repeat else found


def _reductions(n: int, left: int, hint: str) -> Iterator[tuple[str, Callable]]:
    """Over some of ``n`` axes: those that leave so many, or any, and repeated along them."""
    for axes, (word, function) in itertools.product(_axes(n), _REDUCTIONS):
        if left in (n, n - len(axes)):
            yield hint.format(word, _over(axes, n)), partial(_reduce, function, axes, left == n)


def _functions(n: int, left: int) -> Iterator[tuple[str, Callable]]:
    """What may have been done to an answer with ``n`` axes, so that ``left`` are left."""
    yield from _FUNCTIONS
    for axis in range(n):
        yield f"The order along axis {axis} is reversed.", partial(torch.flip, dims=(axis,))
        yield f"Along axis {axis} everything is one place too far.", partial(torch.roll, shifts=1, dims=axis)
        yield f"Along axis {axis} everything is one place too early.", partial(torch.roll, shifts=-1, dims=axis)
    for axis in range(n + 1):
        yield f"There is an axis {axis} of size 1 too many: squeeze({axis}).", partial(torch.unsqueeze, dim=axis)
    for order in itertools.permutations(range(n)):
        back = tuple(order.index(axis) for axis in range(n))
        yield f"The axes are in another order: permute{back} brings them back.", partial(torch.permute, dims=order)
    yield from _reductions(n, left, "You took the {} over {} as well: leave that out.")


def _missing(n: int, left: int) -> Iterator[tuple[str, Callable]]:
    """What has still to be done to an answer with ``n`` axes, so that ``left`` are left."""
    yield from _MISSING
    yield from _reductions(n, left, "It is not reduced yet: take the {} over {}.")


# --- a number too much


def _by_a_number(pairs: list[Pair], names: list[str]) -> str:
    """A factor or an offset: the same in all cases, or one of the sizes of each."""
    if any(pair.answer.shape != pair.expected.shape for pair in pairs):
        return ""
    told = [pair for pair in pairs if pair.expected.nan_to_num().any()]  # of nothing but zeros there is no factor
    factors = torch.tensor([(a * r).nansum() / r.square().nansum() for a, r, _ in told]).double()
    if told and all(same(a, k * r) for k, (a, r, _) in zip(factors, told)):
        if same(factors, factors[:1].expand_as(factors)):
            is_percent = math.isclose(factors[0], 100, rel_tol=1e-4)
            words = f"It is right but for a factor: {factors[0]:.4g} times what is asked for, in every case."
            return "You returned a percentage: a share lies in [0, 1]." if is_percent else words
        for name, size in _sizes(told, names):
            if same(factors, size):
                return f"It is too large, by a factor of {name}: you added up, or forgot to divide."
            if same(factors, 1 / size):
                return f"It is too small, by a factor of {name}: you divided once too often, or took a mean for a sum."
    offsets = torch.stack([(a - r).nanmean() for a, r, _ in pairs])
    if all(same(a, r + k) for k, (a, r, _) in zip(offsets, pairs)):
        for name, size in ((f"{offsets[0].abs():.4g}", offsets[0].abs().expand(len(pairs))), *_sizes(pairs, names)):
            for sign, word in ((1, "large"), (-1, "small")):
                if same(offsets, sign * size):
                    return f"In every case it is too {word} by {name}."
    return ""


def _sizes(pairs: list[Pair], names: list[str]) -> Iterator[tuple[str, Tensor]]:
    """What a case has of sizes, by name and one value for each case, where they differ."""
    of_cases = [dict(itertools.chain(*map(_sizes_of, names, pair.case))) for pair in pairs]
    for name in of_cases[0]:
        values = torch.tensor([sizes.get(name, 0.0) for sizes in of_cases]).double()
        if values.all() and (values != values[0]).any():
            yield name, values


def _sizes_of(name: str, value) -> list[tuple[str, float]]:
    if isinstance(value, Tensor):
        n = value.ndim
        sizes = [(_over(axes, n), math.prod(value.shape[axis] for axis in axes)) for axes in _axes(n)]
        plain = [(f"the size of `{name}` along {over}", size) for over, size in sizes]
        return plain + [(f"{words} less 1", size - 1) for words, size in plain]
    if isinstance(value, (int, float)):
        return [(f"`{name}`", value), (f"`{name}` squared", value**2), (f"twice `{name}`", 2 * value)]
    return [(f"the number of `{name}`", len(value))] if isinstance(value, list) else []


# --- other arguments


_OF_A_NETWORK = (
    (
        "You took the softmax, a probability: it is flat where the network is sure, and the other classes have a say "
        "in it. Take the logit, what the network puts out.",
        lambda model: nn.Sequential(model, nn.Softmax(1)),
    ),
    (
        "You took the log-softmax or the cross-entropy, in which the other classes have a say. Take the logit, what "
        "the network puts out.",
        lambda model: nn.Sequential(model, nn.LogSoftmax(1)),
    ),
    (
        "You switched `{}` to train mode: BatchNorm then mixes the images of the batch. Use .eval().",
        lambda model: copy.deepcopy(model).train(),
    ),
)
_OF_A_MASK = (("`{}` was turned round: true and false are exchanged.", torch.logical_not),)
_OF_A_BATCH = (
    ("The first entry of `{}` was used for all: each has its own.", lambda x: x[:1].expand_as(x)),
    ("`{}` was taken in reversed order.", lambda x: x.flip(0)),
)
_OF_NUMBERS = (
    ("`{}` has no effect on your answer, as if it were 0.", lambda x: x * 0),
    ("`{}` was taken with its sign turned round.", lambda x: -x),
    ("`{}` was taken without its sign, as an absolute value: the sign counts.", abs),
)
_OF_REAL_NUMBERS = (
    ("Of `{}` only the positive values were used.", torch.relu),
    ("You took the mean of `{}` over the batch: each has its own.", lambda x: x.mean(0, keepdim=True).expand_as(x)),
)
_OF_LOGITS = (
    ("You took the softmax of `{}`.", lambda x: x.softmax(1)),
    ("You took the softmax of `{}` over axis 0: the classes are axis 1.", lambda x: x.softmax(0)),
)
_OF_A_NUMBER = (
    ("`{}` has no effect on your answer, as if it were 1.", lambda x: type(x)(1)),
    ("Off by one: your answer is that for `{}` one larger.", lambda x: x + 1),
    ("Off by one: your answer is that for `{}` one smaller.", lambda x: x - 1),
    ("Your answer is that for twice `{}`.", lambda x: 2 * x),
    ("Your answer is that for half of `{}`.", lambda x: type(x)(x / 2)),
    ("`{}` comes in the units of the images: don't divide it by 255.", lambda x: x / 255),
)


# What may have been taken for an argument, by its kind.
_CHANGES = (
    (lambda value: isinstance(value, nn.Module), _OF_A_NETWORK),
    (lambda value: isinstance(value, Tensor) and value.dtype == torch.bool, _OF_A_MASK),
    (lambda value: isinstance(value, Tensor), _OF_A_BATCH),
    (lambda value: isinstance(value, (int, float)) or _is_real(value), _OF_NUMBERS),
    (lambda value: isinstance(value, (int, float)), _OF_A_NUMBER),
    (lambda value: _is_real(value), _OF_REAL_NUMBERS),
    (lambda value: _is_real(value) and value.ndim == 2, _OF_LOGITS),
)


def _is_real(value) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _put(place: int, change: Callable, case: tuple) -> tuple:
    return *case[:place], change(case[place]), *case[place + 1 :]


def _moved(order: list[int], case: tuple) -> tuple:
    return tuple(case[place] for place in order)


def _predicted(case: tuple) -> tuple:
    model, images, _, *rest = case
    with torch.no_grad():
        return model, images, model(images).argmax(1), *rest


def _as_one(case: tuple) -> tuple:
    """The batch laid under one another, as a single map."""
    return tuple(maps.flatten(0, 1)[None] for maps in case)


def _other_cases(case: tuple, names: list[str]) -> Iterator[tuple[str, Callable]]:
    """In words what may have been taken for the arguments, and how a case becomes such a one."""
    for (place, value), (fits, changes) in itertools.product(enumerate(case), _CHANGES):
        for hint, change in changes if fits(value) else ():
            yield hint.format(names[place]), partial(_put, place, change)
    kinds = [nn.Module if isinstance(v, nn.Module) else getattr(v, "dtype", type(v)) for v in case]
    places = [*range(len(case))]
    for i, j in itertools.permutations(places, 2):
        if kinds[i] == kinds[j]:
            swapped, twice = ([{i: b, j: i}.get(place, place) for place in places] for b in (j, i))
            yield f"`{names[i]}` and `{names[j]}` are exchanged.", partial(_moved, swapped)
            yield f"You took `{names[i]}` where `{names[j]}` belongs.", partial(_moved, twice)
    if kinds[:1] == [nn.Module] and kinds[2:3] == [torch.int64]:
        yield f"You explained the predicted class: take the given `{names[2]}`.", _predicted
    if all(isinstance(value, Tensor) and value.ndim == 3 for value in case):
        yield "You took the batch together, as if it were one map: each has to be taken by itself.", _as_one


def _other_arguments(reference: Callable, case: tuple, names: list[str]) -> Iterator[tuple[str, Callable]]:
    for hint, change in _other_cases(case, names):
        yield hint, partial(_answer_to, reference, change)


def _answer_to(reference: Callable, change: Callable, case: tuple) -> Tensor:
    found = as_tensor(reference(*change(case)))
    if change is not _as_one:
        return found
    return found.expand(len(case[0])) if found.numel() == 1 else found.reshape(case[0].shape)


# --- the last step


_BEFORE = (("", torch.clone), ("absolute ", torch.abs), ("squared ", torch.square), ("positive ", torch.relu))
_AFTER = (
    ("", torch.clone),
    ("absolute value of the ", torch.abs),
    ("positive part of the ", torch.relu),
    ("square of the ", torch.square),
    ("root of the ", torch.sqrt),
)


def _other_last_steps(name: str, n: int, left: int) -> Iterator[tuple[str, Callable]]:
    """Other reductions of what a reference reduces in its last step: of ``n`` axes ``left`` are left."""
    for word, change in _BEFORE:
        yield f"Your answer is the {word}{name} as it is: it is not reduced yet.", change
    for axes, (before, change), (word, function), (after, finish) in itertools.product(
        _axes(n, left), _BEFORE, _REDUCTIONS, _AFTER
    ):
        hint = f"Your answer is the {after}{word} of the {before}{name} over {_over(axes, n)}."
        yield hint, partial(_reduced_between, change, partial(_reduce, function, axes, False), finish)


def _reduced_between(change: Callable, reduce: Callable, finish: Callable, x: Tensor) -> Tensor:
    return finish(reduce(change(x)))


def _of_the_calls_before(pairs: list[Pair]) -> str:
    """Left behind: the answer is that of this case and those before."""
    try:
        totals = [*itertools.accumulate(pair.expected for pair in pairs)]
    except RuntimeError:  # sizes that can't be added up
        return ""
    left = all(same(pair.answer, total) for pair, total in zip(pairs, totals))
    return "What the call before left is added in: start anew in each call." if left else ""
