"""All methods by all scores on a dataset: one call, on a laptop or under ``torchrun`` on a cluster."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from .. import targets
from .._cache import replacing, write_file
from .._device import device_of
from .._distributed import all_gather, check_same, world
from .._state import digest, untouched
from ..attribution.core import first_look
from ..data import ImageSet
from ..errors import InputError, require
from .perturbation import deletion, insertion
from .statistics import Interval, mean_interval, paired_difference


@dataclass(frozen=True, eq=False)
class Case:
    """What a score may look at beside the maps: some images of the dataset, on the model's device.

    Attributes:
        model: the network that is explained.
        inputs: ``(n, C, H, W)`` in [0, 1].
        target: what the maps explain: ``(n,)`` int64, a callable, or ``None`` for a single output.
        labels: ``(n,)`` int64, the true classes.
        masks: ``{part: (n, H, W) bool}``, or nothing in it.
        others: for each image the mean of all other images of the dataset, in the shape of ``inputs``.

    Example:
        >>> import salkit
        >>> from salkit import course, data
        >>> def upper_half(maps, case):
        ...     half = case.inputs.shape[2] // 2
        ...     return maps[:, :, :half].abs().sum((1, 2, 3)) / maps.abs().sum((1, 2, 3))
        >>> print(salkit.compare(course.HandWired(), data.scenes(8, classes=["deer", "ship"]),
        ...                      {"random": salkit.random_map}, {"upper half": upper_half}, progress=False))
                upper half
        random  0.504 [0.502, 0.507] (n = 8)
    """

    model: nn.Module
    inputs: Tensor
    target: Tensor | Callable | None
    labels: Tensor
    masks: dict[str, Tensor]
    others: Tensor


Score = Callable[[Tensor, Case], Tensor]
"""``score(maps, case) -> (n,)``, NaN where it isn't defined."""


def on_mask(score: Callable[..., Tensor], part: str = "object", **options) -> Score:
    """A ground-truth score on one of the dataset's masks, for `compare`: ``on_mask(relevance_mass, "mark")``.

    Example:
        >>> import salkit
        >>> from salkit import course, data, evaluation
        >>> some = data.scenes(8, classes=["deer", "ship"], mark_bias=1.0)
        >>> scores = {"hit": evaluation.on_mask(evaluation.pointing_game, "mark", tolerance=2)}
        >>> print(salkit.compare(course.HandWired(), some, {"edges": salkit.edge_map}, scores, progress=False))
               hit
        edges  0.750 [0.500, 1.000] (n = 8)
    """

    def scored(maps: Tensor, case: Case) -> Tensor:
        if part not in case.masks:
            raise InputError(f"the data has no mask {part!r}, only {sorted(case.masks) or 'none at all'}")
        return score(maps, case.masks[part], **options)

    return scored


def by_deletion(**options) -> Score:
    """The area under the deletion curve, for `compare`; options as for `deletion`.

    Here ``baseline="mean"`` is the mean of all other images of the dataset.

    Example:
        >>> import salkit
        >>> from salkit import course, data, evaluation
        >>> some = data.scenes(4, classes=["deer", "ship"])
        >>> scores = {"deletion": evaluation.by_deletion(baseline="blur")}
        >>> methods = {"edges": salkit.edge_map}
        >>> result = salkit.compare(course.HandWired(), some, methods, scores, progress=False)
        >>> result.values.shape
        torch.Size([1, 1, 4])
    """
    return lambda maps, case: _area(deletion, maps, case, options)


def by_insertion(**options) -> Score:
    """The area under the insertion curve, for `compare`; otherwise like `by_deletion`.

    Example:
        >>> import salkit
        >>> from salkit import course, data, evaluation
        >>> some = data.scenes(4, classes=["deer", "ship"])
        >>> scores = {"insertion": evaluation.by_insertion(baseline="blur")}
        >>> methods = {"edges": salkit.edge_map}
        >>> result = salkit.compare(course.HandWired(), some, methods, scores, progress=False)
        >>> result.values.shape
        torch.Size([1, 1, 4])
    """
    return lambda maps, case: _area(insertion, maps, case, options)


def _area(curve, maps: Tensor, case: Case, options: dict) -> Tensor:
    if isinstance(options.get("baseline"), str) and options["baseline"] == "mean":
        options = {**options, "baseline": case.others}
    return curve(case.model, case.inputs, maps, case.target, **options).area


@dataclass(frozen=True, eq=False)
class Comparison:
    """The table of `compare`; printed, it shows a mean with its interval for each method and score.

    Attributes:
        methods, scores: the names, in the order they were given.
        values: ``(methods, scores, N)`` float64, one number for each image.

    Example:
        >>> import torch
        >>> from salkit import evaluation
        >>> values = torch.tensor([[[0.9, 0.8, 0.7]], [[0.5, 0.6, 0.4]]], dtype=torch.float64)
        >>> result = evaluation.Comparison(("gradcam", "random_map"), ("mass",), values)
        >>> print(result.difference("gradcam", "random_map", "mass"))
        0.300 [0.200, 0.400] (n = 3)
    """

    methods: tuple[str, ...]
    scores: tuple[str, ...]
    values: Tensor

    def of(self, method: str, score: str) -> Tensor:
        """``(N,)``: one method by one score, image by image."""
        for name, names in ((method, self.methods), (score, self.scores)):
            if name not in names:
                raise InputError(f"{name!r} is not in the table, which has {', '.join(names)}")
        return self.values[self.methods.index(method), self.scores.index(score)]

    def interval(self, method: str, score: str) -> Interval:
        """Mean over the images, with its 95 % interval."""
        return mean_interval(self.of(method, score))

    def difference(self, method: str, other: str, score: str) -> Interval:
        """Mean of ``method - other`` over the same images, with its 95 % interval."""
        return paired_difference(self.of(method, score), self.of(other, score))

    def rows(self) -> list[dict]:
        """The tidy table, one row for each number: method, score, image, value. ``pandas.DataFrame`` takes it."""
        return [
            dict(method=method, score=score, image=image, value=value)
            for method, by_score in zip(self.methods, self.values.tolist(), strict=True)
            for score, values in zip(self.scores, by_score, strict=True)
            for image, value in enumerate(values)
        ]

    def save(self, path: str | os.PathLike, **record) -> None:
        """Write a file: as ``.csv`` the tidy table, as ``.json`` the means with their intervals as well.

        Args:
            path: its ending says which.
            record: what else the ``.json`` is to say. NaN becomes ``null``, as JSON has no NaN.

        Raises:
            InputError: another ending.
        """
        path = Path(path)
        if path.suffix.lower() not in (".csv", ".json"):
            raise InputError(f"the table must end in .csv or .json, not {path.name!r}")
        text = io.StringIO(newline="")
        if path.suffix.lower() == ".csv":
            writer = csv.DictWriter(text, ("method", "score", "image", "value"))
            writer.writeheader()
            writer.writerows(self.rows())
        else:
            means = [
                dict(method=method, score=score, **asdict(self.interval(method, score)))
                for method in self.methods
                for score in self.scores
            ]
            json.dump({**record, "means": _nullable(means), "rows": _nullable(self.rows())}, text)
        write_file(path, text.getvalue())

    def __str__(self) -> str:
        table = [["", *self.scores]]
        table += [[method, *(str(self.interval(method, score)) for score in self.scores)] for method in self.methods]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)) for row in table)
        return "\n".join(line.rstrip() for line in lines)


def _nullable(rows: list[dict]) -> list[dict]:
    return [{name: None if value != value else value for name, value in row.items()} for row in rows]


def compare(
    model: nn.Module,
    data: ImageSet,
    methods: Mapping[str, Callable[..., Tensor]],
    scores: Mapping[str, Score],
    *,
    target: targets.Target | Literal["label"] = None,
    chunk_size: int = 64,
    save: str | os.PathLike | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Comparison:
    """Every method's maps of every image, by every score.

    Under ``torchrun`` the chunks are dealt out to the processes, and each of them returns the whole table, identical
    to that of one process. Put the model on the process's own device first; the data may stay on the CPU.

    Args:
        model: takes images in [0, 1]; the work is done on its device.
        data: images with their labels, and with masks for scores that need them.
        methods: ``{name: method}``, each called as ``method(model, inputs, target)``, such as `salkit.METHODS` or a
            part of it.
        scores: ``{name: score}``, each called as ``score(maps, case)``: `on_mask`, `by_deletion`,
            `by_insertion`, or your own.
        target: the class to explain; ``"label"`` for the true one; ``None`` for the predicted one, which is found
            once and is the same for all methods. A callable is taken as it is.
        chunk_size: images at a time. A method that draws random numbers by the place in the batch gives another
            draw for another chunk size.
        save: a folder for finished chunks. The same call with the same folder goes on where it was interrupted.
            Files of other data, weights, targets or names in that folder are left alone and not used. A method or
            score is known by its name only: after a change of what it does, rename it or take another folder.
        seed: of the global random state in which each method runs; it is as before afterwards.
        progress: show a tqdm bar (in the first process).

    Raises:
        InputError: nothing to compare, a method that does not apply to the model, unknown masks, scores that aren't
            ``(n,)``, or processes that were given different models or data.

    Example:
        >>> import salkit
        >>> from salkit import course, data, evaluation
        >>> some = data.scenes(8, classes=["deer", "ship"])
        >>> methods = {"edges": salkit.edge_map, "random": salkit.random_map}
        >>> scores = {"mass": evaluation.on_mask(evaluation.relevance_mass)}
        >>> print(salkit.compare(course.HandWired(), some, methods, scores, progress=False))
                mass
        edges   0.482 [0.418, 0.535] (n = 8)
        random  0.258 [0.230, 0.283] (n = 8)
    """
    _check(data, methods, scores, chunk_size)
    device = device_of(model)
    _check_methods_apply(model, data[:1].to(device).pixels(), methods)
    classes = targets.check(data.labels if isinstance(target, str) and target == "label" else target, len(data))
    identity = _identity(model, data, methods, scores, target, classes, chunk_size, seed)
    total = _sum_of_pixels(data)
    values = torch.zeros(len(methods), len(scores), len(data), dtype=torch.float64)
    rank, size = world()
    check_same(identity, "models, data or names")
    starts = range(0, len(data), chunk_size)[rank::size]
    bar = tqdm(total=len(starts) * len(methods), unit="map batch", file=sys.stdout, disable=not progress or rank > 0)
    with bar:
        for start in starts:
            part = slice(start, min(start + chunk_size, len(data)))
            shape = (len(methods), len(scores), part.stop - start)
            path = Path(save) / f"{identity[:16]}-{start:08d}.npy" if save is not None else None
            done = _load(path, shape)
            if done is None:
                case = _case(model, data[part].to(device), targets.take(classes, part), total, len(data))
                done = _score_chunk(case, methods, scores, seed + start, bar)
                _save(path, done)
            else:
                bar.update(len(methods))
            values[:, :, part] = done
    # Each number is set in one process and 0 in the others, so the sum is exact, and NaN stays NaN.
    values = sum(all_gather(values))
    return Comparison(tuple(methods), tuple(scores), values)


def _score_chunk(case: Case, methods: Mapping, scores: Mapping, seed: int, bar: tqdm) -> Tensor:
    """``(methods, scores, n)`` float64 on the CPU."""
    n = len(case.inputs)
    result = torch.zeros(len(methods), len(scores), n, dtype=torch.float64)
    devices = [case.inputs.device] if case.inputs.device.type == "cuda" else []
    for i, (name, method) in enumerate(methods.items()):
        bar.set_postfix_str(name)
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            maps = method(case.model, case.inputs, case.target)
            for j, (score_name, score) in enumerate(scores.items()):
                value = score(maps, case)
                if tuple(value.shape) != (n,):
                    raise InputError(f"score {score_name!r} returned {tuple(value.shape)} for {n} images, not ({n},)")
                result[i, j] = value.detach().cpu().double()
        bar.update()
    return result


def _case(model: nn.Module, data: ImageSet, target, total: Tensor, n: int) -> Case:
    inputs = data.pixels()
    if target is None:
        with untouched(model, inputs) as some:
            target, _ = first_look(model, some, None, None)
    others = (total.to(data.images.device) - data.images.long()).float() / (255 * max(1, n - 1))
    return Case(model, inputs, target, data.labels, data.masks or {}, others)


def _sum_of_pixels(data: ImageSet) -> Tensor:
    """``(C, H, W)`` int64: whole numbers, so that the order of adding does not matter."""
    return sum((images.long().sum(0) for images in data.images.split(1024)), torch.zeros((), dtype=torch.int64)).cpu()


def _identity(model, data, methods, scores, target, classes, chunk_size, seed) -> str:
    """SHA-256 of everything that the numbers depend on, as far as it can be seen."""
    sha = hashlib.sha256(data.digest().encode())
    aim = getattr(target, "__qualname__", "callable") if callable(target) else "classes"
    sha.update(repr((str(model), list(methods), list(scores), aim, chunk_size, seed)).encode())
    tensors = {**(data.masks or {}), **model.state_dict()}
    if isinstance(classes, Tensor):
        tensors["classes"] = classes
    sha.update(digest(tensors).encode())
    return sha.hexdigest()


def _load(path: Path | None, shape: tuple[int, ...]) -> Tensor | None:
    """A finished chunk; ``None`` if there is none, or one that can't be read, which is then computed again."""
    try:
        values = np.load(path, allow_pickle=False) if path is not None else None
    except (OSError, ValueError, EOFError):
        return None
    return torch.from_numpy(values) if values is not None and values.shape == shape else None


def _save(path: Path | None, values: Tensor) -> None:
    if path is not None:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.save(file, values.numpy(), allow_pickle=False)


def _check(data: ImageSet, methods: Mapping, scores: Mapping, chunk_size: int) -> None:
    if not len(data) or not methods or not scores:
        raise InputError("compare needs at least one image, one method and one score")
    for kind, functions in (("method", methods), ("score", scores)):
        for name, function in functions.items():
            if not callable(function):
                raise InputError(f"{kind} {name!r} must be a function, not {type(function).__name__}")
    require("chunk_size", chunk_size, chunk_size >= 1, "at least 1")


def _check_methods_apply(model: nn.Module, inputs: Tensor, methods: Mapping) -> None:
    """Methods that can tell (those of `salkit.METHODS`) are asked; half a night later would be late to learn it."""
    for name, method in methods.items():
        reason = method.why_not(model, inputs) if hasattr(method, "why_not") else None
        if reason:
            raise InputError(f"method {name!r} does not apply to this model, leave it out: {reason}")
