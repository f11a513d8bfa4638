"""What stands around the book: changelog, template, hooks, and the image for Binder or a JupyterHub."""

import datetime
import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.version import Version

from tools import chapters

ROOT = chapters.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_has_the_form_that_it_names():
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.M)
    assert headings[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in headings[1:]]
    assert all(released)
    versions = [Version(match[1]) for match in released]
    days = [datetime.date.fromisoformat(match[2]) for match in released]
    assert versions == sorted(versions, reverse=True) and days == sorted(days, reverse=True)
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.M)) <= KINDS


def test_the_version_is_in_the_changelog_or_still_to_be_released():
    released = re.findall(r"^## \[(\d\S*)\]", CHANGELOG, re.M)
    pending = CHANGELOG.split("## [Unreleased]")[1].split("\n## ")[0]
    assert PROJECT["version"] in released or re.search(r"^- ", pending, re.M)


def test_hooks_are_local_and_their_commands_exist():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = {hook["id"]: hook for hook in repositories[0]["hooks"]}
    assert hooks.keys() == {"ruff", "chapters"}
    assert all(hook["language"] == "system" and hook["entry"].startswith(".venv/bin/") for hook in hooks.values())
    found = [p for p in (ROOT / "book").rglob("*.*") if re.search(hooks["chapters"]["files"], str(p.relative_to(ROOT)))]
    sources = {path.stem for path in chapters.chapters()}
    assert {path.stem for path in found if path.suffix != ".yml"} == sources
    assert {path.stem for path in found if path.suffix == ".yml"} <= {name[:2] for name in sources}


def test_the_template_names_commands_that_there_are():
    text = (ROOT / ".github/PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):.*##", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"`make ([\w-]+)", text)) <= set(targets)
    for module in re.findall(r"python -m (tools\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_the_image_has_a_python_that_the_book_runs_on():
    version = re.fullmatch(r"python-(\d+\.\d+)\n", (ROOT / "binder/runtime.txt").read_text())[1]
    assert version in (ROOT / ".github/workflows/ci.yml").read_text(), "the tests run on another Python"


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_the_images_scripts_can_be_executed(name):
    path = ROOT / "binder" / name
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.parametrize(("chosen", "expected"), [("", "fast"), ("full", "full")])
def test_the_image_starts_in_the_small_profile_unless_another_is_chosen(chosen, expected):
    environment = {"PATH": "/usr/bin:/bin"} | ({"SALKIT_PROFILE": chosen} if chosen else {})
    command = [ROOT / "binder/start", "bash", "-c", "echo $SALKIT_PROFILE"]
    assert subprocess.run(command, env=environment, capture_output=True, text=True).stdout.strip() == expected
