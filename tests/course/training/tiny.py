"""A network and images so small that a training takes a blink."""

import torch
from torch import nn

from salkit.course import History
from salkit.course.recipes import Options
from salkit.data import ImageSet


def coloured(n: int, *, seed: int = 0, size: int = 8) -> ImageSet:
    """Noise whose colour channel number ``label`` is a little brighter: easy, and not for free."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    images = torch.randint(0, 160, (n, 3, size, size), generator=generator)
    images[torch.arange(n), labels] += 60
    return ImageSet(images.to(torch.uint8), labels, ("red", "green", "blue"), source="coloured noise")


def small_net(seed: int = 0, *, dropout: float = 0.1, bias: bool = True) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=bias),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        )


TRAIN, VAL = coloured(90), coloured(30, seed=1)
OPTIONS = dict(epochs=3, batch_size=16, shift=1)


def fit(model, train=TRAIN, val=VAL, *, seed=0, state=None, on_epoch_end=(), **options) -> History:
    """A short training, its options spelt as in a recipe."""
    hooks = (on_epoch_end,) if callable(on_epoch_end) else on_epoch_end
    return Options(**{**OPTIONS, **options}).fit(model, train, val, seed=seed, state=state, on_epoch_end=hooks)


def same(model: nn.Module, other: nn.Module) -> bool:
    """Whether all weights and buffers are the same bits."""
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
