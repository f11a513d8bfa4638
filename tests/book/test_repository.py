"""What stands outside the package and the book: workflows, citation, address, pins, style."""

import ast
import datetime
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import salkit
from salkit.models import zoo
from tools import address, lock, release

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


COPIES = ("salkit/models/zoo.py", *address.VERSIONED)


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


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name)
def test_a_form_for_issues_follows_the_published_schema(path):
    schema = "vendor.github-issue-config" if path.name == "config.yml" else "vendor.github-issue-forms"
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path))


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
    assert f'version = "{now.version}"\n' in (ROOT / "weights/pyproject.toml").read_text()
    assert f"{now.edition}.\n" in config
    assert zoo.REPOSITORY == now.repository


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
    for name in ("README.md", *COPIES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("*.ipynb"))
    old = address.current()
    text = (tmp_path / "pyproject.toml").read_text()
    text = text.replace(old.repository, "https://github.com/Lab/maps").replace(f'"{old.version}"', '"8.7.6"')
    (tmp_path / "pyproject.toml").write_text(text)

    changes = address.rewritten(tmp_path)
    for path, content in changes.items():
        path.write_text(content)
    assert address.rewritten(tmp_path) == {}
    changed = {str(path.relative_to(tmp_path)) for path in changes}
    assert {"README.md", "book/how-to-run.md", *COPIES} - {"pyproject.toml"} <= changed
    assert all(part.count("8.7.6") for name, part in texts(tmp_path).items() if name in address.VERSIONED)
    for path in changes:
        assert old.slug not in path.read_text(), path.name
    config = (tmp_path / "_config.yml").read_text()
    assert "https://lab.github.io/maps/" in config and "branch: v8.7.6" in config
    assert 'Edition <a href="https://github.com/Lab/maps/releases/tag/v8.7.6">8.7.6</a>' in config
    assert "blob/v8.7.6/book/" in (tmp_path / "book/how-to-run.md").read_text()


# Imported under another name than the project is installed by.
PROJECTS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "markdown_it": "markdown-it-py",
    "pytorch_grad_cam": "grad-cam",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# IPython is asked whether it is there; the rest are files beside the tests.
NOT_DECLARED = {"IPython", "salkit", "tools", "benchmarks", "tests", "weights"}


def test_what_is_imported_is_declared():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    lines = [*PROJECT["dependencies"], *(line for group in groups.values() for line in group)]
    declared = {re.sub(r"[-_.]+", "_", Requirement(line).name).lower() for line in lines}
    missing = set()
    for top in ("salkit", "tools", "benchmarks", "tests"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
                for name in {name.split(".")[0] for name in names} - NOT_DECLARED - sys.stdlib_module_names:
                    project = re.sub(r"[-_.]+", "_", PROJECTS.get(name, name)).lower()
                    if project not in declared and not list(ROOT.glob(f"tests/**/{name}.py")):
                        missing.add((name, str(path.relative_to(ROOT))))
    assert not missing


def test_the_requirements_are_those_of_pyproject():
    for name, text in lock.files().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"run make lock: {name}"


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


def test_the_types_fit():
    run(sys.executable, "-m", "ty", "check", "--python", sys.prefix)


@pytest.mark.parametrize("name", ["run", "editions"])
def test_the_scripts_can_be_executed(name):
    path = ROOT / ".ci" / name
    assert path.stat().st_mode & 0o111, f".ci/{name} is not executable"
    run("bash", "-n", str(path))


# --- releases


def workflow(name):
    return yaml.safe_load((ROOT / ".github/workflows" / f"{name}.yml").read_text())["jobs"]


def test_nothing_is_published_before_tag_and_tests_are_right():
    jobs = workflow("pages")
    assert [jobs[name].get("needs") for name in ("tag", "test", "release", "site", "deploy")] == [
        None, "tag", "test", "release", "site"
    ]  # fmt: skip
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    (command,) = (step["run"] for step in jobs["tag"]["steps"] if "run" in step)
    for tag, code in ((address.current().tag, 0), ("v9.9.9", 1), ("main", 1)):
        environment = os.environ | {"GITHUB_REF_NAME": tag}
        done = subprocess.run(["bash", "-e", "-c", command], cwd=ROOT, env=environment, capture_output=True)
        assert done.returncode == code, tag


def test_every_python_that_is_promised_is_tested():
    pythons = workflow("ci")["package"]["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={pythons[0]}" and pythons == ["3.11", "3.12", "3.13"]


def test_editions_lie_side_by_side_and_the_highest_at_the_top(tmp_path, monkeypatch):
    """With a ``gh`` that has four releases, the last one a correction of an old edition."""
    versions = ("v0.1.0", "v0.2.0", "v0.10.0", "v0.1.1")
    for version in versions:
        (tmp_path / version).mkdir()
        (tmp_path / version / "index.html").write_text(version)
        (tmp_path / version / f"only-{version}.html").touch()
        with tarfile.open(tmp_path / f"{version}.tar.gz", "w:gz") as file:
            file.add(tmp_path / version, ".")
    (tmp_path / "bin").mkdir()
    gh = tmp_path / "bin" / "gh"
    words = "\\n".join(versions)
    gh.write_text(f"#!/bin/sh\nif [ $2 = list ]; then printf '{words}\\n'; else cat '{tmp_path}'/$3.tar.gz; fi\n")
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gh.parent}:{os.environ['PATH']}")
    run(str(ROOT / ".ci/editions"), str(tmp_path / "site"))
    found = {str(path.relative_to(tmp_path / "site")): path.read_text() for path in (tmp_path / "site").rglob("*.html")}
    assert found == {
        "index.html": "v0.10.0", "only-v0.10.0.html": "",
        "v0.10/index.html": "v0.10.0", "v0.10/only-v0.10.0.html": "",
        "v0.2/index.html": "v0.2.0", "v0.2/only-v0.2.0.html": "",
        "v0.1/index.html": "v0.1.1", "v0.1/only-v0.1.1.html": "",
    }  # fmt: skip


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with what a release changes, at version 0.5.0, committed."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.org")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    root = tmp_path / "checkout"
    for name in ("book", "tools"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "0[2-9]-*", "1*-*"))
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", ".gitignore", *COPIES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    changelog = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A map.\n\n## [0.5.0] - 2026-01-01\n\n- Old.\n"
    (root / "CHANGELOG.md").write_text(changelog)
    for path, text in address.rewritten(root, address.Address(address.current().repository, "0.5.0")).items():
        path.write_text(text)
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"], ["tag", "v0.5.0"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "tools.chapters", "sync"], cwd=root, check=True)
    subprocess.run(["git", "commit", "--quiet", "--all", "--message", "sync"], cwd=root, check=True)
    return root


def texts(root):
    kinds = (".md", ".py", ".toml", ".cff", ".yml", ".ipynb")
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.suffix in kinds}


def git(root, *command):
    return subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def test_a_release_is_one_commit_with_its_tag_and_everything_says_it(checkout):
    release.release("0.6.0", checkout)
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "log", "-1", "--format=%s") == "Version 0.6.0"
    assert git(checkout, "rev-parse", "v0.6.0^{commit}") == git(checkout, "rev-parse", "HEAD")
    after = texts(checkout)
    today = datetime.date.today().isoformat()
    for name in address.VERSIONED:
        assert "0.6.0" in after[name] and "0.5.0" not in after[name], name
    for name in ("README.md", "book/how-to-run.md"):
        assert "0.6.0" in after[name] and "0.5.0" not in after[name], name
    assert f"\nversion: 0.6.0\ndate-released: {today}\n" in after["CITATION.cff"]
    assert f"## [Unreleased]\n\n## [0.6.0] - {today}\n\n### Added\n\n- A map.\n\n## [0.5.0]" in after["CHANGELOG.md"]
    for name in ("book/01-four-models.md", "book/01-four-models.ipynb"):
        assert "download/v0.6.0/salkit-0.6.0-py3" in after[name] and "0.5.0-py3" not in after[name]
    assert address.rewritten(checkout) == {}
    # The next one replaces the day and needs something new to say.
    with pytest.raises(release.ReleaseError, match="CHANGELOG.md has nothing under"):
        release.release("0.7.0", checkout)
    more = after["CHANGELOG.md"].replace("[Unreleased]\n", "[Unreleased]\n\n- A fix.\n")
    (checkout / "CHANGELOG.md").write_text(more)
    git(checkout, "commit", "--all", "--message", "fix")
    release.release("0.6.1", checkout)
    assert (checkout / "CITATION.cff").read_text().count("date-released") == 1


def test_what_is_in_the_way_of_a_release_is_said_and_nothing_changes(checkout):
    before = texts(checkout)

    def refused(version, words):
        with pytest.raises(release.ReleaseError, match=words):
            release.release(version, checkout)

    refused("", "as in VERSION=0.2.0, not ''")
    refused("1.0", "three numbers")
    refused("0.5.0", "newer than 0.5.0 and than every tag")
    refused("0.4.9", "newer")
    chapter = checkout / "book/01-four-models.md"
    chapter.write_text(chapter.read_text().replace("run = course.start(seed=0)", "run = course.start(seed=1)"))
    refused("0.6.0", "not committed")
    git(checkout, "commit", "--all", "--message", "another seed, and no run")
    before["book/01-four-models.md"] = chapter.read_text()
    refused("0.6.0", "tools.chapters (check|sync) failed:\n.*01-four-models")
    assert texts(checkout) == before
    assert git(checkout, "tag") == "v0.5.0" and git(checkout, "status", "--porcelain") == ""
