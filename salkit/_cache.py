"""Where data is looked for, where results that take long are kept, and how files are written whole."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import InputError

Contents = tuple[dict[str, Tensor], dict[str, str]]
"""Tensors by name, and metadata."""

_warned: set[Path] = set()


def data_dir() -> Path | None:
    """The folder with the user's own copies of datasets and weights, ``$SALKIT_DATA``; ``None`` if it is not set."""
    name = os.environ.get("SALKIT_DATA")
    return Path(name).expanduser() if name else None


def cache_dir() -> Path:
    """The folder for downloads and computed files: ``$SALKIT_CACHE``, else the user's cache. It may not exist yet."""
    name = os.environ.get("SALKIT_CACHE")
    if name:
        return Path(name).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("salkit", appauthor=False)


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """An empty temporary file beside ``path``: moved onto it when the block ends well, removed when it does not.

    So a reader finds the old file, or the new one, or none, but never half of one.

    Raises:
        OSError: when the folder can't be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        # Some writers make files that only their owner can read; a cache may be shared.
        temporary.chmod(mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; text in UTF-8.

    Raises:
        OSError: when the folder can't be made or written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Look before long work whether its result can be written; nothing is left behind.

    Args:
        path: the file to write later; folders on the way to it may be missing.
        inputs: files that it must not replace.

    Raises:
        InputError: it is a folder or one of ``inputs``, or its folder can't be written.
    """
    if path.is_dir():
        raise InputError(f"{path} can't be written: it is a folder")
    if path.exists() and any(path.samefile(file) for file in inputs):
        raise InputError(f"{path} is one of the inputs, which would be lost: choose another name for the output")
    folder = next(place for place in path.absolute().parents if place.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror} in {folder}") from error


def cached(name: str, identity: str, make: Callable[[], Contents]) -> Contents:
    """What ``make()`` returns, kept in the cache as a safetensors file, so that it is made only once.

    A cache that can't be written costs a warning, once, and nothing else; a damaged file in it is made anew.

    Args:
        name: how the file's name begins.
        identity: everything the result depends on, in words; another identity is another file.
        make: returns tensors by name, and metadata (strings by name).
    """
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    path = cache_dir() / "tensors" / f"{name}-{key}.safetensors"
    contents = _load(path)
    if contents is None:
        contents = make()
        _save(path, contents)
    return contents


def _load(path: Path) -> Contents | None:
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, SafetensorError):
        return None


def _save(path: Path, contents: Contents) -> None:
    tensors, metadata = contents
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata)
    # safetensors reports a full disk as an error of its own.
    except (OSError, SafetensorError) as error:
        folder = cache_dir()
        if folder not in _warned:
            _warned.add(folder)
            warnings.warn(
                f"the cache {folder} can't be written ({error}), so this work is done again each time; "
                "set SALKIT_CACHE to a folder that can be",
                stacklevel=3,
            )
