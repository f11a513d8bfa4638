"""Exercises about gradients: maps of them, sharper ones, steps up a logit, and steps that fool a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cases import between, every_logit, fraction, gradient, labelled_images, largest, picked, scaled_maps, sizes
from .exercise import Exercise, Mistake
from .relations import LastStep

saliency = Exercise(
    name="saliency",
    task="write fn(model, images (N, C, H, W), labels (N,)) -> (N, H, W): the largest absolute gradient of the label's "
    "logit over the channels, of a network that comes in evaluation mode.",
    case=labelled_images,
    reference=lambda model, images, labels: largest(gradient(model, images, labels)),
    mistakes=(
        Mistake(
            "You took the gradient of all logits together: pick the one of each image's label first.",
            lambda m, x, y: largest(gradient(m, x, y, every_logit)),
        ),
        Mistake(
            "logits[:, labels] takes every label from every image, an (N, N) table. For one logit an image use "
            "logits[torch.arange(N), labels] or gather.",
            lambda m, x, y: largest(gradient(m, x, y, lambda z, y: z[:, y])),
        ),
        Mistake(
            "You multiplied the gradient by the image: that is another method, gradient x input.",
            lambda m, x, y: largest(gradient(m, x, y) * x),
        ),
        Mistake(
            "The gradients of the images before are added in: x.grad adds up, so set it to zero between two images.",
            lambda m, x, y: largest(gradient(m, x, y).cumsum(0)),
        ),
    ),
    last_step=LastStep("gradient", gradient),
)


def _maps_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, _, height, width = sizes(k)
    maps = torch.randn(n, height, width, generator=generator) * torch.logspace(-2, 1, n).view(n, 1, 1)
    maps = maps + torch.randn(n, 1, 1, generator=generator)
    if n > 2:
        maps[2] = maps[2, 0, 0]  # a constant map, as of a network that ignores its input
    return (maps,)


def _low(maps: Tensor) -> Tensor:
    return maps.amin((-2, -1), keepdim=True)


def _high(maps: Tensor) -> Tensor:
    return maps.amax((-2, -1), keepdim=True)


def _normalise(maps: Tensor) -> Tensor:
    low, high = _low(maps), _high(maps)
    return (maps - low) / torch.where(high > low, high - low, 1.0)


normalise = Exercise(
    name="normalise",
    task="write fn(maps (N, H, W)) -> (N, H, W): each map on its own, moved and scaled to [0, 1]; a constant map gives "
    "zeros.",
    case=_maps_case,
    reference=_normalise,
    mistakes=(
        Mistake(
            "A constant map gives NaN, 0 / 0: where the maximum equals the minimum, return zeros.",
            lambda m: (m - _low(m)) / (_high(m) - _low(m)),
        ),
        Mistake("You divided by the maximum without subtracting the minimum first.", lambda m: m / _high(m)),
        Mistake(
            "You divided by the maximum, not by the maximum minus the minimum.", lambda m: (m - _low(m)) / _high(m)
        ),
        Mistake(
            "You normalised every row of pixels on its own: take minimum and maximum over height and width.",
            lambda m: _normalise(m[:, :, None])[:, :, 0],
        ),
    ),
)


def _inside(maps: Tensor, masks: Tensor) -> Tensor:
    return (maps * masks).sum((1, 2))


relevance_mass = Exercise(
    name="relevance_mass",
    task="write fn(maps (N, H, W) >= 0, masks (N, H, W) bool) -> (N,): the share of each map's sum that lies on its "
    "mask.",
    case=scaled_maps,
    reference=lambda maps, masks: _inside(maps, masks) / maps.sum((1, 2)),
    mistakes=(
        Mistake(
            "You divided by the size of the mask, which gives the mean on it. Divide by the sum of the whole map.",
            lambda m, k: _inside(m, k) / k.sum((1, 2)),
        ),
        Mistake(
            "That is the share of the area under the mask, which ignores the map.",
            lambda m, k: k.float().mean((1, 2)),
        ),
        Mistake(
            "You divided by the sum of the whole batch: each map has its own, sum((1, 2)).",
            lambda m, k: _inside(m, k) / m.sum(),
        ),
    ),
    last_step=LastStep("map on its mask, not yet divided by the sum of the whole map,", lambda m, k: m * k),
)


def _noisy_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    noise = torch.randn(between(generator, 3, 5), *images.shape[1:], generator=generator)
    return model, images, labels, 0.5 * noise  # strong enough to push pixels out of [0, 1]


def _gradients(model: nn.Module, images: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
    """Of every noisy copy, ``(n, N, C, H, W)``."""
    return torch.stack([gradient(model, images + one, labels) for one in noise])


def _variance(maps: Tensor) -> Tensor:
    """Over the copies, their first axis."""
    return maps.var(0, correction=0)


vargrad = Exercise(
    name="vargrad",
    task="write fn(model, images (N, C, H, W), labels (N,), noise (n, C, H, W)) -> (N, C, H, W): the mean squared "
    "deviation, over the n noises, of the gradient of the label's logit at images + noise[k] from its mean over them; "
    "the network is in evaluation mode.",
    case=_noisy_case,
    reference=lambda *case: _variance(_gradients(*case)),
    mistakes=(
        Mistake(
            "That is the mean over the copies, SmoothGrad. Take the variance.", lambda *case: _gradients(*case).mean(0)
        ),
        Mistake(
            "You divided by n - 1: the mean squared deviation divides by n, correction=0 in torch.",
            lambda *case: _gradients(*case).var(0),
        ),
        Mistake(
            "That is the mean square, SmoothGrad-Squared: subtract the mean over the copies first.",
            lambda *case: _gradients(*case).square().mean(0),
        ),
        Mistake(
            "You took the variance of absolute values: a gradient that changes its sign varies, too.",
            lambda *case: _variance(_gradients(*case).abs()),
        ),
        Mistake(
            "You measured from the gradient of the clean images: measure from the mean over the copies.",
            lambda m, x, y, e: (_gradients(m, x, y, e) - gradient(m, x, y)).square().mean(0),
        ),
    ),
)


def _lines_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    baselines = torch.rand(between(generator, 2, 3), *images.shape[1:], generator=generator)
    # Long lines, so that the place of the points shows.
    return model, 2 * images, labels, baselines, between(generator, 3, 4)


def _expected(model, images, labels, baselines, n_steps: int, shift=0.5, way=None) -> Tensor:
    alphas = (torch.arange(n_steps) + shift).view(-1, 1, 1, 1, 1, 1) / n_steps
    ways = images - baselines[:, None]
    lines = baselines[:, None] + alphas * ways
    slopes = gradient(model, lines.flatten(0, 2), labels.repeat(n_steps * len(baselines))).view_as(lines)
    return ((ways if way is None else way) * slopes.mean(0)).mean(0)


expected_gradients = Exercise(
    name="expected_gradients",
    task="write fn(model, images (N, C, H, W), labels (N,), baselines (B, C, H, W), n_steps: int) -> (N, C, H, W): "
    "the mean over the baselines of the integrated gradients of the label's logit, each by the midpoint rule, "
    "alpha = (k + 0.5) / n_steps.",
    case=_lines_case,
    reference=_expected,
    mistakes=(
        Mistake(
            "You walked one line, from the mean of the baselines. Walk one from each of them, and average the maps.",
            lambda m, x, y, b, n: _expected(m, x, y, b.mean(0, keepdim=True), n),
        ),
        Mistake(
            "The factor (images - baseline) is missing: that is the mean gradient on the lines.",
            lambda *case: _expected(*case, way=1.0),
        ),
        Mistake(
            "You multiplied by the images: multiply by the way, images - baseline.",
            lambda m, x, y, b, n: _expected(m, x, y, b, n, way=x),
        ),
        Mistake(
            "Every line has its own way: multiply by images - baseline before you average over the baselines.",
            lambda m, x, y, b, n: _expected(m, x, y, b, n, way=x - b.mean(0)),
        ),
        Mistake(
            "alpha = k / n_steps is the left rule, which looks at the baseline and never at the far end. "
            "Take the middle of each step, (k + 0.5) / n_steps.",
            lambda *case: _expected(*case, shift=0.0),
        ),
    ),
)


def _layer_case(generator: torch.Generator, k: int = 0) -> tuple:
    n, _, inputs, outputs = sizes(k)
    shapes = ((n, inputs), (outputs, inputs), (outputs,), (n, outputs))
    x, weight, bias, r = (torch.randn(shape, generator=generator) for shape in shapes)
    return x, weight, 2 * bias, r, fraction(generator, 0.3, 0.6)  # an eps so large that its sign shows


def _handed_back(x: Tensor, weight: Tensor, r: Tensor, z: Tensor) -> Tensor:
    return x * ((r / z) @ weight)


def _steadied(z: Tensor, eps: float) -> Tensor:
    return z + eps * z.sign()


lrp_step = Exercise(
    name="lrp_step",
    task="write fn(x (N, D), weight (K, D), bias (K,), r (N, K), eps) -> (N, D): the relevance r of the outputs "
    "z = x @ weight.T + bias, handed back to the inputs: x[j] times the sum over k of "
    "weight[k, j] * r[k] / (z[k] + eps * sign(z[k])).",
    case=_layer_case,
    reference=lambda x, w, b, r, eps: _handed_back(x, w, r, _steadied(F.linear(x, w, b), eps)),
    mistakes=(
        Mistake(
            "The bias is missing in z.", lambda x, w, b, r, eps: _handed_back(x, w, r, _steadied(F.linear(x, w), eps))
        ),
        Mistake(
            "eps must move z away from zero: eps * sign(z). Added as it is, it moves a negative z towards zero.",
            lambda x, w, b, r, eps: _handed_back(x, w, r, F.linear(x, w, b) + eps),
        ),
        Mistake(
            "The factor x is missing: that is how much the relevance changes with each input.",
            lambda x, w, b, r, eps: (r / _steadied(F.linear(x, w, b), eps)) @ w,
        ),
        Mistake(
            "The relevance is not divided by z: that is input times gradient, weighted by the relevance.",
            lambda x, w, b, r, eps: x * (r @ w),
        ),
        Mistake(
            "You took the absolute value of z: an output below zero keeps its sign.",
            lambda x, w, b, r, eps: _handed_back(x, w, r, F.linear(x, w, b).abs() + eps),
        ),
    ),
)


def _images_case(generator: torch.Generator, k: int = 0) -> tuple:
    n = sizes(k)[0]
    # The contrasts differ, so that a mixed-up batch shows.
    return (torch.rand(sizes(k), generator=generator) * torch.linspace(0.2, 1, n).view(n, 1, 1, 1),)


def _down(images: Tensor) -> Tensor:
    return images[:, :, 1:] - images[:, :, :-1]


def _across(images: Tensor) -> Tensor:
    return images[..., 1:] - images[..., :-1]


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1)


total_variation = Exercise(
    name="total_variation",
    task="write fn(images (N, C, H, W)) -> (N,): the mean absolute difference of neighbours in a column plus that of "
    "neighbours in a row, of each image.",
    case=_images_case,
    reference=lambda x: _mean(_down(x).abs()) + _mean(_across(x).abs()),
    mistakes=(
        Mistake(
            "You left out the absolute value: rises and falls cancel, and what is left is the border.",
            lambda x: _mean(_down(x)) + _mean(_across(x)),
        ),
        Mistake(
            "You squared the differences. Total variation takes their absolute value.",
            lambda x: _mean(_down(x).square()) + _mean(_across(x).square()),
        ),
        Mistake("You compared only pixels above each other. Add those in a row.", lambda x: _mean(_down(x).abs())),
        Mistake("You compared only pixels side by side. Add those in a column.", lambda x: _mean(_across(x).abs())),
        Mistake(
            "You added the differences up. Take the mean of each direction, so that the size of the image plays no "
            "part.",
            lambda x: _down(x).abs().flatten(1).sum(1) + _across(x).abs().flatten(1).sum(1),
        ),
    ),
)  # fmt: skip


def _ascent_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    # The largest step is of half the range: some pixels are pushed out of [0, 1], most are not.
    return model, images, labels, 0.5 / gradient(model, images, labels).abs().max().item()


ascent_step = Exercise(
    name="ascent_step",
    task="write fn(model, images (N, C, H, W) in [0, 1], labels (N,), lr) -> (N, C, H, W): the images after one step "
    "of gradient ascent on the label's logit, back in [0, 1]; the network comes in evaluation mode.",
    case=_ascent_case,
    reference=lambda m, x, y, lr: (x + lr * gradient(m, x, y)).clamp(0, 1),
    mistakes=(
        Mistake(
            "You took the sign of the gradient: every pixel then moves equally far. That is the attack of the next "
            "chapter.",
            lambda m, x, y, lr: (x + lr * gradient(m, x, y).sign()).clamp(0, 1),
        ),
        Mistake(
            "You climbed all logits together: pick the one of each image's label first.",
            lambda m, x, y, lr: (x + lr * gradient(m, x, y, every_logit)).clamp(0, 1),
        ),
        Mistake(
            "You took the mean over the batch, so an image's step depends on how many others came with it. "
            "Take the sum.",
            lambda m, x, y, lr: (x + lr * gradient(m, x, y) / len(x)).clamp(0, 1),
        ),
        Mistake("You returned the step alone: add it to the images.", lambda m, x, y, lr: lr * gradient(m, x, y)),
    ),
)


def _jitter_case(generator: torch.Generator, k: int = 0) -> tuple:
    # Never 0, never equal, and no shift is its own inverse. In a set each has both signs.
    rows, columns = between(generator, 1, 2) * (-1) ** k, 4 * (-1) ** (k // 2)
    return torch.randn(*sizes(k)[:2], *((7, 9), (9, 7))[k % 2], generator=generator), rows, columns


undo_jitter = Exercise(
    name="undo_jitter",
    task="write fn(gradients (N, C, H, W), rows, columns) -> (N, C, H, W). The network saw "
    "images.roll((rows, columns), (2, 3)), and these are the gradients at what it saw: bring them back to the pixels "
    "of the images.",
    case=_jitter_case,
    reference=lambda g, rows, columns: g.roll((-rows, -columns), (2, 3)),
    mistakes=(
        Mistake(
            "You rolled in the same direction once more: to go back, roll by -rows and -columns.",
            lambda g, rows, columns: g.roll((rows, columns), (2, 3)),
        ),
        Mistake("You returned them as they came: they lie where the network saw them.", lambda g, rows, columns: g),
        Mistake(
            "What went out at one edge came in at the other: bring it back, too, instead of filling up with zeros.",
            lambda g, rows, columns: F.pad(g, (-columns, columns, -rows, rows)),  # negative padding crops
        ),
    ),
)


def _fgsm_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    # Some values are black or white already, so that a missing clamp shows.
    return model, (1.4 * images - 0.2).clamp(0, 1), labels, fraction(generator, 0.05, 0.15)


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
        Mistake("You forgot the budget: at most eps away from images.", lambda m, x, e: m.clamp(0, 1)),
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
