"""Build the book: its pages from the stored notebooks, no chapter executed, every warning an error.

Run as ``python -m tools.build``. When nothing has changed since the last good build, that one is kept.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "_build"
HTML = OUTPUT / "html"
# Holds the digest of what the pages were built from; written only after a good build.
STAMP = OUTPUT / "built-from"


class BuildError(Exception):
    """The book can't be published as it stands."""


def pages(root: Path = ROOT) -> list[str]:
    """The pages that _toc.yml names, without a suffix, in reading order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    return [toc["root"]] + [entry["file"] for part in toc["parts"] for entry in part["chapters"]]


def sources_digest() -> str:
    """SHA-256 over everything that the pages are made from, names and contents."""
    files = [ROOT / name for name in ("_config.yml", "_toc.yml", "requirements.txt", "constraints.txt")]
    files += [Path(__file__), *(ROOT / "tools" / "extensions").glob("*.py")]
    files += [path for path in (ROOT / "book").rglob("*") if path.is_file()]
    sha = hashlib.sha256()
    for path in sorted(files):
        if ".ipynb_checkpoints" not in path.parts:
            sha.update(f"{path.relative_to(ROOT)}\0".encode())
            sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()


def is_current() -> bool:
    """Whether the last build was good and nothing has changed since."""
    return STAMP.is_file() and STAMP.read_text() == sources_digest()


def build() -> Path:
    """Build the pages unless they are current.

    Returns:
        the first page, ``_build/html/index.html``.

    Raises:
        BuildError: there was a warning or an error, or a page of _toc.yml is not there afterwards.
    """
    if is_current():
        return HTML / "index.html"
    digest = sources_digest()
    # From nothing: Sphinx does not repeat the warnings of pages that it keeps, and leaves pages that are gone.
    for stale in (HTML, OUTPUT / ".doctrees"):
        shutil.rmtree(stale, ignore_errors=True)
    STAMP.unlink(missing_ok=True)

    command = Path(sys.executable).with_name("jupyter-book")
    done = subprocess.run([command, "build", ".", "-n", "-W", "--keep-going", "-q"], cwd=ROOT)
    if done.returncode:
        raise BuildError("The book was not built: see the warnings above.")
    missing = [name for name in pages() if not (HTML / f"{name}.html").is_file()]
    if missing:
        raise BuildError(f"The book was built without {', '.join(missing)}.")
    STAMP.write_text(digest)
    return HTML / "index.html"


if __name__ == "__main__":
    try:
        print(f"The book is in {build()}")
    except BuildError as error:
        sys.exit(str(error))
