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
from .subjects import Pictures, Subject, class_names, find_class

METHODS_SHOWN = ("gradient", "smoothgrad", "guided_backprop", "integrated_gradients", "gradcam", "occlusion")
CONTROLS = ("edge_map", "random_map")
STEPS = 16  # of deletion and insertion

# A slope says how much a pixel matters, whatever its sign; an amount is added up over the colours with its sign.
# Covering a place covers all its colours at once, so any of them holds the whole answer.
_REDUCTION = dict.fromkeys(
    ("gradient", "smoothgrad", "deconvnet", "guided_backprop", "guided_gradcam", "edge_map"), "max_abs"
) | dict.fromkeys(("occlusion", "rise"), "max")
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
        deletion, insertion: by method, curves of the probability of the explained class.
        gap, change, size: of integrated gradients, ``(N,)``: sum of the map minus change of the score; that change;
            and the sum of the map's magnitudes. ``None`` where the method was not among those asked for.
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
    deletion: dict[str, Curve]
    insertion: dict[str, Curve]
    gap: Tensor | None
    change: Tensor | None
    size: Tensor | None
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def probabilities(self) -> Tensor:
        """``(N, K)``."""
        return self.predictions.probabilities

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

    maps: dict[str, list[Tensor]] = {name: [] for name in names}
    similarity = {kind: {name: [] for name in names} for kind in SIMILARITIES}
    removed, added = ({name: [] for name in names} for _ in range(2))
    gaps, changes, sizes = [], [], []
    bar = tqdm(total=len(inputs) * len(names), unit="map", file=sys.stderr, disable=not progress)
    with bar:
        for i in range(len(inputs)):
            image, (first, other) = inputs[i : i + 1], (said.score_of(int(k[i])) for k in (explained, second))
            probability = said.probability_of(int(explained[i]))
            edges = _shown("edge_map", _run("edge_map", who.model, image, first, seed))
            for name in names:
                bar.set_postfix_str(name)
                if name == "integrated_gradients":
                    found, gap = METHODS[name](who.model, image, first, return_delta=True)
                    gaps.append(gap.cpu().double())
                    changes.append(found.sum().cpu().double()[None] - gaps[-1])
                    sizes.append(found.abs().sum().cpu().double()[None])
                else:
                    found = _run(name, who.model, image, first, seed)
                mine = _shown(name, found)
                maps[name].append(mine)
                partners = {
                    "edges": edges,
                    **{kind: _map_of_scrambled(name, net, image, first, seed) for kind, net in scrambled.items()},
                }
                if not said.mirrored:
                    partners["second class"] = _shown(name, _run(name, who.model, image, other, seed))
                for kind, partner in partners.items():
                    similarity[kind][name].append(spearman(mine, partner))
                # The baselines of the paper: grey holes in the picture, sharp pieces on a blurred one.
                options = dict(steps=STEPS, seed=seed)
                order = mine.float()  # not every device has float64
                removed[name].append(deletion(who.model, image, order, probability, baseline="grey", **options))
                added[name].append(insertion(who.model, image, order, probability, baseline="blur", **options))
                bar.update()
    return Measured(
        subject=who,
        pictures=pictures,
        seed=seed,
        classes=classes,
        predictions=said,
        explained=explained,
        second=second,
        target=target is not None,
        maps={name: torch.cat(parts) for name, parts in maps.items()},
        similarity={
            kind: {name: torch.cat(values or [torch.empty(0)]).cpu() for name, values in by_name.items()}
            for kind, by_name in similarity.items()
        },
        scrambled=layer,
        how=how,
        deletion={name: _together(curves) for name, curves in removed.items()},
        insertion={name: _together(curves) for name, curves in added.items()},
        gap=torch.cat(gaps) if gaps else None,
        change=torch.cat(changes) if changes else None,
        size=torch.cat(sizes) if sizes else None,
        left_out=left_out,
    )


def _check_names(methods: Sequence[str] | None) -> None:
    unknown = [name for name in methods or () if name not in METHODS]
    if unknown:
        raise InputError(f"there is no method {unknown[0]!r}; there are {', '.join(METHODS)}")
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
    others = probabilities.scatter(1, first[:, None], -1.0)
    return first, others.argmax(1)


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


def _together(curves: list[Curve]) -> Curve:
    return Curve(curves[0].fractions, torch.cat([curve.scores for curve in curves]))
