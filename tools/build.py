"""Build the book: its pages from the stored notebooks, no chapter executed, every warning an error.

Run as ``python -m tools.build``. When nothing has changed since the last good build, that one is kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "_build"
HTML = OUTPUT / "html"
# Holds the digest of what the pages were built from; written only after a good build.
STAMP = OUTPUT / "built-from"


class BuildError(Exception):
    """The book can't be published as it stands."""


def parts(root: Path = ROOT) -> list[tuple[str, list[str]]]:
    """The parts of the book, each with the pages that _toc.yml names, without a suffix. The first page has no part."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    return [("", [toc["root"]])] + [(part["caption"], _files(part["chapters"])) for part in toc["parts"]]


def _files(entries: list[dict]) -> list[str]:
    return [name for entry in entries for name in (entry["file"], *_files(entry.get("sections", [])))]


def pages(root: Path = ROOT) -> list[str]:
    """All pages, in reading order."""
    return [name for _, within in parts(root) for name in within]


def sources_digest() -> str:
    """SHA-256 over everything that the pages are made from, names and contents."""
    files = [ROOT / name for name in ("_config.yml", "_toc.yml", "requirements.txt", "constraints.txt")]
    files += [Path(__file__), *(path for path in (ROOT / "tools" / "extensions").iterdir() if path.is_file())]
    # What the extensions take from elsewhere.
    names = ("cells.py", "fonts.py", "front_page.py", "links.py", "poster.py", "records.py")
    files += [ROOT / "tools" / name for name in names]
    files += (ROOT / "benchmarks" / "results").glob("chapters.json")
    files += [path for path in (ROOT / "book").rglob("*") if path.is_file()]
    # The checksums of the networks that the laboratory runs.
    files.append(ROOT / "salkit" / "models" / "trained.json")
    # The pages in book/api hold the docstrings and the source.
    files += (ROOT / "salkit").rglob("*.py")
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
    """Build the pages unless they are current. Of several processes one builds, and the others wait for it.

    Returns:
        the first page, ``_build/html/index.html``.

    Raises:
        BuildError: there was a warning or an error, or a page of _toc.yml is not there afterwards.
    """
    OUTPUT.mkdir(exist_ok=True)
    with FileLock(OUTPUT / "build.lock"):
        if not is_current():
            _build_anew()
    return HTML / "index.html"


def _build_anew() -> None:
    digest = sources_digest()
    # From nothing: Sphinx does not repeat the warnings of pages that it keeps, and leaves pages that are gone.
    for stale in (HTML, OUTPUT / ".doctrees"):
        shutil.rmtree(stale, ignore_errors=True)
    STAMP.unlink(missing_ok=True)

    command = Path(sys.executable).with_name("jupyter-book")
    # The docstrings are those of this checkout, whichever copy of the package is installed.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([command, "build", ".", "-n", "-W", "--keep-going", "-q"], cwd=ROOT, env=environment)
    if done.returncode:
        raise BuildError("The book was not built: see the warnings above.")
    missing = [name for name in pages() if not (HTML / f"{name}.html").is_file()]
    if missing:
        raise BuildError(f"The book was built without {', '.join(missing)}.")
    STAMP.write_text(digest)


if __name__ == "__main__":
    try:
        print(f"The book is in {build()}")
    except BuildError as error:
        sys.exit(str(error))
