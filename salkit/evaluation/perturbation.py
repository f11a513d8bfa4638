"""Does the score fall when the most relevant pixels are taken away, and rise when they alone are there?

Deletion starts with the picture and replaces its pixels by those of a baseline, most relevant first; insertion
starts with the baseline and puts the picture's pixels in, in the same order (Petsiuk et al., "RISE", 2018).
Both measure the map and the network's taste for half-replaced pictures at once: compare methods with the same
baseline, and look at more than one baseline before you believe a difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import targets
from .._state import run, untouched
from ..attribution.core import first_look
from ..errors import InputError, require


@dataclass(frozen=True, eq=False)
class Curve:
    """The network's score along a deletion or an insertion; all tensors are on the CPU.

    Attributes:
        fractions: ``(S,)`` float64, share of the pixels that are exchanged; from 0 to 1, both included.
        scores: ``(N, S)`` float64, the score of each image at each of them.
        area: ``(N,)`` float64, area under each curve by the trapezoid rule: the mean score on the way. For deletion
            lower is better, for insertion higher.

    Example:
        >>> import torch
        >>> from salkit import evaluation
        >>> fractions, scores = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([[1.0, 0.0, 0.0]])
        >>> # a triangle
        >>> evaluation.Curve(fractions.double(), scores.double()).area
        tensor([0.2500], dtype=torch.float64)
    """

    fractions: Tensor
    scores: Tensor

    @property
    def area(self) -> Tensor:
        return torch.trapezoid(self.scores, self.fractions, dim=1)


def deletion(
    model: nn.Module,
    inputs: Tensor,
    maps: Tensor,
    target: targets.Target = None,
    *,
    steps: int = 32,
    baseline: str | float | Tensor = "grey",
    absolute: bool = False,
    logits: bool = False,
    seed: int = 0,
    batch_size: int = 256,
) -> Curve:
    """The score while the most relevant pixels give way to the baseline; a good map makes it fall early.

    Args:
        model: gives ``(N, classes)`` logits, or whatever a callable ``target`` takes.
        inputs: ``(N, C, H, W)`` or ``(N, C, T)``.
        maps: of the inputs' height and width, with or without a channel axis; channels are added up.
        target: as everywhere: the class is that of the untouched input, also where the changed one looks like another.
        steps: number of steps, default 32; each exchanges the same number of pixels, up to rounding. With more steps
            than pixels each pixel is a step. A pixel goes with all its channels.
        baseline: ``"grey"`` (0.5), ``"blur"`` (Gaussian, sigma an eighth of the shorter side), ``"mean"`` (of the
            other inputs of this call), a number, or a tensor that broadcasts to ``inputs``.
        absolute: rank by the absolute value of the map, not from evidence for the class to evidence against it.
        logits: give the target's logit. By default, the curve is of its softmax probability. A callable ``target`` is
            taken as it is.
        seed: tied pixels go in a random order that is the same for all images and all maps: in the order of the
            rows, zeros of a map would take the sky away first.
        batch_size: how many changed inputs run at a time.

    Raises:
        InputError: shapes that don't fit, an unknown baseline, fewer than 1 step, one input for ``"mean"``, or maps
            that aren't finite.
        TargetError: as for every method.

    Example:
        >>> import torch
        >>> from salkit import course, evaluation, occlusion
        >>> model, image = course.HandWired(size=4), torch.zeros(1, 3, 4, 4)
        >>> # one red pixel; the model counts red on the left
        >>> image[0, 0, 1, 0] = 1
        >>> maps = occlusion(model, image, 0, window=1, baseline=0.0)
        >>> evaluation.deletion(model, image, maps, 0, steps=4, baseline=0.0, logits=True).scores
        tensor([[0.1250, 0.0000, 0.0000, 0.0000, 0.0000]], dtype=torch.float64)
    """
    return _curve(model, inputs, maps, target, False, steps, baseline, absolute, logits, seed, batch_size)


def insertion(
    model: nn.Module,
    inputs: Tensor,
    maps: Tensor,
    target: targets.Target = None,
    *,
    steps: int = 32,
    baseline: str | float | Tensor = "grey",
    absolute: bool = False,
    logits: bool = False,
    seed: int = 0,
    batch_size: int = 256,
) -> Curve:
    """The score while the most relevant pixels come into the baseline; a good map makes it rise early.

    Arguments and errors are those of `deletion`.

    Example:
        >>> import torch
        >>> from salkit import course, evaluation, occlusion
        >>> model, image = course.HandWired(size=4), torch.zeros(1, 3, 4, 4)
        >>> # one red pixel; the model counts red on the left
        >>> image[0, 0, 1, 0] = 1
        >>> maps = occlusion(model, image, 0, window=1, baseline=0.0)
        >>> evaluation.insertion(model, image, maps, 0, steps=4, baseline=0.0, logits=True).scores
        tensor([[0.0000, 0.1250, 0.1250, 0.1250, 0.1250]], dtype=torch.float64)
    """
    return _curve(model, inputs, maps, target, True, steps, baseline, absolute, logits, seed, batch_size)


def make_baseline(inputs: Tensor, baseline: str | float | Tensor) -> Tensor:
    """What stands where a pixel is taken away, in the shape of ``inputs``; see `deletion`.

    Example:
        >>> import torch
        >>> from salkit import evaluation
        >>> images = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
        >>> # of the other image
        >>> evaluation.make_baseline(images, "mean").flatten(1)
        tensor([[1., 1., 1., 1.],
                [0., 0., 0., 0.]])
    """
    if isinstance(baseline, (int, float)):
        return torch.full_like(inputs, baseline)
    if isinstance(baseline, Tensor):
        try:
            return baseline.detach().to(inputs).expand_as(inputs)
        except RuntimeError as error:
            raise InputError(
                f"a baseline of {tuple(baseline.shape)} doesn't broadcast to inputs of {tuple(inputs.shape)}"
            ) from error
    if baseline == "grey":
        return torch.full_like(inputs, 0.5)
    if baseline == "blur":
        return _blur(inputs)
    if baseline == "mean":
        if len(inputs) < 2:
            raise InputError("baseline 'mean' is the mean of the other inputs, but there is one input only")
        return (inputs.sum(0) - inputs) / (len(inputs) - 1)
    raise InputError(f"baseline must be 'grey', 'blur', 'mean', a number or a tensor, not {baseline!r}")


def _curve(model, inputs, maps, target, insert, steps, baseline, absolute, logits, seed, batch_size) -> Curve:
    _check(inputs, maps, steps, batch_size)
    classes = targets.check(target, len(inputs))
    with untouched(model, inputs) as inputs, torch.no_grad():
        other = make_baseline(inputs, baseline)
        start, end = (other, inputs) if insert else (inputs, other)
        place = _order(maps.to(inputs.device), inputs, absolute, seed)  # (N, P): 0 for the pixel that goes first
        pixels = place.shape[1]
        exchanged = torch.tensor([round(pixels * k / steps) for k in range(steps + 1)], device=inputs.device).unique()

        classes, _ = first_look(model, inputs, classes, batch_size)
        n, s = len(inputs), len(exchanged)
        shape = (-1, 1, *inputs.shape[2:])
        scores = []
        for pair in torch.arange(n * s, device=inputs.device).split(batch_size):  # every image at every step
            image, step = pair // s, pair % s
            gone = (place[image] < exchanged[step, None]).view(shape)
            outputs = run(model, torch.where(gone, end[image], start[image]))
            scores.append(_score(outputs, targets.take(classes, image.cpu()), logits).cpu().double())
    return Curve(exchanged.cpu().double() / pixels, torch.cat(scores).view(n, s))


def _score(outputs: Tensor, target, logits: bool) -> Tensor:
    """The target's logit or probability; a single logit is that of class 1 against class 0."""
    return (targets.score if callable(target) or logits else targets.probability)(outputs, target)


def _order(maps: Tensor, inputs: Tensor, absolute: bool, seed: int) -> Tensor:
    """``(N, P)``: when each pixel's turn comes, the most relevant at 0."""
    values = maps.detach().abs() if absolute else maps.detach()
    if maps.ndim == inputs.ndim:
        values = values.sum(1)
    values = values.flatten(1)
    # A stable sort of shuffled pixels: ties stay in the shuffled order.
    shuffle = torch.randperm(values.shape[1], generator=torch.Generator().manual_seed(seed)).to(maps.device)
    order = shuffle[values[:, shuffle].argsort(dim=1, descending=True, stable=True)]
    places = torch.arange(values.shape[1], device=maps.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def _blur(inputs: Tensor) -> Tensor:
    from torchvision.transforms.functional import gaussian_blur

    pictures = inputs if inputs.ndim == 4 else inputs[:, :, None]
    sides = [side for side in pictures.shape[2:] if side > 1]
    if not sides:
        return inputs.clone()
    sigma = min(sides) / 8

    def kernel(side: int) -> int:  # three sigma to each side, but the mirrored edge must fit into the picture
        return 2 * min(math.ceil(3 * sigma), side - 1) + 1

    width, height = kernel(pictures.shape[3]), kernel(pictures.shape[2])
    return gaussian_blur(pictures, [width, height], [sigma, sigma]).view_as(inputs)


def _check(inputs: Tensor, maps: Tensor, steps: int, batch_size: int) -> None:
    if inputs.ndim not in (3, 4):
        raise InputError(f"inputs must be (N, C, H, W) or (N, C, T), not {tuple(inputs.shape)}")
    plain = (len(inputs), *inputs.shape[2:])
    without_channels = (*maps.shape[:1], *maps.shape[2:]) if maps.ndim == inputs.ndim else tuple(maps.shape)
    if without_channels != plain:
        raise InputError(f"maps must have the shape {plain}, or that with channels, not {tuple(maps.shape)}")
    if not maps.isfinite().all():
        raise InputError("maps must be finite: a NaN has no place in the order of the pixels")
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        require(name, value, value >= 1, "at least 1")
