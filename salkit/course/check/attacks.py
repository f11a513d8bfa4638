"""Exercises about adversarial images: making one, keeping it within its budget, counting what it does."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cases import picked, random_network
from .exercise import Exercise


def _fgsm_case(generator: torch.Generator) -> tuple:
    model = random_network(generator)
    # Some values are black or white already, so that a missing clamp shows.
    images = (1.4 * torch.rand(4, 3, 7, 9, generator=generator) - 0.2).clamp(0, 1)
    with torch.no_grad():
        logits = model(images)
        # Never the predicted class, and not the same one for all.
        labels = (logits.argmax(1) + torch.tensor([1, 2, 3, 4])) % 5
        # A negative score for the first label: -log of it slopes the wrong way.
        model[-1].bias[labels[0]] -= logits[0, labels[0]].clamp(min=0) + 1
    eps = 0.05 + 0.1 * torch.rand((), generator=generator).item()
    return model, images, labels, eps


def _attack(
    score: Callable = lambda z, y: F.cross_entropy(z, y, reduction="sum"),
    step: Callable = torch.sign,
    after: Callable = lambda x, change: (x + change).clamp(0, 1),
    train_mode: bool = False,
) -> Callable:
    """The fast gradient sign method (Goodfellow et al. 2015), or a wrong one, from its four decisions."""

    def attack(model: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
        model.train(train_mode)
        leaf = images.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(score(model(leaf), labels), leaf)
        return after(images, eps * step(gradient)).detach()

    return attack


fgsm = Exercise(
    name="fgsm",
    task="write fn(model, images (N, C, H, W) in [0, 1], labels (N,), eps) -> (N, C, H, W): one step of eps along the "
    "sign of the gradient of the cross-entropy, kept in [0, 1]. The network comes in evaluation mode.",
    case=_fgsm_case,
    reference=_attack(),
    mistakes=(
        (
            "The result leaves [0, 1], so it is no image any more: clamp(0, 1) at the end.",
            _attack(after=lambda x, c: x + c),
        ),
        (
            "You stepped against the gradient: the loss falls, and the network gets surer. Add the step.",
            _attack(after=lambda x, c: (x - c).clamp(0, 1)),
        ),
        (
            "You climbed the label's logit, which makes the network surer. The attack climbs the loss.",
            _attack(score=lambda z, y: picked(z, y).sum()),
        ),
        (
            "You lowered the label's logit and left the other classes out (F.nll_loss on logits does that, too). The "
            "cross-entropy counts them: F.cross_entropy on the logits.",
            _attack(score=lambda z, y: -picked(z, y).sum()),
        ),
        (
            "You took -log of a logit. Where the logit is negative its slope points the wrong way: "
            "F.cross_entropy on the logits.",
            _attack(score=lambda z, y: -picked(z, y).log().sum()),
        ),
        (
            "You took the softmax before F.cross_entropy, which takes one itself: give it the logits.",
            _attack(score=lambda z, y: F.cross_entropy(z.softmax(1), y, reduction="sum")),
        ),
        (
            "You attacked the predicted class instead of the given labels.",
            _attack(score=lambda z, y: F.cross_entropy(z, z.argmax(1), reduction="sum")),
        ),
        ("The sign is missing: every value moves by the whole eps, up or down.", _attack(step=lambda g: g)),
        (
            "You scaled the gradient by its largest value. The sign moves every value by the whole eps.",
            _attack(step=lambda g: g / g.abs().amax((1, 2, 3), keepdim=True)),
        ),
        (
            "You scaled each image's gradient to length 1. The sign moves every value by the whole eps.",
            _attack(step=lambda g: g / g.flatten(1).norm(dim=1).view(-1, 1, 1, 1)),
        ),
        (
            "eps comes in units of the images, such as 8 / 255: don't divide it again.",
            _attack(step=lambda g: g.sign() / 255),
        ),
        ("You returned the change alone: add it to the images.", _attack(after=lambda x, c: c)),
        (
            "You returned the sign alone: take eps of it, and add that to the images.",
            lambda m, x, y, e: _attack(after=lambda x, c: c)(m, x, y, 1.0),
        ),
        (
            "You clamped the change to [0, 1], which drops every step downwards. Clamp the sum.",
            _attack(after=lambda x, c: x + c.clamp(0, 1)),
        ),
        (
            "You switched the network to train mode: BatchNorm then mixes the images of the batch. Use model.eval().",
            _attack(train_mode=True),
        ),
        ("You returned the images as they came.", lambda m, x, y, e: x),
    ),
)


def _project_case(generator: torch.Generator) -> tuple:
    images = (1.4 * torch.rand(4, 3, 5, 6, generator=generator) - 0.2).clamp(0, 1)
    eps = 0.05 + 0.1 * torch.rand((), generator=generator).item()
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
        (
            "The result may leave [0, 1], so it is no image any more: clamp(0, 1) as well.",
            lambda m, x, e: x + (m - x).clamp(-e, e),
        ),
        ("You kept it in [0, 1] and forgot the budget: at most eps away from images.", lambda m, x, e: m.clamp(0, 1)),
        (
            "You limited the values to eps. What must be limited is the difference to images.",
            lambda m, x, e: m.clamp(-e, e),
        ),
        ("You returned the limited difference: add it to images.", lambda m, x, e: (m - x).clamp(-e, e)),
        (
            "You kept only steps upwards: the difference goes from -eps to eps.",
            lambda m, x, e: (x + (m - x).clamp(0, e)).clamp(0, 1),
        ),
        (
            "You limited steps upwards only: the difference goes from -eps to eps.",
            lambda m, x, e: (x + (m - x).clamp(max=e)).clamp(0, 1),
        ),
        (
            "You pushed every value to the edge of the budget. What is within it already stays where it is.",
            lambda m, x, e: (x + e * (m - x).sign()).clamp(0, 1),
        ),
        (
            "You shrank the whole difference by one factor. Each value is limited on its own.",
            lambda m, x, e: (x + (m - x) * (e / (m - x).flatten(1).abs().amax(1)).clamp(max=1).view(-1, 1, 1, 1)).clamp(
                0, 1
            ),
        ),
        (
            "You limited the Euclidean length of the difference. Here every value on its own may move by eps.",
            lambda m, x, e: (x + (m - x) * (e / (m - x).flatten(1).norm(dim=1)).clamp(max=1).view(-1, 1, 1, 1)).clamp(
                0, 1
            ),
        ),
        (
            "You gave up what went too far and put it back to images: take it to the edge of the budget.",
            lambda m, x, e: torch.where((m - x).abs() > e, x, m).clamp(0, 1),
        ),
        (
            "You exchanged the two: the budget lies around images, and moved is what gets limited.",
            lambda m, x, e: _project(x, m, e),
        ),
        ("You returned the images without any change.", lambda m, x, e: x),
        ("You returned what came in: nothing was limited.", lambda m, x, e: m),
    ),
)


def _success_case(generator: torch.Generator) -> tuple:
    def logits(classes: Tensor) -> Tensor:
        noise = torch.rand(len(classes), 5, generator=generator)
        return noise.scatter_add(1, classes[:, None], torch.full((len(classes), 1), 2.0))

    # Fooled, still right, right only now, wrong in two ways, wrong in the same way: a different number of each.
    counts = 2 + torch.randperm(5, generator=generator)
    kind = torch.arange(5).repeat_interleave(counts)
    kind = kind[torch.randperm(len(kind), generator=generator)]
    labels = torch.randint(5, (len(kind),), generator=generator)
    before = labels + torch.tensor([0, 0, 1, 1, 1])[kind]
    after = labels + torch.tensor([1, 0, 0, 2, 1])[kind]
    return logits(before % 5), logits(after % 5), labels


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.argmax(1) == labels


def _fooled(before: Tensor, after: Tensor, labels: Tensor) -> Tensor:
    return _right(before, labels) & ~_right(after, labels)


def _changed(before: Tensor, after: Tensor) -> Tensor:
    return before.argmax(1) != after.argmax(1)


success_rate = Exercise(
    name="success_rate",
    task="write fn(before (N, classes), after (N, classes), labels (N,)) -> a number in [0, 1]: of the images that "
    "were right before the attack, the share that are wrong after it. before and after are logits.",
    case=_success_case,
    reference=lambda b, a, y: _fooled(b, a, y).sum() / _right(b, y).sum(),
    mistakes=(
        (
            "You divided by all images. An image that was wrong before cannot be turned wrong: divide by those that "
            "were right.",
            lambda b, a, y: _fooled(b, a, y).double().mean(),
        ),
        (
            "That is the error rate after the attack: it counts images that the network had wrong without any attack.",
            lambda b, a, y: 1 - _right(a, y).double().mean(),
        ),
        ("That is the accuracy after the attack.", lambda b, a, y: _right(a, y).double().mean()),
        (
            "You counted every changed answer among all images: an image that was wrong and is wrong in another way "
            "was not turned wrong.",
            lambda b, a, y: _changed(b, a).double().mean(),
        ),
        (
            "That is the drop of the accuracy: images that become right by the attack are set off against the others.",
            lambda b, a, y: _right(b, y).double().mean() - _right(a, y).double().mean(),
        ),
        (
            "That is the relative drop of the accuracy: images that become right by the attack are set off against "
            "the others.",
            lambda b, a, y: 1 - _right(a, y).sum() / _right(b, y).sum(),
        ),
        (
            "That is the share that stayed right: the attack failed on those.",
            lambda b, a, y: 1 - _fooled(b, a, y).sum() / _right(b, y).sum(),
        ),
        (
            "You divided by the images that are wrong after the attack. Divide by those that were right before.",
            lambda b, a, y: _fooled(b, a, y).sum() / (~_right(a, y)).sum(),
        ),
        (
            "You divided the changed answers of all images by those that were right: count only among the latter.",
            lambda b, a, y: _changed(b, a).sum() / _right(b, y).sum(),
        ),
        (
            "You divided the wrong answers of all images by those that were right: count only among the latter.",
            lambda b, a, y: (~_right(a, y)).sum() / _right(b, y).sum(),
        ),
        (
            "You exchanged before and after.",
            lambda b, a, y: _fooled(a, b, y).sum() / _right(a, y).sum(),
        ),
        ("You counted the images: divide by those that were right before.", lambda b, a, y: _fooled(b, a, y).sum()),
        ("You returned one answer for each image: a share is one number.", _fooled),
        (
            "You returned one answer for each image that was right: take the mean.",
            lambda b, a, y: _fooled(b, a, y)[_right(b, y)],
        ),
        (
            "You returned a percentage. A share lies in [0, 1].",
            lambda b, a, y: 100 * _fooled(b, a, y).sum() / _right(b, y).sum(),
        ),
    ),
)
