"""The two wheels: salkit is small and holds no weights; salkit-weights holds them all."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def salkit_wheel(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("salkit")
    shutil.copytree(ROOT / "salkit", tmp_path / "salkit", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-book"):
        shutil.copy(ROOT / name, tmp_path)
    # What else lies in a checkout, and must stay out.
    for name in ("weights", "tests", "tools"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stray.py").touch()
    return built(tmp_path)


def test_salkit_is_small_and_whole(salkit_wheel):
    names, metadata = contents(salkit_wheel)
    source = (path for path in (ROOT / "salkit").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {str(path.relative_to(ROOT)) for path in source}
    assert "salkit/py.typed" in names
    assert any(name.startswith("salkit/course/recipes/") and name.endswith(".json") for name in names)
    assert salkit_wheel.stat().st_size < 500_000
    assert "Requires-Python: >=3.11\n" in metadata


REPORT = """
import sys, torch, salkit
assert salkit.__file__.startswith(sys.argv[1]), salkit.__file__
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
salkit.report(model, torch.rand(1, 3, 8, 8), methods=["gradient"], output="report.html", progress=False)
"""


def test_the_wheel_writes_a_report(salkit_wheel, tmp_path):
    installed = tmp_path / "installed"
    with zipfile.ZipFile(salkit_wheel) as file:
        file.extractall(installed)
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", REPORT, installed]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert ".verdict {" in page and "How to repeat it</h2>" in page


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
