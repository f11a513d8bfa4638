"""Exercises about gradients that are averaged, integrated or guided."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .cases import between, fraction, gradient, labelled_images, sizes
from .exercise import Exercise, Mistake
from .relations import LastStep


def _noisy_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    noise = torch.randn(between(generator, 3, 5), *images.shape[1:], generator=generator)
    return model, images, labels, 0.5 * noise  # strong enough to push pixels out of [0, 1]


def _gradients(model: nn.Module, images: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
    """Of every noisy copy, ``(n, N, C, H, W)``."""
    return torch.stack([gradient(model, images + one, labels) for one in noise])


smoothgrad = Exercise(
    name="smoothgrad",
    task="write fn(model, images (N, C, H, W), labels (N,), noise (n, C, H, W)) -> (N, C, H, W): the mean over the n "
    "noises of the signed gradient of the label's logit at images + noise[k], of a network in evaluation mode.",
    case=_noisy_case,
    reference=lambda *case: _gradients(*case).mean(0),
    mistakes=(
        Mistake(
            "You averaged the noise and took one gradient. Take a gradient for each noisy copy, then average those.",
            lambda m, x, y, e: gradient(m, x + e.mean(0), y),
        ),
        Mistake(
            "The gradients of the copies before are added in: x.grad adds up, so set it to zero between two copies.",
            lambda *case: _gradients(*case).cumsum(0).mean(0),
        ),
        Mistake(
            "Noise was added to images that were noisy already: add each noise to the clean images.",
            lambda m, x, y, e: _gradients(m, x, y, e.cumsum(0)).mean(0),
        ),
        Mistake(
            "You kept the last copy's gradient only: add them up in the loop.", lambda *case: _gradients(*case)[-1]
        ),
        Mistake("You used the first noise only: go through all of them.", lambda *case: _gradients(*case)[0]),
    ),
    last_step=LastStep("gradient of the noisy copies", _gradients),
)


def _path_case(generator: torch.Generator, k: int = 0) -> tuple:
    model, images, labels = labelled_images(generator, k)
    # A long line, so that the place of the points shows.
    return model, 2 * images, labels, fraction(generator, 0.3, 0.7), between(generator, 3, 6)


def _integrated(model: nn.Module, images: Tensor, labels: Tensor, baseline: float, n_steps: int, shift=0.5) -> Tensor:
    line = [baseline + (k + shift) / n_steps * (images - baseline) for k in range(n_steps)]
    return (images - baseline) * torch.stack([gradient(model, point, labels) for point in line]).mean(0)


integrated_gradients = Exercise(
    name="integrated_gradients",
    task="write fn(model, images (N, C, H, W), labels (N,), baseline: float, n_steps: int) -> (N, C, H, W): integrated "
    "gradients of the label's logit from a baseline image with that value everywhere, by the midpoint rule: "
    "alpha = (k + 0.5) / n_steps.",
    case=_path_case,
    reference=_integrated,
    mistakes=(
        Mistake(
            "The factor (images - baseline) is missing: that is the mean gradient on the line.",
            lambda m, x, y, b, n: _integrated(m, x, y, b, n) / (x - b),
        ),
        Mistake(
            "You multiplied by the images: multiply by the way, images - baseline.",
            lambda m, x, y, b, n: _integrated(m, x, y, b, n) / (x - b) * x,
        ),
        Mistake(
            "alpha = k / n_steps is the left rule, which looks at the baseline and never at the far end. "
            "Take the middle of each step, (k + 0.5) / n_steps.",
            lambda *case: _integrated(*case, shift=0.0),
        ),
        Mistake(
            "alpha = (k + 1) / n_steps is the right rule. Take the middle of each step, (k + 0.5) / n_steps.",
            lambda *case: _integrated(*case, shift=1.0),
        ),
    ),
)


def _rectifier_case(generator: torch.Generator, k: int = 0) -> tuple:
    x, g = (torch.randn(sizes(k)[1:], generator=generator) for _ in range(2))
    x[:, 0] = 0.0  # a rectifier that is exactly at zero is off
    return x, g


guided_rule = Exercise(
    name="guided_rule",
    task="write fn(x, g) -> what guided backpropagation passes back through y = relu(x), g being the gradient that "
    "arrives at y; all in one shape.",
    case=_rectifier_case,
    reference=lambda x, g: g * (x > 0) * (g > 0),
    mistakes=(
        Mistake("That is the plain gradient: guided backprop also drops negative gradients.", lambda x, g: g * (x > 0)),
        Mistake(
            "That is the deconvnet's rule: guided backprop also drops what arrives at a rectifier that was off.",
            lambda x, g: g * (g > 0),
        ),
        Mistake(
            "The two conditions must hold together, and you let pass what meets one of them: & instead of |.",
            lambda x, g: g * ((x > 0) | (g > 0)),
        ),
        Mistake("A rectifier at exactly zero is off: x > 0, not x >= 0.", lambda x, g: g * (x >= 0) * (g > 0)),
        Mistake("x * g > 0 also lets pass what is negative in both. Ask for each by itself.", lambda x, g: g * (x * g > 0)),
    ),
)  # fmt: skip
