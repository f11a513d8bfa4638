"""Pictures of one's own: a folder with one sub-folder for each class."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..errors import InputError, require
from .imageset import ImageSet
from .photos import SUFFIXES, middle_square, pictures_among, read_photo


def folder(path: str | os.PathLike, *, size: int = 64) -> ImageSet:
    """Every picture in the sub-folders of ``path``; the names of the sub-folders are the classes.

    ``pictures/cat/1.jpg`` and ``pictures/dog/holiday.png`` give a set of two images with the classes ``cat`` and
    ``dog``. Classes and files come in the order of their names. Of each picture the middle square is taken, upright
    as the camera was held. Files that are no pictures by their ending, files deeper down, and whatever begins with
    a dot are left out.

    Args:
        path: a folder with at least two sub-folders.
        size: height and width to which the pictures are brought, 8 or more.

    Returns:
        Images ``(N, 3, size, size)``, no masks. ``source`` says that they are one's own, and not where they lie.

    Raises:
        InputError: ``size`` is too small, there is no such folder, fewer than two sub-folders, one without a picture,
            or a picture that can't be read as it is (see `read_photo`).
        CorruptDataError: a damaged picture; the message names the file.

    Example:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from salkit import data
        >>> for name in ("cat", "dog"):
        ...     Path("pictures", name).mkdir(parents=True, exist_ok=True)
        ...     Image.new("RGB", (30, 20)).save(f"pictures/{name}/1.png")
        >>> data.folder("pictures", size=16)
        ImageSet(2 images 3x16x16, 2 classes, source="pictures from a folder of one's own")
    """
    fits = isinstance(size, int) and not isinstance(size, bool) and size >= 8
    require("size", size, fits, "a whole number of at least 8")
    files = _files(Path(path).expanduser())
    images, labels = [], []
    for label, paths in enumerate(files.values()):
        for file in paths:
            square = middle_square(read_photo(file), size)
            images.append((square * 255).round().to(torch.uint8))
            labels.append(label)
    return ImageSet(torch.cat(images), torch.tensor(labels), tuple(files), source="pictures from a folder of one's own")


def _files(path: Path) -> dict[str, list[Path]]:
    """The pictures of each class. All that can be wrong with the folders is found before the first one is read."""
    if not path.is_dir():
        what = "is a file" if path.is_file() else "does not exist"
        raise InputError(f"{path} {what}: pass a folder with one sub-folder of pictures for each class")
    classes = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(classes) < 2:
        found = f"only {classes[0].name!r}" if classes else "none"
        raise InputError(f"{path} needs two sub-folders or more, one for each class, and has {found}")
    files = {}
    for entry in classes:
        files[entry.name] = pictures_among(entry.iterdir())
        if not files[entry.name]:
            raise InputError(f"there are no pictures in {entry}: files must end in {', '.join(SUFFIXES)}")
    return files
