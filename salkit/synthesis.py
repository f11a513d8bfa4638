"""Class images: what would the network like to see?"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import targets
from ._state import run, untouched
from .attribution.core import differentiate, generator_of, wide
from .errors import InputError, TargetError, require

__all__ = ["class_image"]


def class_image(
    model: nn.Module,
    target: targets.Target,
    *,
    shape: tuple[int, int, int] = (3, 32, 32),
    start: Tensor | None = None,
    steps: int = 200,
    lr: float = 0.05,
    l2: float = 0.0,
    tv: float = 0.0,
    blur: float = 0.0,
    jitter: int = 0,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    seed: int = 0,
) -> Tensor:
    r"""An image that makes a score large, found by gradient ascent (Simonyan et al. 2013, eq. 1).

    .. math:: \arg\max_x \; S_c(x) - \lambda_2 \, \overline{(x - g)^2} - \lambda_{tv} \, \overline{|\nabla x|}

    with the grey :math:`g` in the middle of the bounds (0 without bounds). Every regulariser is off at 0.

    Args:
        model: gives logits; it is run in evaluation mode and left as it was.
        target: a class, ``(N,)`` classes for ``N`` images, or a callable ``outputs -> (N,)``.
        shape: ``(C, H, W)`` of the images.
        start: ``(N, C, H, W)`` to start from; ``None``: grey with a little noise from ``seed``.
        steps: of the Adam optimiser.
        lr: step size, in image units.
        l2: weight of the mean squared distance from grey.
        tv: weight of the mean absolute difference between neighbours (total variation).
        blur: standard deviation in pixels of a Gaussian blur after every step (Yosinski et al. 2015).
        jitter: each step looks at the image shifted by up to so many pixels, wrapped around.
        bounds: smallest and largest value of a pixel; ``None``: any.
        seed: of the start and the jitter. The global random state is neither used nor changed.

    Returns:
        ``(N, C, H, W)``, ``N = 1`` for an int or a callable without ``start``, detached, in the model's dtype
        and on its device.

    Raises:
        InputError: an option out of range.
        TargetError: a target that doesn't fit; ``None`` is one, as grey has no class worth a picture.
        NotDifferentiableError: when no gradient flows from the score to the image.

    Example:
        >>> from salkit import course, synthesis
        >>> # class 0 is red on the left, and no image scores above 0.2
        >>> model = course.HandWired(size=4)
        >>> image = synthesis.class_image(model, 0, shape=(3, 4, 4), steps=50)
        >>> round(model(image)[0, 0].item(), 3)
        0.2
        >>> red, green, blue = image[0, :, :, :2].mean((1, 2))
        >>> (red > green).item(), (red > blue).item()
        (True, True)
    """
    _check(target, steps, lr, blur, jitter, shape)
    generator = generator_of(seed)
    low, high = bounds if bounds is not None else (-float("inf"), float("inf"))
    grey = (low + high) / 2 if bounds is not None else 0.0
    if start is not None and not isinstance(start, Tensor):
        raise InputError(f"start must be a tensor (N, C, H, W) or None, not {type(start).__name__}")
    weights = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(()))
    if start is None:
        n = len(target) if isinstance(target, (Tensor, list, tuple)) and torch.as_tensor(target).ndim else 1
        noise = torch.randn(shape, generator=generator)  # the same for every class
        start = (grey + 0.01 * noise).expand(n, *shape)
    with untouched(model, start.to(weights)) as first:
        target = targets.check(target, len(first))
        # Adam's small numbers vanish in half precision.
        image = first.to(wide(first.dtype), copy=True).clamp(low, high).requires_grad_()
        # Once by itself: below, the penalty would hide that nothing links the score to the image.
        differentiate(model, image.to(first.dtype), target, first=True, whole=target)
        optimizer = torch.optim.Adam([image], lr)
        for _ in range(steps):
            rows, columns = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
            score = targets.score(run(model, image.to(first.dtype).roll((rows, columns), (2, 3))), target)
            penalty = l2 * (image - grey).square().flatten(1).mean(1)
            if tv:
                penalty = penalty + tv * _total_variation(image)
            optimizer.zero_grad()
            (penalty - score).sum().backward(inputs=[image])
            optimizer.step()
            with torch.no_grad():
                if blur:
                    image.copy_(_blurred(image, blur))
                image.clamp_(low, high)
        return image.detach().to(first.dtype)


def _total_variation(image: Tensor) -> Tensor:
    down = (image[:, :, 1:] - image[:, :, :-1]).abs().flatten(1).mean(1)
    across = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().flatten(1).mean(1)
    return down + across


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur along both axes, edges continued outwards."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(image.shape[1], 1, 1, -1)
    padded = F.pad(image, (radius,) * 4, mode="replicate")
    blurred = F.conv2d(padded, weights, groups=image.shape[1])
    return F.conv2d(blurred, weights.transpose(2, 3), groups=image.shape[1])


def _check(target, steps, lr, blur, jitter, shape) -> None:
    if target is None:
        raise TargetError("class_image needs a class, or a callable that scores the outputs")
    if not isinstance(shape, (tuple, list)) or len(shape) != 3 or any(not isinstance(n, int) or n < 1 for n in shape):
        raise InputError(f"shape must be (C, H, W), not {shape!r}")
    for name, value, smallest in (("steps", steps, 1), ("jitter", jitter, 0)):
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= smallest
        require(name, value, fits, f"an int of at least {smallest}")
    if not lr > 0 or not blur >= 0:
        raise InputError(f"lr must be positive and blur not negative, not {lr} and {blur}")
