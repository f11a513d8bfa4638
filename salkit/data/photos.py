"""Photographs from files, as a network sees them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import CorruptDataError, InputError, require

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_ADVICE = "save it as a JPEG or PNG with 8 bits a channel"
_ORIENTATION = 0x0112  # of EXIF
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def pictures_among(paths: Iterable[Path]) -> list[Path]:
    """The files that are pictures by their ending, in the order of their names; without those that begin with a dot."""
    return sorted(
        path for path in paths if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def read_photo(path: str | os.PathLike) -> Tensor:
    """A picture file as ``(3, H, W)`` uint8: red, green, blue; upright, as the camera was held.

    Grey pictures get three equal channels; what is transparent is laid on white; of an animation the first frame
    counts. A colour profile is ignored. Of 16 bits a channel the nearest of the 256 levels is taken.

    Args:
        path: JPEG, PNG, WebP, or what else the installed Pillow reads. For HEIC, which phones write, that takes the
            package ``pillow-heif`` and a call of its ``register_heif_opener()``.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: a HEIC file that Pillow can't read, one with more than 8 bits a channel that can't be read without
            loss, or one with more pixels than Pillow's limit (``2 * PIL.Image.MAX_IMAGE_PIXELS``).
        CorruptDataError: a damaged file, or none with a picture in it.

    Example:
        >>> from PIL import Image
        >>> from salkit import data
        >>> Image.new("L", (30, 20)).save("grey.png")
        >>> data.read_photo("grey.png").shape
        torch.Size([3, 20, 30])
    """
    from PIL import Image, ImageOps

    path = Path(path).expanduser()
    try:
        with warnings.catch_warnings():
            # What Pillow warns of, half its limit, is read all the same.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = Image.open(path)
        with file:
            photo = ImageOps.exif_transpose(_in_eight_bits(path, file))
            if "A" in photo.getbands() or "transparency" in photo.info:
                photo = photo.convert("RGBA")
                photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo)
            pixels = np.array(photo.convert("RGB"))
    except (FileNotFoundError, InputError):
        raise
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise InputError(f"{path} has more than {limit:.0f} million pixels, the limit here: make it smaller") from error
    except Exception as error:  # On damaged bytes Pillow's decoders raise whatever they stumble over.
        if _is_heif(path):
            raise InputError(f"{path} is a HEIC picture, which Pillow can't read by itself: {_ADVICE}") from error
        raise CorruptDataError(f"{path} can't be read as a picture: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _in_eight_bits(path: Path, file):
    """The open picture as it is, or one of 16 bits a channel in 8: Pillow cuts these off, or reads them as integers.

    Raises:
        InputError: there are more than 8 bits, and no way to get at them.
    """
    from PIL import Image

    if ";16" not in repr(file.tile):  # how the file's bytes are coded, which the mode of what is read doesn't tell
        if file.mode[0] in "IF":
            raise InputError(f"{path} has more than 8 bits a channel: {_ADVICE}")
        return file
    coded = file.tile[0][3]
    if file.mode.startswith("I;16") and "transparency" not in file.info:
        deep = np.array(file).astype(np.uint32)
    elif coded in ("RGB;16B", "RGBA;16B") and "transparency" not in file.info:
        # Of each value Pillow takes the first byte, and the second one where it is told that the order is the other.
        with Image.open(path) as other:
            # A plain tuple, as it was before Pillow 11.
            other.tile = [(*other.tile[0][:3], f"{coded[:-1]}L")]  # ty: ignore[invalid-assignment]
            deep = np.array(file).astype(np.uint32) * 256 + np.array(other)
    else:
        raise InputError(f"{path} has 16 bits a channel, of which Pillow reads only half: {_ADVICE}")
    photo = Image.fromarray(((deep + 128) // 257).astype(np.uint8))  # 257 * 255 is the largest value
    photo.getexif()[_ORIENTATION] = file.getexif().get(_ORIENTATION, 1)
    return photo


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

    Example:
        >>> import torch
        >>> from salkit import data
        >>> photo = torch.tensor([0, 0, 255, 255, 0, 0], dtype=torch.uint8).expand(3, 2, 6)
        >>> # only the bright middle is left
        >>> data.middle_square(photo, 2).unique()
        tensor([1.])
    """
    if photo.dtype != torch.uint8 or photo.ndim != 3 or len(photo) != 3 or not photo.numel():
        raise InputError(f"a photograph must be (3, H, W) uint8, not {photo.dtype} {tuple(photo.shape)}")
    require("size", size, size >= 1, "at least 1")
    square = photo[None, :, *_middle(*photo.shape[1:])].float()
    return F.interpolate(square, (size, size), mode="bilinear", antialias=True).round() / 255


def place_back(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps of the middle square where it lies in the whole photograph, with zeros around it.

    Args:
        maps: ``(N, h, w)``.
        height, width: of the photograph.

    Returns:
        ``(N, height, width)`` float32 on the CPU; the square is scaled as in `middle_square`.

    Example:
        >>> import torch
        >>> from salkit import data
        >>> # a photograph of 2 x 4 pixels
        >>> data.place_back(torch.ones(1, 2, 2), 2, 4)
        tensor([[[0., 1., 1., 0.],
                 [0., 1., 1., 0.]]])
    """
    whole = torch.zeros(len(maps), height, width)
    side = min(height, width)
    square = F.interpolate(maps[:, None].float().cpu(), (side, side), mode="bilinear", antialias=True)
    whole[:, *_middle(height, width)] = square[:, 0]
    return whole


def _middle(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the largest square in the middle."""
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return slice(top, top + side), slice(left, left + side)


def _is_heif(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:  # a folder, for one
        return False
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF
