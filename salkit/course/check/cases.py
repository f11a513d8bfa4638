"""What several exercises draw their cases from, and what their references share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The sizes of the cases of a set, (N, C, H, W). They differ from axis to axis, so that a wrong axis shows, and from
# case to case, so that a size written down as a number does. One batch has one image, one has grey images, and images
# lie and stand.
_SIZES = ((4, 3, 7, 9), (1, 3, 9, 7), (3, 1, 8, 6), (5, 3, 6, 8))


def sizes(k: int) -> tuple[int, int, int, int]:
    """Images, channels, height and width of case ``k``."""
    return _SIZES[k % len(_SIZES)]


def between(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number, both ends among them."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def fraction(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def random_network(generator: torch.Generator, channels: int = 3, classes: int = 5) -> nn.Module:
    """A small CNN in evaluation mode whose BatchNorm has statistics of its own, so that train mode shows."""
    net = nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, classes),
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        net[1].weight.fill_(1.0)
        net[1].running_mean.copy_(torch.randn(6, generator=generator))
        net[1].running_var.copy_(0.5 + torch.rand(6, generator=generator))
    return net.eval()


@torch.no_grad()
def predicted(model: nn.Module, images: Tensor) -> Tensor:
    return model(images).argmax(1)


def labelled_images(generator: torch.Generator, k: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
    """A network, images in [0, 1] and labels: never the predicted class, and not one class for all."""
    n, channels, height, width = sizes(k)
    classes = 5 + k % 3
    model = random_network(generator, channels, classes)
    images = torch.rand(n, channels, height, width, generator=generator)
    return model, images, (predicted(model, images) + 1 + torch.arange(n) % (classes - 1)) % classes


def random_masks(generator: torch.Generator, n: int, height: int, width: int) -> Tensor:
    """Masks of different sizes, ``(n, height, width)`` bool, none of them empty or full."""
    share = torch.linspace(0.2, 0.7, n).view(n, 1, 1)
    masks = torch.rand(n, height, width, generator=generator) < share
    masks[:, 0, 0], masks[:, 0, 1] = True, False
    return masks


def scaled_maps(generator: torch.Generator, k: int = 0) -> tuple[Tensor, Tensor]:
    """Maps whose values are of different sizes in a batch, so that taking the batch together shows, and masks."""
    n, _, height, width = sizes(k)
    maps = torch.rand(n, height, width, generator=generator) * torch.linspace(0.2, 5, n).view(n, 1, 1)
    return maps, random_masks(generator, n, height, width)


def picked(logits: Tensor, labels: Tensor) -> Tensor:
    """The logit of each label, ``(N,)``."""
    return logits.gather(1, labels[:, None])[:, 0]


def gradient(model: nn.Module, images: Tensor, labels: Tensor, score=picked) -> Tensor:
    """The gradient of ``score(logits, labels)``, added up over the batch, in the shape of the images."""
    images = images.detach().clone().requires_grad_()
    return torch.autograd.grad(score(model(images), labels).sum(), images)[0]


def largest(gradients: Tensor) -> Tensor:
    """The saliency map: the largest absolute value over the channels, ``(..., H, W)``."""
    return gradients.abs().amax(-3)


def two_networks(generator: torch.Generator, k: int = 0) -> tuple[nn.Module, nn.Module, Tensor]:
    """Two networks that disagree on some of the images. The first does not say the same of all."""
    n, channels, height, width = sizes(k)
    while True:
        first, second = (random_network(generator, channels) for _ in range(2))
        images = torch.rand(n, channels, height, width, generator=generator)
        one, other = predicted(first, images), predicted(second, images)
        if (one != other).any() and (n == 1 or len(one.unique()) > 1):
            return first, second, images


def every_logit(logits: Tensor, labels: Tensor) -> Tensor:
    """The score of whoever forgets to pick the label's logit."""
    return logits
