"""Exercises about bias: what an average hides, what an answer hangs on, and which of three networks is clean."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .cases import predicted, random_network, sizes
from .exercise import Exercise, Mistake, Result
from .relations import LastStep


def _group_case(generator: torch.Generator, k: int = 0) -> tuple:
    """Classes that mostly stand in their own place. One group does not occur, in some cases the first, (0, 0)."""
    classes, n_places, n = 3 + k % 2, 3 + k // 2 % 2, 120 + 10 * k
    shares = 0.3 + torch.eye(classes, n_places).flatten()
    rates = 0.3 + 0.6 * torch.rand(len(shares), generator=generator)
    # The one that does not occur is now the first, now the last, and so is the worst: a loop may forget either.
    shares[(1, 0, 4, -1)[k % 4]], rates[(0, -1, -1, 0)[k % 4]] = 0, 0
    groups = torch.multinomial(shares, n, replacement=True, generator=generator)
    before = (groups[:, None] == groups).tril(-1).sum(1)  # so many of its group came before
    lucky = torch.rand(n, generator=generator) < rates[groups]
    right = (lucky & (before != 1)) | (before == 0)  # nobody is never right, nor always
    labels = groups // n_places
    answers = torch.where(right, labels, (labels + torch.randint(1, classes, (n,), generator=generator)) % classes)
    logits = torch.randn(n, classes, generator=generator)
    return logits.scatter(1, answers[:, None], logits.amax(1, keepdim=True) + 0.5), labels, groups % n_places


def _accuracies(logits: Tensor, labels: Tensor, groups: Tensor) -> Tensor:
    """The accuracy in each group that occurs."""
    right = (logits.argmax(1) == labels).double()
    return torch.stack([right[groups == group].mean() for group in groups.unique()])


def _of_groups(logits: Tensor, labels: Tensor, places: Tensor) -> Tensor:
    return _accuracies(logits, labels, 1000 * labels + places)


worst_group_accuracy = Exercise(
    name="worst_group_accuracy",
    task="write fn(logits (N, K), labels (N,), places (N,)) -> float: a group is all the images of one class in one "
    "place. The lowest accuracy among the groups that occur.",
    case=_group_case,
    reference=lambda *case: _of_groups(*case).min(),
    mistakes=(
        Mistake(
            "That is the accuracy over all images: the large groups outvote the small ones.",
            lambda z, y, g: (z.argmax(1) == y).double().mean(),
        ),
        Mistake(
            "Your groups are the classes, whatever the place. A group is a class in a place.",
            lambda z, y, g: _accuracies(z, y, y).min(),
        ),
        Mistake(
            "Your groups are the places, whatever the class. A group is a class in a place.",
            lambda z, y, g: _accuracies(z, y, g).min(),
        ),
    ),
    last_step=LastStep("accuracies of the groups that occur", _of_groups),
    cases=8,
)


def _swap_case(generator: torch.Generator, k: int = 0) -> tuple:
    """Images whose answer hangs on the object for some and on the background for others."""
    n, channels, height, width = sizes(k)
    n = 1 if n == 1 else 12 + n
    while True:
        model = random_network(generator, channels)
        images, backgrounds = (
            0.8 * torch.rand(n, channels, 1, 1, generator=generator)
            + 0.2 * torch.rand(n, channels, height, width, generator=generator)
            for _ in range(2)
        )
        case = model, images, torch.rand(n, height, width, generator=generator) < 0.5, backgrounds
        if n == 1 or 0.2 < _flips(*case).mean() < 0.8:
            return case


def _swapped(images: Tensor, masks: Tensor, backgrounds: Tensor) -> Tensor:
    return torch.where(masks[:, None], images, backgrounds)


def _flips(model: nn.Module, images: Tensor, masks: Tensor, backgrounds: Tensor) -> Tensor:
    return (predicted(model, images) != predicted(model, _swapped(images, masks, backgrounds))).double()


flip_rate = Exercise(
    name="flip_rate",
    task="write fn(model, images (N, C, H, W), masks (N, H, W) bool, backgrounds (N, C, H, W)) -> float: the share of "
    "the images whose predicted class changes when every pixel off the mask is taken from backgrounds.",
    case=_swap_case,
    reference=lambda *case: _flips(*case).mean(),
    mistakes=(
        Mistake(
            "You exchanged the object and kept the background: the mask is true on the object.",
            lambda m, x, k, b: _flips(m, x, ~k, b).mean(),
        ),
        Mistake(
            "You compared the images with the backgrounds alone: keep the pixels on the mask.",
            lambda m, x, k, b: _flips(m, x, torch.zeros_like(k), b).mean(),
        ),
        Mistake(
            "You made the background black, which is a background of its own. Take the pixels of backgrounds.",
            lambda m, x, k, b: _flips(m, x, k, 0 * b).mean(),
        ),
    ),
    last_step=LastStep("answer for each image, 1 where the class changes,", _flips),
    cases=8,
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
        return Result(self.name, True, remark="If it was no guess, you have a number for each of the other two.")

    def __repr__(self) -> str:
        return f"Exercise {self.name}: {self.task}"


def _seal(name: str, answer: str) -> str:
    return hashlib.sha256(f"{name}: {answer}".encode()).hexdigest()


clean_network = Sealed(
    name="clean_network",
    task='which of the networks "scenes-blind_a", "scenes-blind_b" and "scenes-blind_c" goes by the object\'s shape? '
    'Answer "a", "b" or "c".',
    answers=("a", "b", "c"),
    seal="a3d14f35d1305aceb750c056a1dacd6e2fb3b686b298675f3466dceb59aab8db",
)
