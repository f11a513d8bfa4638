"""What stands outside the package and the book: workflows, citation, address, pins, style."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import salkit
from tools import address

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def pins(name):
    """``{project: version}`` of a requirements file."""
    lines = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / name).read_text(), re.M)
    return {re.sub(r"[-_.]+", "-", project).lower(): Version(version) for project, version in lines}


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_follows_the_published_schema(path):
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path))


def test_there_are_four_workflows():
    names = {path.stem for path in (ROOT / ".github/workflows").iterdir()}
    assert names == {"ci", "pages", "colab-weekly", "links-weekly"}


def test_the_citation_follows_the_published_schema():
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format", "CITATION.cff")


def test_address_and_version_are_the_same_everywhere():
    stale = [str(path.relative_to(ROOT)) for path in address.rewritten()]
    assert not stale, f"run make address: {stale}"
    now = address.current()
    citation = (ROOT / "CITATION.cff").read_text()
    config = (ROOT / "_config.yml").read_text()
    assert f'repository-code: "{now.repository}"' in citation and f"version: {now.version}\n" in citation
    assert f"url: {now.repository}\n" in config and f"baseurl: {now.pages}\n" in config
    assert salkit.__version__ == now.version


def test_no_other_address_of_the_project_is_quoted():
    """The name of the repository in an address means ours: no copy may have slipped through."""
    now = address.current()
    name = now.slug.split("/")[1]
    ours = (now.repository, now.pages, f"{now.colab}/")
    files = [path for pattern in address.QUOTING for path in ROOT.glob(pattern)]
    for path in files:
        for url in re.findall(rf"https://[^\s)\"'`>]*/{name}\b[^\s)\"'`>]*", path.read_text()):
            assert url.startswith(ours), f"{path.relative_to(ROOT)}: {url}"


def test_a_new_address_reaches_every_copy(tmp_path):
    for name in ("pyproject.toml", "README.md", "CITATION.cff", "_config.yml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("*.ipynb"))
    old = address.current()
    text = (tmp_path / "pyproject.toml").read_text()
    text = text.replace(old.repository, "https://github.com/Lab/maps").replace(f'"{old.version}"', '"8.7.6"')
    (tmp_path / "pyproject.toml").write_text(text)

    changes = address.rewritten(tmp_path)
    for path, content in changes.items():
        path.write_text(content)
    assert address.rewritten(tmp_path) == {}
    assert {"README.md", "CITATION.cff", "_config.yml", "how-to-run.md"} <= {path.name for path in changes}
    for path in changes:
        assert old.slug not in path.read_text(), path.name
    config = (tmp_path / "_config.yml").read_text()
    assert "https://lab.github.io/maps/" in config and "branch: v8.7.6" in config
    assert "blob/v8.7.6/book/" in (tmp_path / "book/how-to-run.md").read_text()


def test_pins_agree_with_each_other_and_with_the_bounds():
    direct, everything = pins("requirements.txt"), pins("constraints.txt")
    assert {name: everything.get(name) for name in direct} == direct
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(direct[requirement.name]), line


def test_installing_leaves_a_newer_torch_and_numpy_alone():
    for requirement in map(Requirement, PROJECT["dependencies"]):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators <= {">="}, f"{requirement} has an upper bound"


def test_make_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split())
    done = subprocess.run(["make", "help"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert set(re.findall(r"^  make ([\w-]+)", done.stdout, re.M)) == targets


def test_the_code_is_in_style():
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".")


def test_the_scripts_can_be_executed():
    path = ROOT / ".ci/run"
    assert path.stat().st_mode & 0o111, ".ci/run is not executable"
    run("bash", "-n", str(path))
