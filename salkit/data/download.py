"""Downloads that resume where they were cut, and that nobody sees before their checksum fits."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from ..errors import DataUnavailableError

CHUNK = 1 << 16


class _Failed(Exception):
    """This server did not give the file; another one may."""


def checksum(path: Path, like: str) -> str:
    """The checksum of a file, by the algorithm of the one that it should have: ``"md5:..."`` or ``"sha256:..."``.

    MD5 finds damage; only SHA-256 is also proof against an attacker.
    """
    algorithm = like.partition(":")[0]
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{algorithm}:{digest.hexdigest()}"


def download(
    urls: Sequence[str],
    path: Path,
    *,
    expected: str,
    size: int | None = None,
    attempts: int = 5,
    timeout: float = 30,
    min_speed: float = 200_000,
    patience: float = 20,
    progress: bool = True,
) -> Path:
    """Fetch one file from the first of several servers that has it, and put it at ``path`` when its checksum fits.

    The bytes gather in ``<path>.part``. A later attempt, on whatever server, goes on where the last one ended: the
    servers hold the same file, and the checksum at the end says whether that was so. A ``.part`` with a wrong
    checksum is removed; one that is merely too short stays, for the next call.

    Args:
        urls: addresses of the very same file, the preferred one first.
        path: where it ends up; the folder is made.
        expected: the file's checksum, ``"md5:..."`` or ``"sha256:..."`` in hexadecimal digits.
        size: its length in bytes, if known: an answer of another length is refused at once.
        attempts: how often one server is asked, as long as every attempt brings some bytes.
        timeout: seconds of silence after which a connection counts as cut.
        min_speed: bytes a second below which, after ``patience`` seconds, the next server is asked. The last
            one may be as slow as it likes.
        patience: seconds before the speed is judged.
        progress: show a tqdm bar.

    Returns:
        ``path``.

    Raises:
        DataUnavailableError: no server gave the file (the message has each one's reason), or it can't be written.
    """
    part = path.with_name(path.name + ".part")
    with _or_say_where(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url in urls:
        speed = 0 if url == urls[-1] else min_speed
        try:
            _fetch_checked(url, part, expected, attempts, (size, timeout, speed, patience, progress))
        except _Failed as failure:
            reasons.append(f"  {url}: {failure}")
        else:
            os.replace(part, path)
            return path
    raise DataUnavailableError(f"{path.name} could not be downloaded:\n" + "\n".join(reasons))


def _fetch_checked(url, part, expected, attempts, options) -> None:
    """Complete ``part`` from one server. Raises ``_Failed`` when that can't be done."""
    resumed = _length(part) > 0
    for attempt in range(1, attempts + 1):
        before = _length(part)
        try:
            _fetch(url, part, *options)
            break
        except (OSError, http.client.HTTPException) as error:
            if attempt == attempts or _length(part) <= before:
                raise _Failed(_reason(error)) from error
    found = checksum(part, expected)
    if found == expected:
        return
    part.unlink()
    if not resumed:
        raise _Failed(f"the checksum of what it gave is {found} instead of {expected}")
    # The damage may have been in what was there before: once more from the start.
    _fetch_checked(url, part, expected, attempts, options)


def _fetch(url, part, size, timeout, min_speed, patience, progress) -> None:
    """Add to ``part`` what it lacks. Raises ``_Failed`` where another server should be asked, else ``OSError``."""
    offset = _length(part)
    if offset and offset == size:
        return
    headers = {"User-Agent": "salkit", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if offset and error.code == 416:  # Nothing lies behind our last byte: whole, or wrong. The checksum knows.
            return
        raise
    with response:
        if not _continues(response, offset):
            offset = 0  # The server ignores ranges and sends everything: begin again.
        total = _total(response, offset)
        if size is not None and total not in (None, size):
            raise _Failed(f"it offers {total:,} bytes instead of {size:,}, so it is not the file")
        bar = tqdm(
            total=total or size, initial=offset, desc=part.stem, unit="B", unit_scale=True, unit_divisor=1024,
            mininterval=0.5, disable=not progress, file=sys.stdout,
        )  # fmt: skip
        with _or_say_where(part):
            file = open(part, "ab" if offset else "wb")
        with bar, file:
            started, received = time.monotonic(), 0
            while chunk := response.read(CHUNK):
                with _or_say_where(part):
                    file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
                seconds = time.monotonic() - started
                if seconds >= patience and received < min_speed * seconds:
                    raise _Failed(f"it gave only {received / max(seconds, 1e-9) / 1000:.0f} kB/s")
                if size is not None and offset + received > size:
                    break
    if total is not None and offset + received < total:
        raise ConnectionError(f"the connection was cut after {offset + received:,} of {total:,} bytes")


def _continues(response, offset: int) -> bool:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return bool(offset) and response.status == 206 and match is not None and int(match[1]) == offset


def _total(response, offset: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isdigit() else None


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    return str(getattr(error, "reason", error)) or type(error).__name__


@contextmanager
def _or_say_where(path: Path) -> Generator[None]:
    """An error of the disk, and not of the network, is told at once: no other server can help."""
    try:
        yield
    except OSError as error:
        raise DataUnavailableError(
            f"the download can't be written to {path.parent} ({error}); set SALKIT_CACHE to a folder that can be"
        ) from error
