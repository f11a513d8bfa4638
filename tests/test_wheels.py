"""The two wheels: salkit is small and holds no weights; salkit-weights holds them all."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from salkit import models
from salkit.models import zoo

ROOT = Path(__file__).resolve().parents[1]


def built(source):
    """The wheel of the project in a folder."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-build-isolation"]
    command += ["--no-index", "--no-deps", "--wheel-dir", source / "dist", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (source / "dist").iterdir()
    return wheel


def contents(wheel):
    """The files in a wheel, without those that describe it, and the description."""
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in file.namelist() if name.endswith("/METADATA"))
        return names, file.read(metadata).decode()


def test_salkit_is_small_and_whole(tmp_path):
    shutil.copytree(ROOT / "salkit", tmp_path / "salkit", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-book"):
        shutil.copy(ROOT / name, tmp_path)
    # What else lies in a checkout, and must stay out.
    for name in ("weights", "tests", "tools"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stray.py").touch()
    wheel = built(tmp_path)
    names, metadata = contents(wheel)
    source = (path for path in (ROOT / "salkit").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {str(path.relative_to(ROOT)) for path in source}
    assert any(name.startswith("salkit/course/recipes/") and name.endswith(".json") for name in names)
    assert wheel.stat().st_size < 500_000
    assert "Requires-Python: >=3.11\n" in metadata


def test_the_weights_are_all_there(tmp_path):
    for path in (ROOT / "weights").iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path.resolve())
    wheel = built(tmp_path)
    names, _ = contents(wheel)
    files = {f"salkit_weights/{zoo._table()[name]['file']}" for name in models.trained_names()}
    cards = {name.replace(".safetensors", ".md") for name in files}
    assert names == {"salkit_weights/__init__.py"} | files | cards
    assert wheel.stat().st_size < 90e6, "the package index takes no more than 100 MB"
