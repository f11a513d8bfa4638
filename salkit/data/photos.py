"""Photographs from files, as a network sees them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import CorruptDataError, InputError

_ADVICE = "save it as a JPEG or PNG with 8 bits a channel"
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def read_photo(path: str | os.PathLike) -> Tensor:
    """A picture file as ``(3, H, W)`` uint8: red, green, blue; upright, as the camera was held.

    Grey pictures get three equal channels; what is transparent is laid on white; of an animation the first frame
    counts. A colour profile is ignored.

    Args:
        path: JPEG, PNG, WebP, or what else the installed Pillow reads. For HEIC, which phones write, that takes the
            package ``pillow-heif`` and a call of its ``register_heif_opener()``.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: a HEIC file that Pillow can't read, or one with more than 8 bits a channel.
        CorruptDataError: a damaged file, or none with a picture in it.
    """
    from PIL import Image, ImageOps

    path = Path(path).expanduser()
    try:
        with Image.open(path) as file:
            photo = ImageOps.exif_transpose(file)
            if photo.mode[0] in "IF":
                raise InputError(f"{path} has more than 8 bits a channel: {_ADVICE}")
            if "A" in photo.getbands() or "transparency" in photo.info:
                photo = photo.convert("RGBA")
                photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo)
            pixels = np.array(photo.convert("RGB"))
    except (FileNotFoundError, InputError):
        raise
    except Exception as error:  # On damaged bytes Pillow's decoders raise whatever they stumble over.
        if _is_heif(path):
            raise InputError(f"{path} is a HEIC picture, which Pillow can't read by itself: {_ADVICE}") from error
        raise CorruptDataError(f"{path} can't be read as a picture: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def middle_square(photo: Tensor, size: int) -> Tensor:
    """The largest square in the middle of a photograph, at the size a network wants.

    Scaling is bilinear and smoothed when it shrinks; values are rounded to whole grey levels, so that the result is
    what an ordinary picture file could hold.

    Args:
        photo: ``(3, H, W)`` uint8.
        size: height and width of the result.

    Returns:
        ``(1, 3, size, size)`` float32 in [0, 1].

    Raises:
        InputError: another shape or dtype, or ``size`` below 1.
    """
    if photo.dtype != torch.uint8 or photo.ndim != 3 or len(photo) != 3 or not photo.numel():
        raise InputError(f"a photograph must be (3, H, W) uint8, not {photo.dtype} {tuple(photo.shape)}")
    if size < 1:
        raise InputError(f"size must be at least 1, not {size}")
    height, width = photo.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = photo[None, :, top : top + side, left : left + side].float()
    return F.interpolate(square, (size, size), mode="bilinear", antialias=True).round() / 255


def _is_heif(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:  # a folder, for one
        return False
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF
