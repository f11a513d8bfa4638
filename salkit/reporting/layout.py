"""The page of a report: one HTML file with its pictures in it, without scripts and without a request."""

from __future__ import annotations

import base64
import io
import platform
from datetime import datetime
from html import escape

import torch

from .. import __version__
from ..display import Figure, curves, grid, heatmap, overlay
from ..evaluation import Interval, mean_interval
from .machine import version_of
from .measurements import CONTROLS, STEPS, Measured, is_signed
from .style import CSS
from .verdicts import (
    CARE,
    LIKE_EDGES,
    NO,
    OPEN,
    PARTLY,
    SAME_CLASS,
    UNNOTICED,
    UNNOTICED_LAST,
    brief,
    gain,
    likeness,
    verdicts,
)

_MARKS = {NO: ("no", "✕"), CARE: ("care", "!"), OPEN: ("open", "○")}
_PLACES = (("upper left", "top", "upper right"), ("left", "centre", "right"), ("lower left", "bottom", "lower right"))
_CONTROL_NAMES = {"edge_map": "edge map", "random_map": "random map"}


def page(measured: Measured, *, command: str | None = None) -> str:
    """The whole page as text.

    Args:
        measured: from :func:`~salkit.reporting.measurements.measure`.
        command: how to make it again.
    """
    name, n = escape(measured.subject.name), len(measured.pictures)
    sections = {
        "verdicts": ("In short", _verdicts(measured)),
        "maps": ("Predictions and maps", _maps(measured)),
        "sanity": ("Sanity checks", _sanity(measured)),
        "scores": ("Scores", _scores(measured)),
        "completeness": ("Completeness", _completeness(measured)),
        "limits": ("What this page cannot tell", _limits(measured)),
        "repeat": ("How to repeat it", _repeat(measured, command)),
    }
    sections = {key: section for key, section in sections.items() if section[1]}
    links = "".join(f'<li><a href="#{key}">{title}</a></li>' for key, (title, _) in sections.items())
    body = "\n".join(
        f'<section id="{key}" aria-labelledby="{key}-title"><h2 id="{key}-title">{title}</h2>\n{content}\n</section>'
        for key, (title, content) in sections.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>What does {name} look at?</title>
<style>{CSS}</style>
</head>
<body>
<header>
<p class="kicker">salkit report · {datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")}</p>
<h1>What does {name} look at?</h1>
<p class="lead">{_count(n, "image")}, {_count(len(measured.methods) - len(CONTROLS), "method")} and two controls:
the maps, and whether they can be believed.</p>
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<main>
{body}
</main>
<footer><p>Made by salkit {escape(__version__)}. All is in this file: it asks for nothing from the net.</p></footer>
</body>
</html>
"""


# --------------------------------------------------------------------------- verdicts


def _verdicts(measured: Measured) -> str:
    items = []
    for verdict in verdicts(measured):
        kind, mark = _MARKS[verdict.grade]
        items.append(
            f'<li class="verdict {kind}"><span class="mark" aria-hidden="true">{mark}</span><div>'
            f"<h3><code>{verdict.method}</code>: {verdict.grade}</h3><p>{' '.join(map(escape, verdict.reasons))}</p>"
            "</div></li>"
        )
    return f"""<p>{_small_sample(measured)}The verdicts hold for this network, these images and the classes explained
here. A method that passed has not been proved right: it has not been caught.</p>
<ul class="verdicts">{"".join(items)}</ul>
<p class="note">The words follow fixed thresholds, which are conventions. <em>Do not use it here</em>: the 95 %
interval of the rank correlation begins at {UNNOTICED} or above with all weights scrambled, or at {UNNOTICED_LAST} or
above with the last layer scrambled. <em>Use with care</em>: with all weights scrambled, it has a mean of {PARTLY} or
more; or the map of the second class is the same up to {SAME_CLASS}; or the map
resembles the edges at {LIKE_EDGES} or more; or a random map finds the pixels that matter as well.</p>"""


def _small_sample(measured: Measured) -> str:
    n = len(measured.pictures)
    if n == 1:
        return "<strong>One image is an anecdote</strong>: there are no intervals, and another may say otherwise. "
    if n < 8:
        return f"<strong>{n} images are few</strong>: the intervals are rough. "
    return ""


# --------------------------------------------------------------------------- maps


def _maps(measured: Measured) -> str:
    pictures = measured.pictures
    seen = f"{_count(len(pictures), 'image')} from {escape(pictures.source)}"
    if pictures.total > len(pictures) + len(pictures.skipped):
        seen += f", taken at even distances out of {pictures.total}"
    size = " × ".join(map(str, pictures.inputs.shape[2:]))
    right = ""
    if pictures.labels is not None:
        hits = int((measured.probabilities.argmax(1) == pictures.labels).sum())
        right = f" The network names the true class of {hits} of them."
    signed = [name for name in measured.methods if is_signed(name)]
    sizes = [name for name in measured.methods if not is_signed(name)]
    legend = (
        f"In the upper row ({_names(sizes)}) bright means a large value, whatever its sign: the largest of the colour "
        f"channels. In the lower row ({_names(signed)}) red speaks for the class and blue against it. Each map has a "
        "scale of its own; the lowest and the highest value stand under it."
    )
    skipped = "".join(f"<li>{escape(problem)}</li>" for problem in pictures.skipped)
    if skipped:
        skipped = f"<p>Skipped, because they can't be read:</p><ul>{skipped}</ul>"
    cards = "\n".join(_card(measured, i) for i in range(len(pictures)))
    return f"<p>{seen}. The network sees {size} pixels.{right}</p>{skipped}\n<p>{legend}</p>\n{cards}"


def _card(measured: Measured, i: int) -> str:
    probabilities, classes = measured.probabilities[i], measured.classes
    rows = "".join(
        f'<li><span class="name">{escape(classes[int(k)])}</span><span class="share">{probabilities[k]:.1%}</span>'
        f'<span class="bar" aria-hidden="true"><i style="width:{100 * probabilities[k]:.1f}%"></i></span></li>'
        for k in probabilities.topk(min(5, len(classes))).indices
    )
    first, second = (escape(classes[int(c[i])]) for c in (measured.explained, measured.second))
    why = "as asked" if measured.target else "the predicted class"
    truth = ""
    if measured.pictures.labels is not None:
        truth = f" Truly it is <b>{escape(classes[int(measured.pictures.labels[i])])}</b>."
    return f"""<article class="card">
<h3>{i + 1}. {escape(measured.pictures.names[i])}</h3>
<p>Explained: <b>{first}</b>, {why}. Second class: <b>{second}</b>.{truth}</p>
<ol class="top" aria-label="Likeliest classes">{rows}</ol>
<div class="figure" tabindex="0" role="group" aria-label="Maps of {escape(measured.pictures.names[i])}">
<img src="{_url(_figure(measured, i))}" alt="{escape(_alt(measured, i))}"></div>
</article>"""


def _figure(measured: Measured, i: int) -> Figure:
    """Magnitudes above, signed values below: the colours of a row are of one kind."""
    image = measured.pictures.inputs[i]
    above = [name for name in measured.methods if not is_signed(name)]
    below = [name for name in measured.methods if is_signed(name)]
    rows = [[image, *(measured.maps[name][i] for name in above)], [None, *(measured.maps[name][i] for name in below)]]
    titles = [["image", *map(_label, above)], [None, *map(_label, below)]]
    if below[0] not in CONTROLS:
        chosen = "gradcam" if "gradcam" in below else below[0]
        heat = heatmap(measured.maps[chosen][i : i + 1], signed=True)
        rows[1][0], titles[1][0] = overlay(image[None], heat, signed=True)[0], f"{_label(chosen)} over it"
    width = max(map(len, rows))
    rows = [row + [None] * (width - len(row)) for row in rows]
    titles = [row + [None] * (width - len(row)) for row in titles]
    return grid(rows, titles=titles, cell=1.5)


def _alt(measured: Measured, i: int) -> str:
    """What the figure shows, for those who don't see it: where each map has its largest value."""
    found = []
    for name in measured.methods:
        if name in CONTROLS:
            continue
        heat = measured.maps[name][i]
        if bool((heat == heat.flatten()[0]).all()):
            found.append(f"{_label(name)} is the same everywhere")
            continue
        row, column = divmod(int(heat.argmax()), heat.shape[1])
        place = _PLACES[3 * row // heat.shape[0]][3 * column // heat.shape[1]]
        found.append(f"{_label(name)} is highest at the {place}")
    explained = measured.classes[int(measured.explained[i])]
    return f"The image and its maps for the class {explained}: {', '.join(found)}. An edge map and a random map beside."


# --------------------------------------------------------------------------- sanity checks


def _sanity(measured: Measured) -> str:
    columns = {"all layers": "all weights scrambled", "last layer": "last layer scrambled"}
    second = left_out = ""
    if measured.predictions.mirrored:
        left_out = """<p>The check with the <b>second class</b> is left out. This network gives one number, or two that
mirror each other: what speaks for one class speaks against the other. So the map of the second class is the same with
the other sign, whatever the method is worth.</p>"""
    else:
        columns["second class"] = "second class"
        second = """<li>when the <b>second class</b> is explained instead: the nearer to 1, the less the map is about
the class;</li>"""
    columns["edges"] = "edge map"
    rows = {
        name: [_cell(likeness(measured, kind, name), -1, 1) for kind in columns] for name in measured.methods
    }
    scrambled = escape(measured.scrambled or "the only one")
    return f"""<p>How alike is each map to the map of the same image and method</p>
<ul>
<li>when <b>all weights</b> of the network are scrambled, so that it knows nothing any more (it should be unlike:
near 0);</li>
<li>when only its <b>last layer</b> (<code>{scrambled}</code>) is scrambled: it still sees, but has forgotten what
speaks for which class;</li>
{second}</ul>
<p>and how alike to the <b>edge map</b>, which knows no network? Spearman's rank correlation of the maps as they are
drawn: 1 is the same order of the pixels, 0 none in common. Mean over the images, 95 % interval, number of images;
the class is held at the one that the whole network predicted.</p>
{left_out}{_table("Rank correlation with the map under each condition", ["method", *columns.values()], rows)}
<p class="note">Scrambled: the weights are {measured.how} (seed {measured.seed}); normalisation layers forget their
running statistics. Read the controls first: the edge map knows no network, so it stays at 1 in
all columns; the random map is drawn anew for other weights, so it lies at 0, but knows no class.
A constant map can't be compared and is left out of the mean.</p>"""


# --------------------------------------------------------------------------- scores


def _scores(measured: Measured) -> str:
    rows = {}
    for name in measured.methods:
        areas = [mean_interval(getattr(measured, kind)[name].area) for kind in ("deletion", "insertion")]
        gains = [gain(measured, name, kind) for kind in ("deletion", "insertion")]
        cells = [_cell(areas[0], 0, 1), _cell(gains[0], -1, 1), _cell(areas[1], 0, 1), _cell(gains[1], -1, 1)]
        rows[name] = [cells[0], "–", cells[2], "–"] if name == "random_map" else cells
    charts = "".join(
        f'<div class="figure chart" tabindex="0" role="group" aria-label="{kind.capitalize()} curves">'
        f'<img src="{_url(_chart(measured, kind))}" alt="{escape(_chart_alt(measured, kind))}"></div>'
        for kind in ("deletion", "insertion")
    )
    return f"""<p><b>Deletion</b>: the pixels give way to grey, those with the highest value on the map first; if they
mattered, the probability of the class falls early, and the area under its curve is small. <b>Insertion</b>: they come
into the blurred image in the same order; the area should be large. Under <em>gain</em> stands by how much a method is
better than the random map on the same images; an interval that holds 0 shows no difference.</p>
{_table("Areas under the deletion and insertion curves", ["method", "deletion area", "gain", "insertion area", "gain"],
        rows)}
<div class="charts">{charts}</div>
<p class="note">{STEPS} steps; tied pixels in a random order; the class is that of the untouched image.</p>"""


def _chart(measured: Measured, kind: str) -> Figure:
    by_name = getattr(measured, kind)
    series = {_label(name): curve.scores.mean(0) for name, curve in by_name.items()}
    fractions = next(iter(by_name.values())).fractions.tolist()
    done = "replaced by grey" if kind == "deletion" else "put into the blurred image"
    label = f"share of the pixels {done}"
    return curves(fractions, series, label, "probability, mean", percent=True, title=kind.capitalize(), size=(6.0, 3.6))


def _chart_alt(measured: Measured, kind: str) -> str:
    areas = {name: getattr(measured, kind)[name].area.mean().item() for name in measured.methods}
    ranked = sorted(areas, key=areas.get, reverse=kind == "insertion")
    good = "falls fastest" if kind == "deletion" else "rises fastest"
    return (
        f"{kind.capitalize()} curves: the mean probability {good} by {_label(ranked[0])} "
        f"(area {areas[ranked[0]]:.2f}); by the random map the area is {areas['random_map']:.2f}."
    )


# --------------------------------------------------------------------------- completeness


def _completeness(measured: Measured) -> str:
    if measured.gap is None:
        return ""
    gap, change, size = measured.gap.abs(), measured.change.abs(), measured.size
    worst = int(gap.argmax())
    large = int((gap > 0.1 * change + 0.01 * size).sum())
    verdict = (
        f"In {_count(large, 'image')} that is too much: take more steps (<code>n_steps=</code>) before you read the "
        "values as shares of the score."
        if large
        else "That is small: the values can be read as shares of the score."
    )
    score = "logit" if measured.predictions.end is None else "probability"
    return f"""<p>The values of an integrated-gradients map must add up to the change of the class's {score} from a
black image to this one. By how much they don't is the error of the rule, with 50 steps. Here it is {gap.median():.2g}
in the middle and {gap[worst]:.2g} at worst (in {escape(measured.pictures.names[worst])}, where the {score} changes by
{change[worst]:.3g} and the magnitudes of all values add up to {size[worst]:.3g}). {verdict}</p>
<p>Another baseline than black asks another question; a black object gets nothing here, whatever it does.</p>
<p class="note">Too much: over a tenth of the change plus a hundredth of the magnitudes.</p>"""


# --------------------------------------------------------------------------- limits and repetition


def _limits(measured: Measured) -> str:
    told = "".join(f"<li>{escape(text)}</li>" for text in measured.warnings)
    left = "".join(f"<li><code>{name}</code>: {escape(reason)}</li>" for name, reason in measured.left_out.items())
    return (
        """<ul>
<li>Whether the network is right, or right for a good reason. A map shows where; what it means is your reading, and a
reading is tested by changing the image and looking at the answer again.</li>
<li>Anything of another network, also of the same one trained again, and of images of another kind. The intervals speak
of other images like these.</li>
<li>What the network would do on natural images with holes: grey and blurred pixels are pictures that it was never
trained on, and the scores measure its taste for them, too.</li>
<li>That a map is right because it passed. Noise passes where weights are scrambled, too; look at all columns.</li>
</ul>"""
        + (f"<h3>Methods left out</h3><ul>{left}</ul>" if left else "")
        + (f"<h3>Warnings on the way</h3><ul>{told}</ul>" if told else "")
    )


def _repeat(measured: Measured, command: str | None) -> str:
    who, pictures = measured.subject, measured.pictures
    asked = [name for name in measured.methods if name not in CONTROLS]
    if command is None:
        command = (
            "import salkit\n\n"
            f"salkit.report(model, images, methods={asked!r}, seed={measured.seed}, output=\"report.html\")"
        )
    facts = {
        "Network": f"{who.name}, {who.parameters:,} parameters, {len(measured.classes)} classes",
        "Weights and buffers, SHA-256": f"<code>{who.digest}</code>",
        "Images": f"{len(pictures)} of {pictures.total}, {' × '.join(map(str, pictures.inputs.shape[1:]))}",
        "Pixels, SHA-256": f"<code>{pictures.digest()}</code>",
        "Methods": _names(measured.methods) + "; default options",
        "Seed": f"{measured.seed}, of the scrambled weights, of the methods that draw, and of tied pixels; "
        "0 for the bootstrap",
        "Device": "GPU: " + torch.cuda.get_device_name(who.device) if who.device.type == "cuda" else who.device.type,
        "Versions": f"salkit {__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{package} {version_of(package)}" for package in ("torch", "torchvision", "captum", "numpy")),
        "Date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    rows = "".join(
        f"<div><dt>{key}</dt><dd>{value if value.startswith('<code>') else escape(value)}</dd></div>"
        for key, value in facts.items()
    )
    return f'<pre tabindex="0" aria-label="Command"><code>{escape(command)}</code></pre>\n<dl class="facts">{rows}</dl>'


# --------------------------------------------------------------------------- pieces


def _table(caption: str, head: list[str], rows: dict[str, list[str]]) -> str:
    """Methods in rows; the controls stand apart at the end."""
    columns = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = {False: "", True: ""}
    for name, cells in rows.items():
        label = f"<em>{_label(name)}</em>" if name in CONTROLS else f"<code>{name}</code>"
        values = "".join(f"<td>{cell}</td>" for cell in cells)
        body[name in CONTROLS] += f'<tr><th scope="row">{label}</th>{values}</tr>'
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{columns}</tr></thead>"
        f'<tbody>{body[False]}</tbody><tbody class="controls">{body[True]}</tbody></table></div>'
    )


def _cell(interval: Interval, low: float, high: float) -> str:
    """The numbers, and under them a line with the interval and a dot at the mean."""
    text = brief(interval)
    if not interval.n:
        return f'<span class="value">{text}</span>'

    def place(value: float) -> float:
        return 100 * min(1, max(0, (value - low) / (high - low)))

    ends = (interval.mean, interval.mean) if interval.n < 2 else (interval.low, interval.high)
    start, width = place(ends[0]), place(ends[1]) - place(ends[0])
    mean, _, rest = text.partition(" ")
    zero = f'<u style="left:{place(0):.1f}%"></u>' if low < 0 else ""
    return (
        f'<span class="value"><b>{mean}</b> {rest} <small>n = {interval.n}</small></span>'
        f'<span class="track" aria-hidden="true">{zero}<i style="left:{start:.1f}%;width:{width:.1f}%"></i>'
        f'<s style="left:{place(interval.mean):.1f}%"></s></span>'
    )


def _url(figure: Figure) -> str:
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
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _label(name: str) -> str:
    return _CONTROL_NAMES.get(name, name)


def _names(names) -> str:
    return ", ".join(map(_label, names))


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"
