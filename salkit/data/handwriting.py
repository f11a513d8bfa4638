"""MNIST: 70,000 handwritten digits of 28x28 pixels (LeCun, Cortes, Burges 1998)."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from .._cache import cache_dir, data_dir
from ..errors import CorruptDataError, DataUnavailableError, require
from .download import checksum, download
from .imageset import ImageSet

MNIST_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
MNIST_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}
MNIST_URLS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FOLDER = Path("MNIST", "raw")  # torchvision's layout


def mnist(
    split: str,
    *,
    progress: bool = True,
    urls: Sequence[str] = MNIST_URLS,
    checksums: Mapping[str, str] = MNIST_CHECKSUMS,
) -> ImageSet:
    """A split of MNIST: ``(N, 1, 28, 28)`` images, white on black, 60,000 for ``"train"``, 10,000 for ``"test"``.

    The four ``.gz`` files are looked for in ``$SALKIT_DATA/MNIST/raw``, then in the cache, then downloaded.

    Args:
        split: ``"train"`` or ``"test"``.
        progress: show a bar while downloading.
        urls: servers of the same files; each a folder's address that ends in a slash.
        checksums: ``"md5:..."`` by file name.

    Raises:
        InputError: there is no such split.
        DataUnavailableError: the files were not found and no server gave them; the message says what to do.
        CorruptDataError: a file is truncated or altered.

    Example:
        >>> from salkit import data
        >>> test = data.mnist("test")  # doctest: +SKIP
        >>> test.images.shape  # doctest: +SKIP
        torch.Size([10000, 1, 28, 28])
    """
    require("split", split, split in MNIST_FILES, "'train' or 'test'")
    paths = [_get(name, progress, urls, checksums[name]) for name in MNIST_FILES[split]]
    images, labels = (_read_idx(path, checksums[path.name]) for path in paths)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise CorruptDataError(f"{paths[0]} and {paths[1]} do not fit: {images.shape} images, {labels.shape} labels")
    classes = tuple("0123456789")
    return ImageSet(
        torch.from_numpy(images[:, None]), torch.from_numpy(labels.astype(np.int64)), classes, source="MNIST"
    )


def find_mnist() -> Path | None:
    """The folder with all four files, where `mnist` has nothing to download; else ``None``.

    Example:
        >>> from salkit import data
        >>> data.find_mnist() is None  # doctest: +SKIP
        True
    """
    names = [name for pair in MNIST_FILES.values() for name in pair]
    return next((folder for folder in _folders() if all((folder / name).is_file() for name in names)), None)


def _folders() -> list[Path]:
    return [folder / FOLDER for folder in (data_dir(), cache_dir()) if folder]


def _get(name: str, progress: bool, urls: Sequence[str], expected: str) -> Path:
    folders = _folders()
    for folder in folders:
        if os.path.exists(folder / name):
            return folder / name
    path = folders[-1] / name
    try:
        return download([url + name for url in urls], path, expected=expected, progress=progress)
    except DataUnavailableError as error:
        raise DataUnavailableError(
            f"MNIST is not in {' or '.join(map(str, folders))}, and {error}\n"
            f"What helps: fetch {urls[0]}{name} with another computer or browser and put it into MNIST/raw in a "
            f"folder that SALKIT_DATA names, or at {path}. Or set SALKIT_PROFILE=fast, which needs no data."
        ) from error


def _read_idx(path: Path, expected: str) -> np.ndarray:
    """The array in an IDX file: two zeros, 8 for uint8, the number of axes, their lengths, the values."""
    if (found := checksum(path, expected)) != expected:
        raise CorruptDataError(
            f"{path} is truncated or altered: its checksum is {found} instead of {expected}; delete it and fetch it "
            "again"
        )
    try:
        content = bytearray(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, zlib.error) as error:
        raise CorruptDataError(f"{path} can't be unpacked: {error}") from error
    axes = content[3] if content.startswith(b"\x00\x00\x08") and len(content) > 3 else 0
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    if not axes or len(content) != start + math.prod(shape):
        raise CorruptDataError(f"{path} is not an IDX file of bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
