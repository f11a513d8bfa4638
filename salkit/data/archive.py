"""The files of an archive or a folder, one after the other, without unpacking anything to disk."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ..errors import CorruptDataError, DataUnavailableError

Parts = tuple[str, ...]
"""A file's path inside the archive, folder by folder."""

MAX_DEPTH = 4
"""How many folders deep a dataset's folder is searched; so a link that leads back up ends."""

MAX_BYTES = 1 << 26
"""The largest file that is read (a batch of CIFAR-10 has 31 MB); a larger one is no part of a dataset of ours."""

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    lzma.LZMAError,
    zlib.error,
    gzip.BadGzipFile,
    NotImplementedError,  # zipfile's word for a compression it does not know
)
_BLOCK = 512  # Everything in a tar file begins at a multiple of this.


def files(path: Path) -> Iterator[tuple[Parts, Callable[[], bytes]]]:
    """Every regular file under ``path``: its place, and a function that reads it.

    ``path`` is a folder, a zip file, or a tar file, plain or compressed by gzip or xz; its first bytes say
    which, not its name. Archives are read in one pass: call the function before taking the next file.

    Raises:
        CorruptDataError: the archive is truncated or damaged, or holds what a dataset has no use for: a path that
            leads out of it, a link, a device. Whoever stops early does not learn of damage further on.
        DataUnavailableError: the file can't be read.
    """
    with _errors_named(path):
        if path.is_dir():
            members = _folder_files(path)
        elif _head(path).startswith(b"PK"):
            members = _zip_files(path)
        else:
            members = _tar_files(path)
        for parts, size, read in members:
            yield parts, partial(_read, path, parts, size, read)


def _read(path: Path, parts: Parts, size: int, read: Callable[[], bytes]) -> bytes:
    if size > MAX_BYTES:
        raise _unsafe(path, "/".join(parts), f"has {size:,} bytes")
    with _errors_named(path):
        return read()


@contextmanager
def _errors_named(path: Path) -> Generator[None]:
    """The many errors of the readers of archives, as salkit's two."""
    try:
        yield
    except _DAMAGE as error:
        raise CorruptDataError(
            f"{path} is truncated or damaged ({error or type(error).__name__}); delete it and fetch it again"
        ) from error
    except OSError as error:
        raise DataUnavailableError(f"{path} can't be read: {error}") from error


def identity(path: Path) -> str:
    """A line that changes when the file, or any file in the folder, is replaced. It reads no contents."""
    path = path.resolve()
    digest = hashlib.sha256()
    for file in sorted(_walk(path)) if path.is_dir() else [str(path)]:
        status = os.stat(file)
        digest.update(f"{file}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return f"{path} {digest.hexdigest()}"


def _folder_files(path: Path):
    for name in sorted(_walk(path)):
        file = Path(name)
        yield file.relative_to(path).parts, file.stat().st_size, file.read_bytes


def _walk(path: str | Path, depth: int = MAX_DEPTH) -> Iterator[str]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir():
                if depth > 1:
                    yield from _walk(entry.path, depth - 1)
            elif entry.is_file():
                yield entry.path


def _zip_files(path: Path):
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            parts = _parts(path, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe(path, member.filename, "is a link or a device")
            if member.flag_bits & 1:
                raise _unsafe(path, member.filename, "is encrypted")
            if not member.is_dir():
                yield parts, member.file_size, partial(archive.read, member)


def _tar_files(path: Path):
    opener = _opener(path)
    with opener(path, "rb") as stream:
        end = 0
        # "r|": strictly forward, since going back in a compressed stream means to begin again.
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                parts = _parts(path, member.name)
                if not (member.isreg() or member.isdir()):
                    raise _unsafe(path, member.name, "is a link or a device")
                end = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
                if member.isfile():  # so that there is something to read
                    yield parts, member.size, lambda member=member: archive.extractfile(member).read()  # ty: ignore[missing-union-attribute]
        # tarfile stops at the first header it can't make sense of. Compressed streams carry a checksum, verified
        # only at their very end; a plain file has none, but after its last member there must be a block of zeros.
        while stream.read(1 << 20):
            pass
    if opener is open:
        with open(path, "rb") as file:
            file.seek(end)
            if file.read(_BLOCK) != bytes(_BLOCK):
                raise tarfile.ReadError("the end of the archive is missing")


def _opener(path: Path):
    magic = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open}
    head = _head(path)
    return next((opener for start, opener in magic.items() if head.startswith(start)), open)


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(6)


def _parts(path: Path, name: str) -> Parts:
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
        raise _unsafe(path, name, "leads out of the archive")
    return parts


def _unsafe(path: Path, name: str, why: str) -> CorruptDataError:
    return CorruptDataError(f"{path} is not a dataset to trust: its member {name!r} {why}; fetch it from its source")
