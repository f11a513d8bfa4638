"""A network wired by hand, whose exact attributions are known.

It counts red in the left half of the picture against blue in the right half. Each count goes through a unit that
saturates, and the two are compared::

    count_red  = mean over the left half of relu(R - (G + B) / 2)
    count_blue = mean over the right half of relu(B - (R + G) / 2)
    logits     = (s(count_red) - s(count_blue), s(count_blue) - s(count_red)),   s(c) = min(c, cap)

No other pixel is used, grey counts as nothing, and a black picture has the logits 0. Along the straight line from
black to a picture the counts grow in proportion, so the integrals of integrated gradients can be solved by hand.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from ..errors import InputError, require

PALETTE = torch.tensor(
    [
        [0.5, 0.5, 0.5],  # grey
        [1.0, 0.1, 0.1],  # red
        [0.1, 0.1, 1.0],  # blue
        [0.1, 0.8, 0.2],  # green
        [0.9, 0.9, 0.9],  # white
    ]
)


class HandWired(nn.Sequential):
    """``(N, 3, size, size)`` images in [0, 1] to ``(N, 2)`` logits: red on the left, blue on the right.

    Its layers are ordinary ones (a 1x1 convolution, two ReLUs, two linear layers), so that every method applies.

    Args:
        size: height and width of the images, even.
        cap: a count above this changes nothing any more; counts lie in [0, 1].

    Example:
        >>> import torch
        >>> from salkit import course
        >>> model, image = course.HandWired(size=4), torch.zeros(1, 3, 4, 4)
        >>> image[0, 0, 1, 0] = 1  # one red pixel on the left, one of eight
        >>> model(image)
        tensor([[ 0.1250, -0.1250]], grad_fn=<MmBackward0>)
    """

    def __init__(self, size: int = 32, cap: float = 0.2):
        require("size", size, size >= 2 and size % 2 == 0, "even, so that the picture has two halves")
        require("cap", cap, cap > 0, "positive")
        super().__init__(
            OrderedDict(
                colour=nn.Conv2d(3, 2, kernel_size=1, bias=False),  # redness and blueness of each pixel
                only_positive=nn.ReLU(),
                flatten=nn.Flatten(),
                headroom=nn.Linear(2 * size * size, 2),  # cap - count
                saturate=nn.ReLU(),  # cap - s(count), which stays 0 once the count is above the cap
                compare=nn.Linear(2, 2, bias=False),
            )
        )
        self.size, self.cap = size, cap
        counting = torch.zeros(2, 2, size, size)  # (count, colour, H, W)
        counting[0, 0, :, : size // 2] = 2 / size**2
        counting[1, 1, :, size // 2 :] = 2 / size**2
        with torch.no_grad():
            self.get_parameter("colour.weight").copy_(torch.tensor([[1, -0.5, -0.5], [-0.5, -0.5, 1]]).view(2, 3, 1, 1))
            self.get_parameter("headroom.weight").copy_(-counting.flatten(1))
            self.get_parameter("headroom.bias").fill_(cap)
            self.get_parameter("compare.weight").copy_(torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))

    def counts(self, images: Tensor) -> Tensor:
        """``(N, 2)``: how red the left half is and how blue the right half, before they saturate; in [0, 1]."""
        return self._evidence(images).sum((2, 3))

    def used_pixels(self, images: Tensor) -> Tensor:
        """``(N, H, W)`` bool: the red pixels of the left half and the blue ones of the right half."""
        return (self._evidence(images) > 0).any(1)

    def exact_attribution(self, images: Tensor, target: int = 0) -> Tensor:
        """Integrated gradients from a black picture, in closed form; signed, ``(N, 3, H, W)``, sums to the logit.

        At the point ``a * image`` of the path (0 <= a <= 1) a count is ``a * count``, and its unit passes a gradient
        while that is under the cap: for a share ``min(1, cap / count)`` of the path. What it passes is constant, so
        a channel's attribution is its value times its weight times that share. While no unit is saturated the share
        is 1, and input x gradient gives the same map.
        """
        counts = self.counts(images)
        open_share = torch.where(counts > self.cap, self.cap / counts, 1.0)
        sign = torch.tensor([1.0, -1.0] if target == 0 else [-1.0, 1.0]).to(images)
        active = (self._evidence(images) > 0) * (sign * open_share)[:, :, None, None]  # (N, 2, H, W)
        weights = self.get_parameter("colour.weight").detach()[:, :, 0, 0] / (self.size**2 / 2)
        return images.detach() * torch.einsum("nkhw,kc->nchw", active.to(weights), weights)

    def _evidence(self, images: Tensor) -> Tensor:
        """``(N, 2, H, W)``: what each pixel adds to the two counts."""
        if images.ndim != 4 or tuple(images.shape[1:]) != (3, self.size, self.size):
            raise InputError(f"images must be (N, 3, {self.size}, {self.size}), not {tuple(images.shape)}")
        red, green, blue = images.detach().unbind(1)
        evidence = torch.stack([red - (green + blue) / 2, blue - (red + green) / 2], dim=1).clamp(min=0)
        evidence[:, 0, :, self.size // 2 :] = 0
        evidence[:, 1, :, : self.size // 2] = 0
        return evidence / (self.size**2 / 2)


def colour_tiles(n: int, *, size: int = 32, tiles: int = 8, seed: int = 0) -> Tensor:
    """Pictures for the hand-wired network: ``(n, 3, size, size)`` in [0, 1], a board of grey, red, blue, green, white.

    Args:
        n: how many.
        size: height and width, a multiple of ``tiles``.
        tiles: tiles along each side.
        seed: of the colours.

    Example:
        >>> from salkit import course
        >>> images = course.colour_tiles(4, size=8)
        >>> images.shape, course.HandWired(size=8)(images).argmax(1)
        (torch.Size([4, 3, 8, 8]), tensor([0, 1, 0, 1]))
    """
    if size % tiles:
        raise InputError(f"size must be a multiple of tiles, not {size} for {tiles} tiles")
    generator = torch.Generator().manual_seed(seed)
    colours = PALETTE[torch.randint(len(PALETTE), (n, tiles, tiles), generator=generator)]
    side = size // tiles
    return colours.permute(0, 3, 1, 2).repeat_interleave(side, dim=2).repeat_interleave(side, dim=3).contiguous()
