"""The first things that a stranger sees: what they say is true, and what they show runs as it stands."""

import re
import subprocess
import sys

import pytest
from PIL import Image

from tools import chapters

ROOT = chapters.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")
NO_NETWORK = """
import socket
def refuse(*_, **__):
    raise OSError("the example must run without a network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""


def test_the_example_runs_as_printed_without_data_and_without_a_network(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(example.strip().splitlines()) == 5
    for name in ("SALKIT_DATA", "SALKIT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run([sys.executable, "-c", NO_NETWORK + example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "maps.png") as picture:
        assert min(picture.size) > 100
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 1000, "an empty figure"


def test_the_commands_are_targets():
    targets = re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.M)
    commands = re.findall(r"^\$ make (\w+)", README, re.M)
    assert commands == ["book", "test"] and set(commands) <= set(targets)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_between_files_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (ROOT / link).exists(), f"{name} links to {link}"


def test_it_says_in_the_first_lines_what_this_is_and_shows_it():
    words_before_the_example = README.split("```python")[0].split()
    assert len(words_before_the_example) < 260, "nobody reads that in thirty seconds"
    assert "book/_static/front.png" in README.split("## ")[0]
    assert "badge" not in README and "shields.io" not in README
