"""Exercises about adversarial images: making one, keeping it within its budget, counting what it does."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cases import between, fraction, gradient, labelled_images, picked, sizes
from .exercise import Exercise, Mistake
from .relations import LastStep


def _fgsm_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    images = (1.4 * images - 0.2).clamp(0, 1)  # some values are black or white already, so that a missing clamp shows
    return model, images, labels, fraction(generator, 0.05, 0.15)


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, reduction="sum")


def _attack(model: nn.Module, images: Tensor, labels: Tensor, eps: float, score=_loss, step=torch.sign) -> Tensor:
    """The fast gradient sign method (Goodfellow et al. 2015)."""
    return (images + eps * step(gradient(model, images, labels, score))).clamp(0, 1)


fgsm = Exercise(
    name="fgsm",
    task="write fn(model, images (N, C, H, W) in [0, 1], labels (N,), eps) -> (N, C, H, W): one step of eps along the "
    "sign of the gradient of the cross-entropy, kept in [0, 1]. The network comes in evaluation mode.",
    case=_fgsm_case,
    reference=_attack,
    mistakes=(
        Mistake(
            "You stepped against the gradient: the loss falls, and the network gets surer. Add the step.",
            lambda m, x, y, e: _attack(m, x, y, -e),
        ),
        Mistake(
            "You climbed the label's logit, which makes the network surer. The attack climbs the loss.",
            lambda *case: _attack(*case, score=picked),
        ),
        Mistake(
            "You lowered the label's logit and left the other classes out (F.nll_loss on logits does that, too). The "
            "cross-entropy counts them: F.cross_entropy on the logits.",
            lambda m, x, y, e: _attack(m, x, y, -e, score=picked),
        ),
        Mistake(
            "The sign is missing: every value moves by the whole eps, up or down.",
            lambda *case: _attack(*case, step=lambda g: g),
        ),
        Mistake(
            "You returned the change alone: add it to the images.",
            lambda m, x, y, e: e * gradient(m, x, y, _loss).sign(),
        ),
    ),
)


def _project_case(generator: torch.Generator, k: int = 0) -> tuple:
    images = (1.4 * torch.rand(sizes(k), generator=generator) - 0.2).clamp(0, 1)
    eps = fraction(generator, 0.05, 0.15)
    moved = images + 3 * eps * torch.randn(images.shape, generator=generator)  # many within the budget, many not
    return moved, images, eps


def _project(moved: Tensor, images: Tensor, eps: float) -> Tensor:
    return (images + (moved - images).clamp(-eps, eps)).clamp(0, 1)


project = Exercise(
    name="project",
    task="write fn(moved, images, eps) -> the shape of both: the nearest values to moved that are at most eps away "
    "from images, and in [0, 1].",
    case=_project_case,
    reference=_project,
    mistakes=(
        Mistake("You kept it in [0, 1] and forgot the budget: at most eps away from images.", lambda m, x, e: m.clamp(0, 1)),
        Mistake(
            "You limited the values to eps. What must be limited is the difference to images.",
            lambda m, x, e: m.clamp(-e, e),
        ),
        Mistake("You returned the limited difference: add it to images.", lambda m, x, e: (m - x).clamp(-e, e)),
        Mistake(
            "You pushed every value to the edge of the budget. What is within it already stays where it is.",
            lambda m, x, e: (x + e * (m - x).sign()).clamp(0, 1),
        ),
    ),
)  # fmt: skip


def _success_case(generator: torch.Generator, k: int = 0) -> tuple:
    classes = 4 + k % 3

    def logits(answers: Tensor) -> Tensor:
        noise = torch.rand(len(answers), classes, generator=generator)
        return noise.scatter_add(1, answers[:, None] % classes, torch.full((len(answers), 1), 2.0))

    # Fooled, still right, right only now, wrong in two ways, wrong in the same way: a different number of each.
    counts = (
        torch.tensor([1, 0, 0, 0, 0]) if k == 1 else between(generator, 2, 5) + torch.randperm(5, generator=generator)
    )
    kind = torch.arange(5).repeat_interleave(counts)
    kind = kind[torch.randperm(len(kind), generator=generator)]
    labels = torch.randint(classes, (len(kind),), generator=generator)
    before, after = (labels + torch.tensor(shift)[kind] for shift in ([0, 0, 1, 1, 1], [1, 0, 0, 2, 1]))
    return logits(before), logits(after), labels


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.argmax(1) == labels


def _fooled(before: Tensor, after: Tensor, labels: Tensor) -> Tensor:
    return _right(before, labels) & ~_right(after, labels)


success_rate = Exercise(
    name="success_rate",
    task="write fn(before (N, classes), after (N, classes), labels (N,)) -> a number in [0, 1]: of the images that "
    "were right before the attack, the share that are wrong after it. before and after are logits.",
    case=_success_case,
    reference=lambda b, a, y: _fooled(b, a, y).sum() / _right(b, y).sum(),
    mistakes=(
        Mistake(
            "You divided by all images. An image that was wrong before cannot be turned wrong: divide by those that "
            "were right.",
            lambda b, a, y: _fooled(b, a, y).double().mean(),
        ),
        Mistake(
            "That is the error rate after the attack: it counts images that the network had wrong without any attack.",
            lambda b, a, y: 1 - _right(a, y).double().mean(),
        ),
        Mistake(
            "That is the drop of the accuracy: images that become right by the attack are set off against the others.",
            lambda b, a, y: _right(b, y).double().mean() - _right(a, y).double().mean(),
        ),
        Mistake(
            "You counted every changed answer: an image that was wrong and is wrong in another way was not turned "
            "wrong.",
            lambda b, a, y: (b.argmax(1) != a.argmax(1)).double().mean(),
        ),
    ),
    last_step=LastStep("answer for each image, 1 where it was turned wrong,", _fooled),
    cases=8,
)
