"""Exercises about bias: what an average hides, what an answer hangs on, and which of three networks is clean."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .cases import random_network
from .exercise import Exercise, Result

_CLASSES, _PLACES = 3, 3


def _group_case(generator: torch.Generator) -> tuple:
    """Classes that mostly stand in their own place, and never in one of the others."""
    n = 120
    labels = torch.randint(_CLASSES, (n,), generator=generator)
    anywhere = torch.randint(_PLACES, (n,), generator=generator)
    places = torch.where(torch.rand(n, generator=generator) < 0.6, labels, anywhere)
    places[(labels == 2) & (places == 0)] = 2  # a group that does not occur
    rates = 0.2 + 0.7 * torch.rand(_CLASSES, _PLACES, generator=generator)
    right = torch.rand(n, generator=generator) < rates[labels, places]
    for label in range(_CLASSES):
        for place in range(_PLACES):
            members = ((labels == label) & (places == place)).nonzero().flatten()
            right[members[:1]] = True  # nobody is never right
            right[members[1:2]] = False
    shift = torch.randint(1, _CLASSES, (n,), generator=generator)
    answers = torch.where(right, labels, (labels + shift) % _CLASSES)
    logits = torch.randn(n, _CLASSES, generator=generator)
    logits.scatter_(1, answers[:, None], logits.amax(1, keepdim=True) + 0.5)
    return logits, labels, places


def _accuracies(logits: Tensor, labels: Tensor, groups: Tensor, *, empty: float | None = None) -> list[float]:
    """The accuracy in each group; a group without members has ``empty``, or is left out."""
    right = (logits.argmax(1) == labels).float()
    found = [right[groups == group] for group in range(_CLASSES * _PLACES)]
    if empty is not None:
        return [members.mean().item() if len(members) else empty for members in found]
    return [members.mean().item() for members in found if len(members)]


def _worst(logits: Tensor, labels: Tensor, places: Tensor) -> float:
    return min(_accuracies(logits, labels, labels * _PLACES + places))


def _of_groups(combine: Callable, **options) -> Callable:
    return lambda z, y, g: combine(_accuracies(z, y, y * _PLACES + g, **options))


def _right_in_the_worst(logits: Tensor, labels: Tensor, places: Tensor) -> float:
    right, groups = (logits.argmax(1) == labels).float(), labels * _PLACES + places
    counts = [right[groups == group] for group in range(_CLASSES * _PLACES) if (groups == group).any()]
    return min(counts, key=lambda members: members.mean().item()).sum().item()


worst_group_accuracy = Exercise(
    name="worst_group_accuracy",
    task="write fn(logits (N, K), labels (N,), places (N,)) -> float: a group is all the images of one class in one "
    "place. The lowest accuracy among the groups that occur.",
    case=_group_case,
    reference=_worst,
    mistakes=(
        (
            "That is the accuracy over all images: the large groups outvote the small ones.",
            lambda z, y, g: (z.argmax(1) == y).float().mean().item(),
        ),
        (
            "Your groups are the classes, whatever the place. A group is a class in a place.",
            lambda z, y, g: min(_accuracies(z, y, y)),
        ),
        (
            "Your groups are the places, whatever the class. A group is a class in a place.",
            lambda z, y, g: min(_accuracies(z, y, g)),
        ),
        ("You took the mean over the groups. The lowest is wanted.", _of_groups(lambda a: sum(a) / len(a))),
        ("That is the best group. The lowest is wanted.", _of_groups(max)),
        (
            "A group that does not occur has no accuracy: you counted it as 0. Leave it out.",
            _of_groups(min, empty=0.0),
        ),
        (
            "A group that does not occur has no accuracy, and the mean of nothing is NaN. Leave it out.",
            _of_groups(lambda a: torch.tensor(a).min().item(), empty=float("nan")),
        ),
        ("That is the share of errors in the worst group.", lambda z, y, g: 1 - _worst(z, y, g)),
        ("You returned a percentage. A share lies in [0, 1].", lambda z, y, g: 100 * _worst(z, y, g)),
        (
            "You counted the right answers of the worst group: divide by the number of its images.",
            _right_in_the_worst,
        ),
    ),
)


def _swap_case(generator: torch.Generator) -> tuple:
    """Images whose answer hangs on the object for some and on the background for others."""
    for _ in range(50):
        model = random_network(generator)
        images, backgrounds = (
            torch.rand(16, 3, 1, 1, generator=generator) * 0.8 + torch.rand(16, 3, 7, 9, generator=generator) * 0.2
            for _ in range(2)
        )
        masks = torch.rand(16, 7, 9, generator=generator) < 0.5
        case = model, images, masks, backgrounds
        if 0.2 < _flip_rate(*case) < 0.8:
            break
    return case


def _answers(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).argmax(1)


def _flips(model: nn.Module, images: Tensor, others: Tensor) -> Tensor:
    return (_answers(model, images) != _answers(model, others)).float()


def _swapped(images: Tensor, masks: Tensor, backgrounds: Tensor | float) -> Tensor:
    return torch.where(masks[:, None], images, backgrounds)


def _flip_rate(model: nn.Module, images: Tensor, masks: Tensor, backgrounds: Tensor) -> float:
    return _flips(model, images, _swapped(images, masks, backgrounds)).mean().item()


def _score_change(model: nn.Module, images: Tensor, masks: Tensor, backgrounds: Tensor) -> float:
    with torch.no_grad():
        before, after = model(images), model(_swapped(images, masks, backgrounds))
    return (before - after).gather(1, before.argmax(1, keepdim=True)).mean().item()


flip_rate = Exercise(
    name="flip_rate",
    task="write fn(model, images (N, C, H, W), masks (N, H, W) bool, backgrounds (N, C, H, W)) -> float: the share of "
    "the images whose predicted class changes when every pixel off the mask is taken from backgrounds.",
    case=_swap_case,
    reference=_flip_rate,
    mistakes=(
        (
            "You exchanged the object and kept the background: the mask is true on the object.",
            lambda m, x, k, b: _flips(m, x, _swapped(x, ~k, b)).mean().item(),
        ),
        (
            "That is the share of the answers that stay. Count those that change.",
            lambda m, x, k, b: 1 - _flip_rate(m, x, k, b),
        ),
        (
            "You compared the images with the backgrounds alone: keep the pixels on the mask.",
            lambda m, x, k, b: _flips(m, x, b).mean().item(),
        ),
        (
            "You made the background black, which is a background of its own. Take the pixels of backgrounds.",
            lambda m, x, k, b: _flips(m, x, x * k[:, None]).mean().item(),
        ),
        (
            "You counted the images: divide by how many there are.",
            lambda m, x, k, b: _flips(m, x, _swapped(x, k, b)).sum().item(),
        ),
        (
            "You returned one value for each image: take their mean.",
            lambda m, x, k, b: _flips(m, x, _swapped(x, k, b)),
        ),
        (
            "You measured how far the score moves. Count how often the predicted class changes.",
            _score_change,
        ),
        (
            "You returned a percentage. A share lies in [0, 1].",
            lambda m, x, k, b: 100 * _flip_rate(m, x, k, b),
        ),
    ),
)


@dataclass(frozen=True)
class Sealed:
    """A question with few answers, of which the right one stands here only as a hash.

    The seal keeps nobody from trying them all. It keeps the answer from being read by accident.

    Attributes:
        name: as it stands in the answer.
        task: the question.
        answers: those that may be given.
        seal: SHA-256 of ``"<name>: <answer>"``, in hexadecimal digits.
    """

    name: str
    task: str
    answers: tuple[str, ...]
    seal: str

    def __call__(self, answer: str) -> Result:
        """Whether ``answer`` is the right one. Never raises: what is no answer becomes the hint."""
        if answer is None or answer is ...:
            return Result(self.name, False, "There is no answer yet.")
        if not isinstance(answer, str) or answer.strip().lower() not in self.answers:
            given = answer if isinstance(answer, str) else type(answer).__name__
            return Result(self.name, False, f"The answer is one of {', '.join(self.answers)}, not {given!r}.")
        if _seal(self.name, answer.strip().lower()) != self.seal:
            return Result(self.name, False, "No. Which measurement said so, and what would it not have seen?")
        return _Right(self.name, True)

    def __repr__(self) -> str:
        return f"Exercise {self.name}: {self.task}"


class _Right(Result):
    def __repr__(self) -> str:
        return f"Passed: {self.exercise}. If it was no guess, you have a number for each of the other two."


def _seal(name: str, answer: str) -> str:
    return hashlib.sha256(f"{name}: {answer}".encode()).hexdigest()


clean_network = Sealed(
    name="clean_network",
    task='which of the networks "scenes-blind_a", "scenes-blind_b" and "scenes-blind_c" goes by the object\'s shape? '
    'Answer "a", "b" or "c".',
    answers=("a", "b", "c"),
    seal="a3d14f35d1305aceb750c056a1dacd6e2fb3b686b298675f3466dceb59aab8db",
)
