"""The browser that prints the book, tests its pages and times them: headless Chromium or Chrome."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
COMPRESSED = (".html", ".css", ".js", ".svg", ".json")  # what every web server sends compressed


class NoBrowserError(Exception):
    """There is no Chromium or Chrome on this machine."""


@contextmanager
def launched() -> Iterator:
    """A playwright ``Browser``: the one that is installed, or else the one that ``playwright install`` brings.

    Raises:
        NoBrowserError: there is neither.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, NAMES)), own if Path(own).is_file() else None)
        if not found:
            raise NoBrowserError(
                "This needs Chromium or Chrome. On Debian or Ubuntu: apt-get install chromium. "
                "Elsewhere: .venv/bin/playwright install chromium"
            )
        # Without a sandbox: in a container there is no right to make one, and the pages are our own.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=180_000)
        yield browser
        browser.close()


def transferred(paths: Iterable[Path]) -> int:
    """Bytes that a web server sends for these files."""
    return sum(_sent(path, path.stat().st_mtime_ns) for path in paths)


@cache
def _sent(path: Path, modified: int) -> int:
    """Bytes of one file, which is another one once it is ``modified``. Most pages share most of theirs."""
    return len(gzip.compress(path.read_bytes())) if path.suffix in COMPRESSED else path.stat().st_size
