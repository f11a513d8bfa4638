"""The page of a report: one HTML file with its pictures in it, without scripts and without a request.

What it says stands in ``templates/``; here are the values. Whatever a value holds is escaped there.
"""

from __future__ import annotations

import base64
import io
import platform
from datetime import datetime

import torch
from torch import Tensor

from .. import __version__
from ..display import Figure, curves, grid, heatmap, overlay
from ..evaluation import Interval, mean_interval
from . import verdicts as rules
from .machine import version_of
from .measurements import CONTROLS, CURVES, STEPS, Measured, is_signed

_MARKS = {rules.NO: ("no", "✕"), rules.CARE: ("care", "!"), rules.OPEN: ("open", "○")}
_PLACES = (("upper left", "top", "upper right"), ("left", "centre", "right"), ("lower left", "bottom", "lower right"))
_CONTROL_NAMES = {"edge_map": "edge map", "random_map": "random map"}
_TITLES = {
    "verdicts": "In short",
    "maps": "Predictions and maps",
    "sanity": "Sanity checks",
    "scores": "Scores",
    "completeness": "Completeness",
    "limits": "What this page cannot tell",
    "repeat": "How to repeat it",
}
_CONDITIONS = {
    "all layers": "all weights scrambled",
    "last layer": "last layer scrambled",
    "second class": "second class",
    "edges": "edge map",
}


def page(measured: Measured, *, command: str | None = None) -> str:
    """The whole page as text.

    Args:
        measured: from :func:`~salkit.reporting.measurements.measure`.
        command: how to make it again.
    """
    labels, device = measured.pictures.labels, measured.subject.device
    absent = set() if measured.completeness else {"completeness"}
    not_compared = {"second class"} if measured.predictions.mirrored else set()
    conditions = {kind: title for kind, title in _CONDITIONS.items() if kind not in not_compared}
    packages = ("torch", "torchvision", "captum", "numpy")
    return _template().render(
        measured=measured,
        rules=rules,
        controls=CONTROLS,
        steps=STEPS,
        command=command,
        now=datetime.now().astimezone(),
        titles={key: title for key, title in _TITLES.items() if key not in absent},
        verdicts=[(verdict, *_MARKS[verdict.grade]) for verdict in rules.verdicts(measured)],
        hits=None if labels is None else int((measured.predictions.probabilities.argmax(1) == labels).sum()),
        cards=[_card(measured, i) for i in range(len(measured.pictures))],
        conditions=conditions,
        similarities={
            name: [_cell(rules.likeness(measured, kind, name), -1, 1) for kind in conditions]
            for name in measured.methods
        },
        scores={name: _scores(measured, name) for name in measured.methods},
        charts={kind: _chart(measured, kind) for kind in CURVES},
        completeness=measured.completeness and _completeness(measured),
        device="GPU: " + torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        versions=[f"salkit {__version__}", f"Python {platform.python_version()}"]
        + [f"{package} {version_of(package)}" for package in packages],
    )


def _template():
    import jinja2  # here, because most who import salkit write no report

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("salkit.reporting"),
        autoescape=True,  # by the name of the file Jinja2 would not: it doesn't end in .html
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"label": _label, "spec": format}
    environment.tests["signed"] = is_signed  # ty: ignore[invalid-assignment]  # typed as what Jinja2 has itself
    return environment.get_template("report.html.j2")


# --------------------------------------------------------------------------- maps


def _card(measured: Measured, i: int) -> dict:
    """What stands about one image."""
    probabilities, classes, labels = measured.predictions.probabilities[i], measured.classes, measured.pictures.labels
    likeliest = probabilities.topk(min(5, len(classes)))
    return dict(
        name=measured.pictures.names[i],
        explained=classes[int(measured.explained[i])],
        second=classes[int(measured.second[i])],
        truth=None if labels is None else classes[int(labels[i])],
        likeliest=[(classes[k], share) for share, k in zip(likeliest.values.tolist(), likeliest.indices.tolist())],
        picture=_picture(_figure(measured, i), _alt(measured, i)),
    )


def _figure(measured: Measured, i: int) -> Figure:
    """Magnitudes above, signed values below: the colours of a row are of one kind."""
    image = measured.pictures.inputs[i]
    above = [name for name in measured.methods if not is_signed(name)]
    below = [name for name in measured.methods if is_signed(name)]
    rows: list[list] = [
        [image, *(measured.maps[name][i] for name in above)],
        [None, *(measured.maps[name][i] for name in below)],
    ]
    titles: list[list] = [["image", *map(_label, above)], [None, *map(_label, below)]]
    if below[0] not in CONTROLS:
        chosen = "gradcam" if "gradcam" in below else below[0]
        heat = heatmap(measured.maps[chosen][i : i + 1], signed=True)
        rows[1][0], titles[1][0] = overlay(image[None], heat, signed=True)[0], f"{_label(chosen)} over it"
    width = max(map(len, rows))
    rows, titles = ([row + [None] * (width - len(row)) for row in table] for table in (rows, titles))
    return grid(rows, titles=titles, cell=1.5)


def _alt(measured: Measured, i: int) -> str:
    """What the figure shows, for those who don't see it: where each map has its largest value."""
    asked = [name for name in measured.methods if name not in CONTROLS]
    found = ", ".join(f"{name} is {_highest(measured.maps[name][i])}" for name in asked)
    explained = measured.classes[int(measured.explained[i])]
    return f"The image and its maps for the class {explained}: {found}. An edge map and a random map beside."


def _highest(heat: Tensor) -> str:
    if bool((heat == heat.flatten()[0]).all()):
        return "the same everywhere"
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    return f"highest at the {_PLACES[3 * row // heat.shape[0]][3 * column // heat.shape[1]]}"


# --------------------------------------------------------------------------- scores


def _scores(measured: Measured, name: str) -> list[dict | None]:
    """Area and gain by deletion, and by insertion; of the random map the gain would be over itself."""
    areas = {kind: _cell(mean_interval(measured.curves[kind][name].area), 0, 1) for kind in CURVES}
    gains = {kind: _cell(rules.gain(measured, name, kind), -1, 1) for kind in CURVES if name != "random_map"}
    return [cell for kind in CURVES for cell in (areas[kind], gains.get(kind))]


def _chart(measured: Measured, kind: str) -> dict:
    by_name = measured.curves[kind]
    done, move = {
        "deletion": ("replaced by grey", "falls"),
        "insertion": ("put into the blurred image", "rises"),
    }[kind]
    figure = curves(
        next(iter(by_name.values())).fractions.tolist(),
        {_label(name): curve.scores.mean(0) for name, curve in by_name.items()},
        f"share of the pixels {done}",
        "probability, mean",
        percent=True,
        title=kind.capitalize(),
        size=(6.0, 3.6),
    )
    areas = {name: by_name[name].area.mean().item() for name in measured.methods}
    best = sorted(areas, key=areas.__getitem__, reverse=kind == "insertion")[0]
    return _picture(
        figure,
        f"{kind.capitalize()} curves: the mean probability {move} fastest by {_label(best)} (area {areas[best]:.2f}); "
        f"by the random map the area is {areas['random_map']:.2f}.",
    )


def _completeness(measured: Measured) -> dict:
    gap, change, size = (measured.completeness[key].abs() for key in ("gap", "change", "size"))
    worst = int(gap.argmax())
    return dict(
        score="logit" if measured.predictions.end is None else "probability",
        middle=gap.median().item(),
        worst=gap[worst].item(),
        name=measured.pictures.names[worst],
        change=change[worst].item(),
        size=size[worst].item(),
        large=int((gap > 0.1 * change + 0.01 * size).sum()),
    )


# --------------------------------------------------------------------------- pieces


def _cell(interval: Interval, low: float, high: float) -> dict | None:
    """The numbers, and in percent of the range where interval, mean and 0 lie; ``None`` where nothing was measured."""
    if not interval.n:
        return None

    def place(value: float) -> float:
        return 100 * min(1, max(0, (value - low) / (high - low)))

    mean, _, rest = rules.brief(interval).partition(" ")
    start, end = map(place, rules.ends(interval))
    places = dict(left=start, width=end - start, middle=place(interval.mean), zero=place(0) if low < 0 else None)
    return dict(mean=mean, rest=rest, n=interval.n, **places)


def _picture(figure: Figure, alt: str) -> dict[str, str]:
    """The figure as a picture in the page itself: twice as many dots as it has on a plain screen."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="webp",
        dpi=200,
        facecolor="white",
        bbox_inches="tight",
        pad_inches=0.08,
        pil_kwargs=dict(quality=84, method=4),
    )
    return dict(url="data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode(), alt=alt)


def _label(name: str) -> str:
    return _CONTROL_NAMES.get(name, name)
