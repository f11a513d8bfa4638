"""Every public function and class has an example in its docstring, and the examples do what they show.

Each runs by itself, as somebody would paste it: with nothing imported, and without a network.
"""

import doctest
import importlib
import inspect
import re
import warnings
from pathlib import Path

import pytest

import salkit

API = Path(__file__).resolve().parents[1] / "book" / "api"
ROOMS = ("attribution", "attack", "course", "data", "display", "errors", "evaluation", "models", "reporting")
ROOMS += ("sanity", "synthesis", "targets")
# What one call would download, or find on one machine and not on another: the example is shown and not run.
NOT_RUN = {"cifar10", "find_cifar10", "find_mnist", "get_cifar10", "mnist", "pretrained"}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public():
    """``{name: object}``: what the rooms offer, each object once, but for modules, plain data and exceptions."""
    found = {}
    for room in ("", *ROOMS):
        module = importlib.import_module(f"salkit.{room}".rstrip("."))
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            if inspect.isfunction(value) or (inspect.isclass(value) and not issubclass(value, BaseException)):
                found.setdefault(value, f"{room}.{name}".lstrip("."))
    return {name: value for value, name in found.items()}


PUBLIC = public()


def example(name):
    value = PUBLIC[name]
    return doctest.DocTestParser().get_doctest(inspect.getdoc(value), {}, name, inspect.getsourcefile(value), 0)


@pytest.mark.parametrize("name", PUBLIC)
def test_an_example_does_what_it_shows(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    test = example(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", salkit.errors.SalkitWarning)
        failed, _ = doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test)
    assert not failed, capsys.readouterr().out


@pytest.mark.parametrize("name", PUBLIC)
def test_an_example_is_there_and_short_and_can_fail(name):
    steps = example(name).examples
    skipped = {doctest.SKIP in step.options for step in steps}
    assert steps and any(step.want for step in steps)
    assert len(steps) <= 8 and max(len(line) for step in steps for line in step.source.splitlines()) <= 100
    assert (True in skipped) == (name.split(".")[-1] in NOT_RUN)


def test_an_example_that_is_wrong_would_be_seen(capsys):
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test).failed == 1
    assert "Got" in capsys.readouterr().out


def named_on_pages():
    """The objects that the pages in book/api list, with their full names."""
    found = []
    for path in API.glob("*.md"):
        module = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"\.\. currentmodule:: (\S+)", line):
                module = match[1]
            elif match := re.match(r"\.\. (?:auto(?:function|class|exception)|py:data):: (\S+)", line):
                found.append(f"{module}.{match[1]}")
    return found


def test_the_pages_list_every_public_object_once():
    listed = named_on_pages()
    assert len(set(listed)) == len(listed)
    values = [look_up(name) for name in listed]
    ours = {id(value) for value in values}
    missing = [name for name, value in PUBLIC.items() if id(value) not in ours]
    assert not missing, f"on no page of book/api: {missing}"
    errors = {value for value in vars(salkit.errors).values() if inspect.isclass(value)}
    assert errors <= {value for value in values if inspect.isclass(value)}


def look_up(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def test_no_docstring_has_doubled_backslashes():
    """A raw docstring holds a formula as one would write it."""
    for path in Path(salkit.__file__).parent.rglob("*.py"):
        for text in re.findall(r'(?<!r)"""(?:[^"]|"(?!""))*"""', path.read_text(encoding="utf-8")):
            assert "\\\\" not in text, f"{path.name}: {text[:60]}"
