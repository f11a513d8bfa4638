"""Set the version everywhere, and commit and tag it: ``make release VERSION=0.2.0``.

Nothing is pushed. Pushing the tag publishes it: the workflow tests it, builds the wheels and the pages.
"""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
from pathlib import Path

from .address import ROOT, Address, current, rewritten

UNRELEASED = "## [Unreleased]\n"


class ReleaseError(Exception):
    """Nothing was released, and nothing changed; the message says what is in the way."""


def dated(changelog: str, version: str, day: str) -> str:
    """The changelog with what is under *Unreleased* given the version and the day."""
    before, found, after = changelog.partition(UNRELEASED)
    if not found or not after.split("\n## ")[0].strip():
        raise ReleaseError(f"CHANGELOG.md has nothing under {UNRELEASED.strip()!r}: say there what a user notices")
    return f"{before}{found}\n## [{version}] - {day}\n{after}"


def release(version: str, root: Path = ROOT) -> None:
    """Write, commit and tag a version. When a step fails, all files are as they were.

    Raises:
        ReleaseError: the version is no newer one, uncommitted changes, an empty changelog, or chapters out of step.
    """
    now = current(root)
    new = Address(now.repository, version)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"a version is three numbers, as in VERSION=0.2.0, not {version!r}")
    if _git(root, "tag", "--list", new.tag) or _numbers(version) < _numbers(now.version):
        raise ReleaseError(f"{version} must be newer than {now.version} and than every tag")
    if _git(root, "status", "--porcelain"):
        raise ReleaseError("there are files that are not committed: git status shows them")
    day = datetime.date.today().isoformat()
    changes = rewritten(root, new)
    changelog, citation = root / "CHANGELOG.md", root / "CITATION.cff"
    changes[changelog] = dated(changelog.read_text(), version, day)
    cited = changes.get(citation, citation.read_text())
    changes[citation] = re.sub(r"(\nversion: .*\n)(date-released: .*\n)?", rf"\1date-released: {day}\n", cited)
    try:
        for path, text in changes.items():
            path.write_text(text)
        _run(root, sys.executable, "-m", "tools.chapters", "sync")
        _run(root, sys.executable, "-m", "tools.chapters", "check")
        _git(root, "commit", "--all", "--message", f"Version {version}")
    except BaseException:
        _git(root, "restore", "--staged", "--worktree", ".")
        raise
    _git(root, "tag", "--annotate", new.tag, "--message", f"Version {version}")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _git(root: Path, *arguments: str) -> str:
    return _run(root, "git", *arguments)


def _run(root: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def main() -> None:
    (version,) = sys.argv[1:] or [""]
    try:
        release(version)
    except ReleaseError as error:
        sys.exit(f"not released: {error}")
    print(f"Version {version} is committed and tagged. To publish it: git push origin HEAD v{version}")


if __name__ == "__main__":
    main()
