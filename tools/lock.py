"""Write what is to be installed, in the versions that are installed here: ``make lock``.

What the package, the book and the tests need stands once, in pyproject.toml: its dependencies, and the groups ``book``,
``test``, ``interop``, ``nbgrader`` and ``quizzes``. From the first two comes requirements.txt, from the dependencies
binder/requirements.txt (what chapters need on a server); constraints.txt pins everything that all of them pull in.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

from salkit._cache import write_file

ROOT = Path(__file__).resolve().parents[1]
ON_A_SERVER = "scikit-learn"
"""What chapters need beside the package itself."""


def pinned(requirements: list[str]) -> str:
    names = sorted((Requirement(line).name for line in requirements), key=str.lower)
    return "".join(f"{name}=={version(name)}\n" for name in names)


def files() -> dict[str, str]:
    """The texts of requirements.txt and binder/requirements.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    package, groups = project["project"]["dependencies"], project["dependency-groups"]
    backend = project["build-system"]["requires"]
    return {
        "requirements.txt": (
            "# Written by make lock from pyproject.toml, which says what each is for.\n-c constraints.txt\n\n"
            f"# the package\n{pinned(package)}\n# the book\n{pinned(groups['book'])}\n# the tests\n"
            f"{pinned(groups['test'])}\n# the build backend\n{pinned(backend)}"
        ),
        "binder/requirements.txt": (
            "# Written by make lock: what Binder or a JupyterHub installs, with PyTorch for CPUs only.\n"
            f"--extra-index-url https://download.pytorch.org/whl/cpu\n{pinned([*package, ON_A_SERVER])}"
        ),
    }


def everything() -> str:
    """The text of constraints.txt."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude", "pip", "--exclude-editable"]
    found = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout
    return f"# Written by make lock: the versions of all that requirements.txt and make interop pull in.\n{found}"


def main() -> int:
    for name, text in (files() | {"constraints.txt": everything()}).items():
        write_file(ROOT / name, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
