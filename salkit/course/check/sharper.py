"""Exercises about gradients that are averaged, integrated or guided."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .cases import picked, random_network
from .exercise import Exercise


def _gradient(model: nn.Module, images: Tensor, labels: Tensor, score=lambda z, y: picked(z, y).sum()) -> Tensor:
    images = images.detach().clone().requires_grad_()
    return torch.autograd.grad(score(model(images), labels), images)[0]


def _labelled_images(generator: torch.Generator) -> tuple:
    model = random_network(generator)
    images = torch.rand(4, 3, 7, 9, generator=generator)  # all sizes differ, so that a wrong axis shows
    with torch.no_grad():
        predicted = model(images).argmax(1)
    # Never the predicted class, and not the same one for all.
    return model, images, (predicted + torch.tensor([1, 2, 3, 4])) % 5


def _softmax(logits: Tensor, labels: Tensor) -> Tensor:
    return picked(logits.softmax(1), labels).sum()


def _best(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.amax(1).sum()


# --- SmoothGrad


def _smoothgrad_case(generator: torch.Generator) -> tuple:
    copies = int(torch.randint(3, 7, (), generator=generator))
    noise = 0.5 * torch.randn(copies, 3, 7, 9, generator=generator)  # strong enough to push pixels out of [0, 1]
    return *_labelled_images(generator), noise


def _smoothgrad(after=lambda g: g.mean(0), noisy=lambda x, e: x + e, score=None, train: bool = False) -> Callable:
    """SmoothGrad, or a wrong one: ``noisy(images, one noise)`` are the copies, ``after`` reduces their gradients."""

    def smoothgrad(model: nn.Module, images: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        model.train(train)
        options = {} if score is None else dict(score=score)
        return after(torch.stack([_gradient(model, noisy(images, e), labels, **options) for e in noise]))

    return smoothgrad


def _noise_on_noise(model: nn.Module, images: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
    return _smoothgrad()(model, images, labels, noise.cumsum(0))


smoothgrad = Exercise(
    name="smoothgrad",
    task="write fn(model, images (N, C, H, W), labels (N,), noise (n, C, H, W)) -> (N, C, H, W): the mean over the n "
    "noises of the signed gradient of the label's logit at images + noise[k], of a network in evaluation mode.",
    case=_smoothgrad_case,
    reference=_smoothgrad(),
    mistakes=(
        (
            "You took the absolute value before the mean: then noise can't cancel. Average the signed gradients.",
            _smoothgrad(lambda g: g.abs().mean(0)),
        ),
        (
            "You took the absolute value of the mean. That is for display: return it signed.",
            _smoothgrad(lambda g: g.mean(0).abs()),
        ),
        (
            "You averaged the noise and took one gradient. Take a gradient for each noisy copy, then average those.",
            lambda m, x, y, e: _gradient(m, x + e.mean(0), y),
        ),
        ("You added the gradients up: divide by the number of copies, len(noise).", _smoothgrad(lambda g: g.sum(0))),
        (
            "You divided by the number of images. Divide by the number of copies, len(noise).",
            _smoothgrad(lambda g: g.sum(0) / g.shape[1]),
        ),
        ("That is the gradient of the clean images: add noise[k] to them.", lambda m, x, y, e: _gradient(m, x, y)),
        ("You kept the last copy's gradient only: add them up in the loop.", _smoothgrad(lambda g: g[-1])),
        ("You used the first noise only: go through all of them.", _smoothgrad(lambda g: g[0])),
        (
            "Noise was added to images that were noisy already: add each noise to the clean images.",
            _noise_on_noise,
        ),
        (
            "You clipped the noisy copies to [0, 1]: the copies are images + noise[k] as they are.",
            _smoothgrad(noisy=lambda x, e: (x + e).clamp(0, 1)),
        ),
        (
            "You explained the class that each copy is predicted to be: take the given labels for all copies.",
            _smoothgrad(score=_best),
        ),
        (
            "You took the gradient of a softmax probability: it is flat where the network is sure. Take the logit.",
            _smoothgrad(score=_softmax),
        ),
        (
            "You took the mean of the scores, so each gradient is divided by the batch size. Take the sum.",
            _smoothgrad(score=lambda z, y: picked(z, y).mean()),
        ),
        (
            "You reduced the channels: that is for display. Return the mean gradient in the shape of the images.",
            _smoothgrad(lambda g: g.mean(0).abs().amax(1)),
        ),
        ("You returned every copy's gradient: take the mean over the copies.", _smoothgrad(lambda g: g)),
        ("You squared the gradients: that is SmoothGrad-Squared.", _smoothgrad(lambda g: g.square().mean(0))),
        (
            "You switched the network to train mode: BatchNorm then mixes the images of the batch. Use model.eval().",
            _smoothgrad(train=True),
        ),
    ),
)


# --- integrated gradients


def _path_case(generator: torch.Generator) -> tuple:
    model, images, labels = _labelled_images(generator)
    baseline = 0.3 + 0.4 * torch.rand((), generator=generator).item()
    n_steps = int(torch.randint(4, 9, (), generator=generator))
    return model, 2 * images, labels, baseline, n_steps  # a long line, so that the place of the points shows


def _midpoints(n: int) -> tuple[Tensor, Tensor]:
    return (torch.arange(n) + 0.5) / n, torch.full((n,), 1 / n)


def _ends_halved(n: int, total: int) -> tuple[Tensor, Tensor]:
    weights = torch.full((n,), 1 / total)
    weights[[0, -1]] /= 2
    return torch.linspace(0, 1, n), weights


def _integrated(
    points=_midpoints,
    place=lambda x, b, a: b + a * (x - b),
    way=lambda x, b: x - b,
    after=lambda r: r,
    score=None,
    train: bool = False,
) -> Callable:
    """Integrated gradients, or wrong ones, from the points and weights, the line, and the factor at the end."""

    def integrated_gradients(model: nn.Module, images: Tensor, labels: Tensor, baseline: float, n_steps: int) -> Tensor:
        model.train(train)
        options = {} if score is None else dict(score=score)
        total = torch.zeros_like(images)
        for alpha, weight in zip(*points(n_steps), strict=True):
            total += weight * _gradient(model, place(images, baseline, alpha), labels, **options)
        return after(total * way(images, baseline))

    return integrated_gradients


integrated_gradients = Exercise(
    name="integrated_gradients",
    task="write fn(model, images (N, C, H, W), labels (N,), baseline: float, n_steps: int) -> (N, C, H, W): integrated "
    "gradients of the label's logit from a baseline image with that value everywhere, by the midpoint rule: "
    "alpha = (k + 0.5) / n_steps.",
    case=_path_case,
    reference=_integrated(),
    mistakes=(
        (
            "The factor (images - baseline) is missing: that is the mean gradient on the line.",
            _integrated(way=lambda x, b: 1.0),
        ),
        (
            "You multiplied by the images: multiply by the way, images - baseline.",
            _integrated(way=lambda x, b: x),
        ),
        (
            "The sign is turned round: the way goes from the baseline to the images, images - baseline.",
            _integrated(way=lambda x, b: b - x),
        ),
        (
            "You started from black and ignored the baseline.",
            _integrated(place=lambda x, b, a: a * x, way=lambda x, b: x),
        ),
        (
            "The line has to start at the baseline: baseline + alpha * (images - baseline), not alpha * images.",
            _integrated(place=lambda x, b, a: a * x),
        ),
        (
            "The line overshoots: baseline + alpha * (images - baseline), not baseline + alpha * images.",
            _integrated(place=lambda x, b, a: b + a * x),
        ),
        (
            "alpha = k / n_steps is the left rule, which looks at the baseline and never at the far end. "
            "Take the middle of each step, (k + 0.5) / n_steps.",
            _integrated(lambda n: (torch.arange(n) / n, torch.full((n,), 1 / n))),
        ),
        (
            "alpha = (k + 1) / n_steps is the right rule. Take the middle of each step, (k + 0.5) / n_steps.",
            _integrated(lambda n: ((torch.arange(n) + 1) / n, torch.full((n,), 1 / n))),
        ),
        (
            "linspace(0, 1, n_steps) puts points on both ends, and there each has half a step only. "
            "Take the middle of each step, (k + 0.5) / n_steps.",
            _integrated(lambda n: (torch.linspace(0, 1, n), torch.full((n,), 1 / n))),
        ),
        (
            "Your weights sum to (n_steps - 1) / n_steps: the trapezoid rule has n_steps - 1 steps. "
            "Take the midpoint rule.",
            _integrated(lambda n: _ends_halved(n, n)),
        ),
        ("That is the trapezoid rule, which is right, too. Take the midpoint rule.",
         _integrated(lambda n: _ends_halved(n, n - 1))),
        (
            "You added the gradients up: divide by n_steps.",
            _integrated(lambda n: (_midpoints(n)[0], torch.ones(n))),
        ),
        (
            "You took one gradient, at the images, and multiplied: that is gradient x (images - baseline).",
            _integrated(lambda n: (torch.ones(1), torch.ones(1))),
        ),
        (
            "You explained the class predicted at each point of the line: take the given labels throughout.",
            _integrated(score=_best),
        ),
        (
            "You took the gradient of a softmax probability: take the logit.",
            _integrated(score=_softmax),
        ),
        (
            "You took the mean of the scores, so each gradient is divided by the batch size. Take the sum.",
            _integrated(score=lambda z, y: picked(z, y).mean()),
        ),
        (
            "You took the absolute value. Return the signed map: its sum is the change of the score.",
            _integrated(after=lambda r: r.abs()),
        ),
        (
            "You added up the channels: that is for display. Return the shape of the images.",
            _integrated(after=lambda r: r.sum(1)),
        ),
        (
            "You switched the network to train mode: BatchNorm then mixes the images of the batch. Use model.eval().",
            _integrated(train=True),
        ),
    ),
)  # fmt: skip


# --- the rule of guided backpropagation


def _rectifier_case(generator: torch.Generator) -> tuple:
    x, g = (torch.randn(3, 5, 6, generator=generator) for _ in range(2))
    x[:, 0] = 0.0  # a rectifier that is exactly at zero is off
    return x, g


guided_rule = Exercise(
    name="guided_rule",
    task="write fn(x, g) -> what guided backpropagation passes back through y = relu(x), g being the gradient that "
    "arrives at y; all in one shape.",
    case=_rectifier_case,
    reference=lambda x, g: g * (x > 0) * (g > 0),
    mistakes=(
        ("That is the plain gradient: guided backprop also drops negative gradients.", lambda x, g: g * (x > 0)),
        (
            "That is the deconvnet's rule: guided backprop also drops what arrives at a rectifier that was off.",
            lambda x, g: g * (g > 0),
        ),
        (
            "The two conditions must hold together, and you let pass what meets one of them: & instead of |.",
            lambda x, g: g * ((x > 0) | (g > 0)),
        ),
        (
            "x * g > 0 also lets pass what is negative in both. Ask for each by itself.",
            lambda x, g: g * (x * g > 0),
        ),
        (
            "You took the absolute value of the gradient: what is negative is dropped, not turned round.",
            lambda x, g: g.abs() * (x > 0),
        ),
        ("You multiplied by the input: it only decides whether the gradient passes.",
         lambda x, g: g.clamp(min=0) * x.clamp(min=0)),
        ("You returned the mask: multiply the gradient by it.", lambda x, g: ((x > 0) & (g > 0)).float()),
        ("A rectifier at exactly zero is off: x > 0, not x >= 0.", lambda x, g: g * (x >= 0) * (g > 0)),
        ("That is the forward pass, relu(x): what is asked for goes back.", lambda x, g: x.clamp(min=0)),
        ("You swapped the two: the gradient g passes, and x decides.", lambda x, g: x * (x > 0) * (g > 0)),
        ("You kept the negative gradients and dropped the positive: g > 0.", lambda x, g: g * (x > 0) * (g < 0)),
    ),
)  # fmt: skip
