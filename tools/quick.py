"""The tests that a change most likely touches, in under a minute: ``make quick``.

Changed is what differs from the last commit, new files included; ``python -m tools.quick FILE ...`` names other files.
A test is near a file if it has its name, nearer than one that says its name, nearer than one beside it; the nearest
come first, as many as fit into the time by ``tests/budgets.json``. ``make test`` runs all.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 50
"""For all tests together, on each core."""


def changed() -> list[str]:
    commands = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    runs = (subprocess.run(["git", *one], cwd=ROOT, capture_output=True, text=True, check=True) for one in commands)
    return [line for run in runs for line in run.stdout.splitlines()]


def distance(test: Path, file: str) -> int | None:
    """How far a file of tests is from a file; ``None``: it has nothing to do with it."""
    path = Path(file)
    if test == ROOT / path:
        return 0
    name = path.parent.name if path.stem == "__init__" else path.stem
    if test.stem == f"test_{name.lstrip('_')}":
        return 1
    if re.search(rf"\b{re.escape(name)}\b", test.read_text(encoding="utf-8")):
        return 2
    if path.parts[0] == "salkit" and len(path.parts) == 2:  # all lean on the ground floor
        return 3 if test.parent.name != "book" else None
    room = path.parts[1] if path.parts[0] == "salkit" else {"tools": "book", "book": "book"}.get(path.parts[0])
    return 3 if room == test.parent.name else None


def nearest(files: list[str]) -> list[str]:
    """Files of tests, nearest first, that take ``SECONDS`` on each core together."""
    budgets = json.loads((ROOT / "tests" / "budgets.json").read_text(encoding="utf-8"))
    ranked = []
    for test in sorted((ROOT / "tests").rglob("test_*.py")):
        found = [d for file in files if (d := distance(test, file)) is not None]
        name = str(test.relative_to(ROOT))
        if found:
            ranked.append((min(found), budgets.get(name, budgets["other"]), name))
    left, chosen = SECONDS * (os.cpu_count() or 1), []
    for _, seconds, name in sorted(ranked):
        if seconds <= left:
            left -= seconds
            chosen.append(name)
    return chosen


def main(files: list[str]) -> int:
    tests = nearest(files or changed())
    if not tests:
        print("no test is near what was changed: make test runs all")
        return 0
    print("\n".join(tests), flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "auto", *tests], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
