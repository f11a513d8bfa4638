"""Exercises about class images: how rough one is, one step uphill, and undoing the jitter."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .cases import picked, random_network
from .exercise import Exercise


def _images_case(generator: torch.Generator) -> tuple:
    # Sizes differ, and so do the images' contrasts, so that a wrong axis or a mixed-up batch shows.
    images = torch.rand(4, 3, 6, 9, generator=generator) * torch.tensor([0.2, 0.5, 0.8, 1.0]).view(4, 1, 1, 1)
    return (images,)


def _down(images: Tensor) -> Tensor:
    return images[:, :, 1:] - images[:, :, :-1]


def _across(images: Tensor) -> Tensor:
    return images[..., 1:] - images[..., :-1]


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1)


def _sum(values: Tensor) -> Tensor:
    return values.flatten(1).sum(1)


def _total_variation(images: Tensor) -> Tensor:
    return _mean(_down(images).abs()) + _mean(_across(images).abs())


def _wrapped(images: Tensor) -> Tensor:
    return _mean((images - images.roll(1, 2)).abs()) + _mean((images - images.roll(1, 3)).abs())


def _channels(images: Tensor) -> Tensor:
    return _mean((images[:, 1:] - images[:, :-1]).abs())


total_variation = Exercise(
    name="total_variation",
    task="write fn(images (N, C, H, W)) -> (N,): the mean absolute difference of neighbours in a column plus that of "
    "neighbours in a row, of each image.",
    case=_images_case,
    reference=_total_variation,
    mistakes=(
        (
            "You left out the absolute value: rises and falls cancel, and what is left is the border.",
            lambda x: _mean(_down(x)) + _mean(_across(x)),
        ),
        (
            "You squared the differences. Total variation takes their absolute value.",
            lambda x: _mean(_down(x).square()) + _mean(_across(x).square()),
        ),
        ("You compared only pixels above each other. Add the neighbours in a row.", lambda x: _mean(_down(x).abs())),
        ("You compared only pixels beside each other. Add those in a column.", lambda x: _mean(_across(x).abs())),
        (
            "You added the differences up. Take the mean of each direction, so that the size of the image plays no "
            "part.",
            lambda x: _sum(_down(x).abs()) + _sum(_across(x).abs()),
        ),
        ("roll wraps around: you compared the first row with the last one. Use slices, x[:, :, 1:].", _wrapped),
        (
            "You took the batch together: one number for each image is wanted, flatten(1).mean(1).",
            lambda x: _down(x).abs().mean() + _across(x).abs().mean(),
        ),
        (
            "You returned one number for each channel: average over the channels, too.",
            lambda x: _down(x).abs().mean((2, 3)) + _across(x).abs().mean((2, 3)),
        ),
        (
            "You halved it: add the two directions, without averaging them.",
            lambda x: _total_variation(x) / 2,
        ),
        (
            "You took all differences together, so the direction with more of them counts more: take the mean of each "
            "direction, then add.",
            lambda x: _mean(torch.cat([_down(x).flatten(1), _across(x).flatten(1)], dim=1).abs()),
        ),
        (
            "One of your differences runs along dimension 1, from colour to colour: rows are dimension 2, columns 3.",
            lambda x: _channels(x) + _mean(_down(x).abs()),
        ),
        (
            "You added the differences between colours. Neighbours are pixels: dimensions 2 and 3.",
            lambda x: _channels(x) + _total_variation(x),
        ),
    ),
)


def _slope(score: Callable[[Tensor, Tensor], Tensor], *, train_mode: bool = False) -> Callable:
    """``fn(model, images, labels) -> (N, C, H, W)``, the gradient of a score."""

    def slope(model, images, labels):
        model.train(train_mode)
        images = images.detach().clone().requires_grad_()
        return torch.autograd.grad(score(model(images), labels), images)[0]

    return slope


_uphill = _slope(lambda z, y: picked(z, y).sum())


def _ascent_case(generator: torch.Generator) -> tuple:
    model = random_network(generator)
    images = torch.rand(4, 3, 7, 9, generator=generator)
    with torch.no_grad():
        predicted = model(images).argmax(1)
    labels = (predicted + torch.tensor([1, 2, 3, 4])) % 5  # never the predicted class, and not the same one for all
    # The largest step is of half the range: some pixels are pushed out of [0, 1], most are not.
    lr = 0.5 / _uphill(model, images, labels).abs().max().item()
    return model, images, labels, lr


def _step(slope: Callable, move: Callable[[Tensor, Tensor, float], Tensor] | None = None) -> Callable:
    move = move or (lambda x, g, lr: (x + lr * g).clamp(0, 1))
    return lambda model, images, labels, lr: move(images, slope(model, images, labels), lr)


ascent_step = Exercise(
    name="ascent_step",
    task="write fn(model, images (N, C, H, W) in [0, 1], labels (N,), lr) -> (N, C, H, W): the images after one step "
    "of gradient ascent on the label's logit, back in [0, 1]; the network comes in evaluation mode.",
    case=_ascent_case,
    reference=_step(_uphill),
    mistakes=(
        (
            "You went down: an optimiser subtracts the gradient, ascent adds it.",
            _step(_uphill, lambda x, g, lr: (x - lr * g).clamp(0, 1)),
        ),
        (
            "The step is right, but the image leaves [0, 1]: clamp it after the step.",
            _step(_uphill, lambda x, g, lr: x + lr * g),
        ),
        ("You went down, and the image leaves [0, 1].", _step(_uphill, lambda x, g, lr: x - lr * g)),
        (
            "You clamped the gradient. It is the image that must stay in [0, 1]: clamp after the step.",
            _step(_uphill, lambda x, g, lr: x + lr * g.clamp(0, 1)),
        ),
        (
            "You clamped to [-1, 1]: these images live in [0, 1].",
            _step(_uphill, lambda x, g, lr: (x + lr * g).clamp(-1, 1)),
        ),
        (
            "You squeezed the image into [0, 1] with a sigmoid, which changes every pixel: clamp it.",
            _step(_uphill, lambda x, g, lr: (x + lr * g).sigmoid()),
        ),
        (
            "You scaled each image to [0, 1] by its own extremes, which changes every pixel: clamp it.",
            _step(_uphill, lambda x, g, lr: _rescaled(x + lr * g)),
        ),
        (
            "You took the sign of the gradient: every pixel then moves equally far. That is the attack of the next "
            "chapter.",
            _step(_uphill, lambda x, g, lr: (x + lr * g.sign()).clamp(0, 1)),
        ),
        (
            "You divided the gradient by its length. Here the step is lr times the gradient itself.",
            _step(_uphill, lambda x, g, lr: (x + lr * g / g.flatten(1).norm(dim=1).view(-1, 1, 1, 1)).clamp(0, 1)),
        ),
        ("You left out the step size lr.", _step(_uphill, lambda x, g, lr: (x + g).clamp(0, 1))),
        (
            "You returned the step alone: add it to the images.",
            _step(_uphill, lambda x, g, lr: (lr * g).clamp(0, 1)),
        ),
        ("You returned the gradient: lr times it is the step.", _step(_uphill, lambda x, g, lr: g)),
        ("You returned the images as they came.", _step(_uphill, lambda x, g, lr: x)),
        (
            "You climbed the softmax probability, which is also raised by lowering the other logits. Take the logit.",
            _step(_slope(lambda z, y: picked(z.softmax(1), y).sum())),
        ),
        (
            "You climbed the log-probability, which is also raised by lowering the other logits. Take the logit.",
            _step(_slope(lambda z, y: picked(z.log_softmax(1), y).sum())),
        ),
        (
            "You took the mean over the batch, so an image's step depends on how many others came with it. "
            "Take the sum.",
            _step(_slope(lambda z, y: picked(z, y).mean())),
        ),
        (
            "You climbed all logits together: pick the one of each image's label first.",
            _step(_slope(lambda z, y: z.sum())),
        ),
        (
            "You climbed the predicted class instead of the given labels.",
            _step(_slope(lambda z, y: z.amax(1).sum())),
        ),
        (
            "You added the gradient of the cross-entropy: it leads away from the label, and mixes in the other "
            "classes. Take the logit.",
            _step(_slope(lambda z, y: F.cross_entropy(z, y, reduction="sum"))),
        ),
        (
            "You switched the network to train mode: BatchNorm then mixes the images of the batch. Use model.eval().",
            _step(_slope(lambda z, y: picked(z, y).sum(), train_mode=True)),
        ),
    ),
)


def _rescaled(images: Tensor) -> Tensor:
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / (high - low)


def _jitter_case(generator: torch.Generator) -> tuple:
    gradients = torch.randn(3, 3, 7, 9, generator=generator)
    # Never 0, never equal, and no shift is its own inverse: rows 1 to 3 of 7, columns 4 of 9 or minus that.
    rows = int(torch.randint(1, 4, (), generator=generator)) * (1 if torch.rand((), generator=generator) < 0.5 else -1)
    columns = 4 if torch.rand((), generator=generator) < 0.5 else -4
    return gradients, rows, columns


undo_jitter = Exercise(
    name="undo_jitter",
    task="write fn(gradients (N, C, H, W), rows, columns) -> (N, C, H, W). The network saw "
    "images.roll((rows, columns), (2, 3)), and these are the gradients at what it saw: bring them back to the pixels "
    "of the images.",
    case=_jitter_case,
    reference=lambda g, rows, columns: g.roll((-rows, -columns), (2, 3)),
    mistakes=(
        (
            "You rolled in the same direction once more: to go back, roll by -rows and -columns.",
            lambda g, rows, columns: g.roll((rows, columns), (2, 3)),
        ),
        ("You returned them as they came: they lie where the network saw them.", lambda g, rows, columns: g),
        (
            "Rows and columns are swapped: dimension 2 counts the rows, dimension 3 the columns.",
            lambda g, rows, columns: g.roll((-columns, -rows), (2, 3)),
        ),
        (
            "You only brought the rows back: the columns were rolled, too.",
            lambda g, rows, columns: g.roll(-rows, 2),
        ),
        (
            "You only brought the columns back: the rows were rolled, too.",
            lambda g, rows, columns: g.roll(-columns, 3),
        ),
        (
            "Wrong axes: dimensions 0 and 1 are the images and the colours. Roll dimensions 2 and 3.",
            lambda g, rows, columns: g.roll((-rows, -columns), (0, 1)),
        ),
        (
            "Wrong axes: dimension 1 is the colours. Roll dimensions 2 and 3.",
            lambda g, rows, columns: g.roll((-rows, -columns), (1, 2)),
        ),
        (
            "What went out at one edge came in at the other: bring it back, too, instead of filling up with zeros.",
            lambda g, rows, columns: F.pad(g, (-columns, columns, -rows, rows)),  # negative padding crops
        ),
        (
            "You flipped the images. They were shifted: roll them back.",
            lambda g, rows, columns: g.flip((2, 3)),
        ),
        (
            "The columns are still rolled further out: their sign is wrong. Roll by -columns.",
            lambda g, rows, columns: g.roll((-rows, columns), (2, 3)),
        ),
        (
            "The rows are still rolled further out: their sign is wrong. Roll by -rows.",
            lambda g, rows, columns: g.roll((rows, -columns), (2, 3)),
        ),
    ),
)
