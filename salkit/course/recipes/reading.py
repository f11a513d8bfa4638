"""Recipes as files: which there are, what is in them, and whether that makes sense."""

from __future__ import annotations

import difflib
import inspect
import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from ...errors import InputError, require
from ...models import ARCHITECTURES
from .images import DATASETS, Images
from .options import Options


@dataclass(frozen=True)
class Stage:
    """One call of ``fit``: the images, as ``data`` in the file has them, and the options, as it spells them."""

    data: dict
    fit: dict

    def images(self) -> Images:
        """Load, download or draw the images."""
        arguments = {name: value for name, value in self.data.items() if name != "dataset"}
        return DATASETS[self.data["dataset"]](**arguments)

    def options(self) -> Options:
        """What trains the network."""
        return Options(**self.fit)


@dataclass(frozen=True)
class Recipe:
    """How a network came to be: everything it takes to make it again.

    Attributes:
        name: of the file, without its ending.
        file: where it stands, in words for a model card.
        architecture: a name in ``ARCHITECTURES``.
        kwargs: its arguments. Strides: see the docstrings of the networks.
        stages: one or more; the last one's images are also tested on. On a CPU, bfloat16 and compilation each save
            about half of the time where they are switched on.
        seed: of the first weights and of every stage.
    """

    name: str
    file: str
    architecture: str
    kwargs: dict
    stages: tuple[Stage, ...]
    seed: int = 0

    def with_epochs(self, epochs: int) -> Recipe:
        """The same with so many epochs in its last stage.

        Raises:
            InputError: fewer than one; now, and not after the stages before.
        """
        require("epochs", epochs, epochs >= 1, "at least 1")
        *before, last = self.stages
        return replace(self, stages=(*before, replace(last, fit={**last.fit, "epochs": epochs})))


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with salkit."""
    return tuple(sorted(file.name.removesuffix(".json") for file in _folder().iterdir() if file.name.endswith(".json")))


def read_recipe(name: str | os.PathLike) -> Recipe:
    """The recipe of this name, or in this file (a path that ends in ``.json``), checked.

    Raises:
        InputError: there is no such recipe, the file is not JSON, or something in it does not exist or has the wrong
            type; the message says what, and what was perhaps meant.
        OSError: the file can't be read.
    """
    name = os.fspath(name)
    if name.endswith(".json"):
        path = Path(name)
        return _parse(path.read_text(encoding="utf-8"), path.stem, path.name)
    _check_known(name, recipe_names(), "recipe", "; salkit train --list shows them all")
    return _parse((_folder() / f"{name}.json").read_text(encoding="utf-8"), name, f"salkit/course/recipes/{name}.json")


def _folder():
    return resources.files("salkit.course.recipes")


def _parse(text: str, name: str, file: str) -> Recipe:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{file} is no JSON: {error}") from error
    try:
        _check_arguments(_recipe, content, "a recipe", without=("name", "file"))
        return _recipe(name, file, **content)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _recipe(
    name: str, file: str, *, architecture: str, data: dict, stages: list, kwargs: dict | None = None, seed: int = 0
) -> Recipe:
    """The recipe with these entries, of the right types by now."""
    _check_known(architecture, ARCHITECTURES, "architecture")
    _check_arguments(ARCHITECTURES[architecture], kwargs or {}, architecture)
    if not stages:
        raise InputError("there must be one stage at least")
    return Recipe(name, file, architecture, kwargs or {}, tuple(_stage(stage, data) for stage in stages), seed)


def _stage(content, data: dict) -> Stage:
    _check_arguments(Stage, {"data": data, **content} if isinstance(content, dict) else content, "a stage")
    stage = Stage(**{"data": data, **content})
    _check_known(stage.data.get("dataset"), DATASETS, "dataset")
    arguments = {name: value for name, value in stage.data.items() if name != "dataset"}
    _check_arguments(DATASETS[stage.data["dataset"]], arguments, stage.data["dataset"], without=("load",))
    _check_arguments(Options, stage.fit, "fit")
    stage.options()  # checks the values
    return stage


def _check_known(name, known: Collection[str], what: str, more: str = "") -> None:
    if not isinstance(name, str) or name not in known:
        close = difflib.get_close_matches(str(name), known, 1)
        hint = f", did you mean {close[0]}?" if close else more or f"; there are {', '.join(known)}"
        raise InputError(f"there is no {what} {name!r}{hint}")


def _check_arguments(function: Callable, given, what: str, *, without: Collection[str] = ()) -> None:
    """Whether ``function(**given)`` has names that it takes, and values of the types that its signature says."""
    if not isinstance(given, dict):
        raise InputError(f"{what} must be an object, {{...}}, not {json.dumps(given)}")
    parameters = {name: p for name, p in inspect.signature(function).parameters.items() if name not in without}
    for name, value in given.items():
        _check_known(name, parameters, f"option of {what}")
        if not _fits(value, parameters[name].annotation):
            raise InputError(f"{name} of {what} must be {parameters[name].annotation}, not {json.dumps(value)}")
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in given]
    if missing:
        raise InputError(f"{what} needs {' and '.join(missing)}")


def _fits(value, annotation: str) -> bool:
    kinds = annotation.split(" | ")
    if value is None or isinstance(value, (bool, str)):
        return {None: "None", True: "bool", False: "bool"}.get(value, "str") in kinds
    if isinstance(value, int):
        return "int" in kinds or "float" in kinds
    if isinstance(value, float):
        return "float" in kinds
    if isinstance(value, dict):
        return "dict" in kinds
    return any(kind.startswith(("list", "tuple", "Sequence")) for kind in kinds)
