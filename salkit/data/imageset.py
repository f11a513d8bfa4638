"""A whole split of a dataset, as tensors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, require


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with labels, small enough to live on one device.

    Attributes:
        images: ``(N, C, H, W)`` uint8, values 0 to 255.
        labels: ``(N,)`` int64, indices into ``classes``.
        classes: the class names, in label order.
        masks: ``{part name: (N, H, W) bool}`` where the dataset knows where things are, else ``None``.
        source: where the pixels come from, in words that can stand under a figure.

    Raises:
        InputError: when shapes, dtypes and labels do not agree.

    Example:
        >>> from salkit import data
        >>> some = data.scenes(20)
        >>> some.pixels().shape, some.classes[some.labels[0]]
        (torch.Size([20, 3, 32, 32]), 'automobile')
        >>> rest, held_out = some.split(10)
        >>> len(rest), len(rest[:3]), rest.resized(64).images.shape
        (10, 3, torch.Size([10, 3, 64, 64]))
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    masks: dict[str, Tensor] | None = None
    source: str = ""

    def __post_init__(self):
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise InputError(f"images must be uint8 (N, C, H, W), not {self.images.dtype} {tuple(self.images.shape)}")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise InputError(
                f"labels must be int64 ({len(self.images)},), not {self.labels.dtype} {tuple(self.labels.shape)}"
            )
        if len(self.labels) and not (0 <= self.labels.min() and self.labels.max() < len(self.classes)):
            raise InputError(f"labels must lie in 0 .. {len(self.classes) - 1}, one for each class name")
        for name, mask in (self.masks or {}).items():
            expected = (len(self.images), *self.images.shape[2:])
            if mask.dtype != torch.bool or tuple(mask.shape) != expected:
                raise InputError(f"mask {name!r} must be bool {expected}, not {mask.dtype} {tuple(mask.shape)}")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.images.shape[1:]))
        return f"ImageSet({len(self)} images {shape}, {len(self.classes)} classes, source={self.source!r})"

    def __getitem__(self, index) -> ImageSet:
        """A subset: a slice, a list or tensor of indices, or a boolean mask. One index gives a set of one."""
        if isinstance(index, int):
            index = [index]
        if isinstance(index, (list, tuple, range)):
            index = torch.as_tensor(index, dtype=torch.int64)
        return self._map(lambda t: t[index.to(t.device) if isinstance(index, Tensor) else index])

    def to(self, device) -> ImageSet:
        """The same set on another device."""
        return self._map(lambda t: t.to(device))

    def pixels(self) -> Tensor:
        """The images as float32 in [0, 1], ``(N, C, H, W)``: what every salkit model takes."""
        return self.images.float() / 255

    def resized(self, size: int) -> ImageSet:
        """The same set at ``size`` x ``size`` pixels: bilinear, smoothed when it shrinks; masks by the nearest pixel.

        Raises:
            InputError: when ``size`` is less than 1.
        """
        require("size", size, size >= 1, "at least 1")

        def scaled(part: Tensor) -> Tensor:
            # In pieces, because floats take four times the room.
            return torch.cat([_scale(piece, size) for piece in part.split(1024)])

        masks = {name: scaled(mask) for name, mask in self.masks.items()} if self.masks else self.masks
        return replace(self, images=scaled(self.images), masks=masks)

    def split(self, n: int, *, seed: int = 0) -> tuple[ImageSet, ImageSet]:
        """Two sets, the second with ``n`` images drawn evenly from every class; the same seed gives the same split.

        Both keep the order that the images had: where that goes by class, so does theirs, and ``some[:100]`` may be
        of one class only, while ``some[::10]`` has all.

        Raises:
            InputError: when ``n`` is not between 1 and ``len(self) - 1``.
        """
        require("n", n, 0 < n < len(self), f"between 1 and {len(self) - 1}")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        labels = self.labels.cpu()[order]
        # The k-th image of every class comes before the (k + 1)-th of any: the first n are balanced.
        rank = torch.zeros(len(self), dtype=torch.int64)
        for label in range(len(self.classes)):
            members = labels == label
            rank[members] = torch.arange(int(members.sum()))
        order = order[torch.argsort(rank, stable=True)]
        return self[order[n:].sort().values], self[order[:n].sort().values]

    def digest(self) -> str:
        """SHA-256 of images, labels and class names: two sets with the same digest hold the same data."""
        sha = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        sha.update(self.images.cpu().contiguous().numpy())
        sha.update(self.labels.cpu().contiguous().numpy())
        return sha.hexdigest()

    def _map(self, function) -> ImageSet:
        masks = {name: function(mask) for name, mask in self.masks.items()} if self.masks else self.masks
        return replace(self, images=function(self.images), labels=function(self.labels), masks=masks)


def _scale(part: Tensor, size: int) -> Tensor:
    if part.dtype == torch.bool:
        return F.interpolate(part[:, None].float(), size=(size, size), mode="nearest-exact")[:, 0] > 0.5
    scaled = F.interpolate(part.float(), size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    return scaled.round().clamp(0, 255).byte()
