"""The numbers of a report: maps, what becomes of them when the weights are scrambled, and scores."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .. import targets
from ..attribution import METHODS
from ..display import reduce_channels
from ..errors import InputError, SalkitWarning
from ..evaluation import Curve, deletion, insertion
from ..sanity import cascade, default_layers, spearman
from .predictions import Predictions, foreign_errors, predict
from .subjects import Pictures, Subject, check_methods, class_names, find_class

METHODS_SHOWN = ("gradient", "smoothgrad", "guided_backprop", "integrated_gradients", "gradcam", "occlusion")
CONTROLS = ("edge_map", "random_map")
STEPS = 16  # of deletion and insertion

# A slope says how much a pixel matters, whatever its sign; an amount is added up over the colours with its sign.
# Covering a place covers all its colours at once, so any of them holds the whole answer.
_REDUCTION = dict.fromkeys(
    ("gradient", "smoothgrad", "deconvnet", "guided_backprop", "guided_gradcam", "edge_map"), "max_abs"
) | dict.fromkeys(("occlusion", "rise"), "max")
CURVES = {"deletion": deletion, "insertion": insertion}
SIMILARITIES = ("all layers", "last layer", "second class", "edges")


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything that a page shows. ``N`` images, ``K`` classes; the methods end with the controls.

    Attributes:
        subject, pictures, seed: what was measured.
        classes: ``K`` names.
        predictions: what the network says about the pictures.
        explained, second: ``(N,)`` int64, the class that the maps explain, and the likeliest other one.
        target: whether the explained class was named by the caller.
        maps: by method ``(N, H, W)``, channels reduced, not normalised.
        similarity: by one of ``SIMILARITIES`` and method ``(N,)``, the rank correlation of each map with the one for
            the scrambled network, for the second class, or with the edge map; NaN where a map is constant. For the
            second class ``(0,)`` where the predictions are mirrored: its map is the same with the other sign.
        scrambled: name of the layer that ``"last layer"`` scrambles.
        how: how weights are scrambled, in words.
        curves: by one of ``CURVES`` and method, the probability of the explained class.
        completeness: of integrated gradients, ``(N,)`` each: ``"gap"``, the sum of the map minus the change of the
            score; ``"change"``, that change; ``"size"``, the sum of the map's magnitudes. Empty where the method was
            not among those asked for.
        left_out: methods of the default list that do not apply, with the reason.
        warnings: what salkit and others warned of on the way.
    """

    subject: Subject
    pictures: Pictures
    seed: int
    classes: tuple[str, ...]
    predictions: Predictions
    explained: Tensor
    second: Tensor
    target: bool
    maps: dict[str, Tensor]
    similarity: dict[str, dict[str, Tensor]]
    scrambled: str
    how: str
    curves: dict[str, dict[str, Curve]]
    completeness: dict[str, Tensor]
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.maps)


def is_signed(method: str) -> bool:
    """Whether the method's values are shown with their sign."""
    return _REDUCTION.get(method) != "max_abs"


def measure(
    who: Subject,
    pictures: Pictures,
    *,
    methods: Sequence[str] | None = None,
    target: int | str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Measured:
    """Explain every image with every method, and put the maps on trial.

    Raises:
        InputError, TargetError: see `salkit.report`; before any map is computed.
    """
    with warnings.catch_warnings(record=True) as caught, foreign_errors("the report"):
        warnings.simplefilter("always")
        measured = _measure(who, pictures, methods, target, seed, progress)
    return replace(measured, warnings=tuple(dict.fromkeys(str(warning.message) for warning in caught)))


def _measure(who: Subject, pictures: Pictures, methods, target, seed: int, progress: bool) -> Measured:
    _check_names(methods)
    inputs = pictures.inputs.to(who.device)
    said = predict(who.model, inputs)
    classes = _class_names(who, said, pictures.labels)
    explained, second = _two_classes(said.probabilities, None if target is None else find_class(target, classes))
    names, left_out = _applicable(methods, who.model, inputs[:1])
    layer, scrambled, how = _scramble(who.model, inputs[:1], seed)

    trials: dict[str, list[dict]] = {name: [] for name in names}
    with tqdm(total=len(inputs) * len(names), unit="map", file=sys.stderr, disable=not progress) as bar:
        for image, first, other in zip(inputs.split(1), explained.tolist(), second.tolist()):
            for name in names:
                bar.set_postfix_str(name)
                trials[name].append(_trial(name, who.model, scrambled, said, image, first, other, seed))
                bar.update()
    found = {name: _together(of_method) for name, of_method in trials.items()}
    sums = found.get("integrated_gradients", {})
    return Measured(
        subject=who,
        pictures=pictures,
        seed=seed,
        classes=classes,
        predictions=said,
        explained=explained,
        second=second,
        target=target is not None,
        maps={name: by_key["map"] for name, by_key in found.items()},
        similarity={kind: {name: found[name].get(kind, torch.empty(0)) for name in names} for kind in SIMILARITIES},
        scrambled=layer,
        how=how,
        curves={kind: {name: found[name][kind] for name in names} for kind in CURVES},
        completeness={key: sums[key] for key in ("gap", "change", "size") if key in sums},
        left_out=left_out,
    )


def _trial(name: str, model: nn.Module, scrambled: dict, said: Predictions, image: Tensor, first: int, other: int,
           seed: int) -> dict[str, Tensor | Curve]:  # fmt: skip
    """What is measured of one method on one image, by the keys of ``Measured``'s dictionaries."""
    target, sums = said.score_of(first), {}
    if name == "integrated_gradients":
        found, gap = METHODS[name](model, image, target, return_delta=True)
        gap, total, size = (value.reshape(1).cpu().double() for value in (gap, found.sum(), found.abs().sum()))
        sums = {"gap": gap, "change": total - gap, "size": size}
    else:
        found = _run(name, model, image, target, seed)
    mine = _shown(name, found)
    partners = {kind: _map_of_scrambled(name, copy, image, target, seed) for kind, copy in scrambled.items()}
    partners["edges"] = _shown("edge_map", _run("edge_map", model, image, target, seed))
    if not said.mirrored:
        partners["second class"] = _shown(name, _run(name, model, image, said.score_of(other), seed))
    # The baselines of the paper: grey holes in the picture, sharp pieces on a blurred one.
    curves = {
        kind: CURVES[kind](
            model,
            image,
            mine.float(),  # not every device has float64
            said.probability_of(first),
            baseline=baseline,
            steps=STEPS,
            seed=seed,
        )
        for kind, baseline in (("deletion", "grey"), ("insertion", "blur"))
    }
    return {"map": mine, **{kind: spearman(mine, partner) for kind, partner in partners.items()}, **curves, **sums}


def _together(trials: list[dict]) -> dict:
    """The values for all images, one behind the other, on the CPU."""
    columns = {key: [trial[key] for trial in trials] for key in trials[0]}
    return {
        key: Curve(values[0].fractions, torch.cat([curve.scores for curve in values]))
        if key in CURVES
        else torch.cat(values).cpu()
        for key, values in columns.items()
    }


def _check_names(methods: Sequence[str] | None) -> None:
    check_methods(methods or ())
    if methods is not None and not set(methods) - set(CONTROLS):
        raise InputError("name at least one method beside the controls, which are always there")


def _class_names(who: Subject, said: Predictions, labels: Tensor | None) -> tuple[str, ...]:
    number = said.probabilities.shape[1]
    if labels is not None and len(labels) and int(labels.max()) >= number:
        raise InputError(f"the images have labels up to {int(labels.max())}, and the network {number} classes")
    return class_names(who.classes, number, single=said.single)


def _two_classes(probabilities: Tensor, target: int | None) -> tuple[Tensor, Tensor]:
    """The class to explain and the likeliest other one, ``(N,)`` each."""
    first = probabilities.argmax(1) if target is None else torch.full((len(probabilities),), target)
    return first, probabilities.scatter(1, first[:, None], -1.0).argmax(1)


def _applicable(methods: Sequence[str] | None, model: nn.Module, image: Tensor) -> tuple[list[str], dict[str, str]]:
    """The methods to show, controls last, and those of the default list that do not apply, with the reason."""
    asked = [name for name in dict.fromkeys(methods or METHODS_SHOWN) if name not in CONTROLS]
    reasons = {name: reason for name in asked if (reason := METHODS[name].why_not(model, image))}
    if methods is not None and reasons:
        name, reason = next(iter(reasons.items()))
        raise InputError(f"{name} can't explain this network: {reason}")
    return [name for name in asked if name not in reasons] + list(CONTROLS), reasons


def _scramble(model: nn.Module, image: Tensor, seed: int) -> tuple[str, dict[str, nn.Module], str]:
    """The last layer's name, copies of the network with it and with everything scrambled, and how, in words."""
    names = default_layers(model, image)
    if not names:
        raise InputError("the network has no weights, so there is nothing that it could have learnt")
    # The network itself goes by the empty name: everything inside it at once.
    layers = {"last layer": names[0], "all layers": ""}
    try:
        try:
            copies, how = _copies(model, layers, "own", seed), "drawn anew, each layer by its own initialisation"
        except InputError:  # a module with weights that doesn't know how they are initialised
            copies, how = _copies(model, layers, "permute", seed), "put into a random order, each tensor's own values"
    except (TypeError, RuntimeError) as error:  # what deepcopy raises for locks, generators and tensors with a graph
        raise InputError(f"the network can't be copied, so its weights can't be scrambled: {error}") from error
    return names[0], copies, how


def _copies(model: nn.Module, layers: dict[str, str], init: str, seed: int) -> dict[str, nn.Module]:
    return {kind: next(cascade(model, [name], init=init, seed=seed))[1] for kind, name in layers.items()}


def _run(name: str, model: nn.Module, image: Tensor, target: targets.Target, seed: int) -> Tensor:
    options = {"seed": seed} if name in ("smoothgrad", "rise", "random_map") else {}
    return METHODS[name](model, image, target, **options)


def _map_of_scrambled(name: str, model: nn.Module, image: Tensor, target: targets.Target, seed: int) -> Tensor:
    """A scrambled network may overflow; such a map counts as constant: nothing to compare."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SalkitWarning)  # of a large completeness gap, say: not the network in question
        found = _run(name, model, image, target, seed)
    return _shown(name, torch.where(found.isfinite().all(), found, 0))


def _shown(name: str, maps: Tensor) -> Tensor:
    """``(1, H, W)``, as it is drawn, compared and scored."""
    return reduce_channels(maps, _REDUCTION.get(name, "sum"))
