"""Write book/performance.md: how fast everything is, from the files that the benchmarks left.

Run as ``python -m tools.performance`` after a benchmark; ``make bench`` does. It reads ``benchmarks/results/*.json``
and measures nothing. What nobody has measured is said to be so.

A time means little without its machine. Of a GPU, which has a name that others can buy, seconds are quoted; of a
processor ratios, or shares of a limit. Only the chapters' running times are quoted of both: a reader plans by them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import chapters as chapter_times
from benchmarks import commands, pages, recipes, report, training
from salkit import models
from salkit._cache import write_file

from . import chapters, front_page

PAGE = chapters.BOOK / "performance.md"
NOT_MEASURED = front_page.NOT_MEASURED
NONE = "–"  # where there is nothing to measure
HEAVIEST = 10  # pages in the table

Read = Callable[[str], "dict | None"]
"""From the name of a result to what ``benchmarks.report.read`` gives for it."""


# ------------------------------------------------------------------------------------------------------- pieces


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))


def measured_on(result: dict) -> str:
    return f"*Measured on {report.described(result['machine'])}; {result['machine']['date']}.*"


def not_measured(script: str) -> str:
    return f"*Not measured yet: `python -m benchmarks.{script}`.*"


def number(value: float | None, form: str, missing: str = NOT_MEASURED) -> str:
    """A value in a form such as ``"{:.1f}"``; ``missing`` if there is none."""
    return missing if value is None else form.format(value)


def limited(value: float | None, limit: float, form: str) -> str:
    """The same, in bold where it is more than the limit."""
    text = number(value, form)
    return f"**{text}**" if value is not None and value > limit else text


# ----------------------------------------------------------------------------------------------------- sections


def attribution(read: Read) -> str:
    text = """\
How many times as long as `salkit` others take for the same map of one image, everybody with the same network and threads:
more than 1 means that `salkit` is faster. captum runs at its defaults, and at the batch size that was its fastest in a
small sweep. What both compute is equal in 64 bits, or the benchmark stops. The memory is what a default call of `salkit` adds to the
network and the libraries; it was measured at 224 pixels."""  # noqa: E501
    return "\n\n".join([text, *_on_each_device(read, "attribution", _attribution_table)])


def _attribution_table(result: dict) -> str:
    def row(figure: dict) -> list[str]:
        ratio = figure.get("ratio", {})
        peers = [number(ratio.get(peer), "{:.2f}", NONE) for peer in ("captum", "captum best", "pytorch-grad-cam")]
        memory = number(figure.get("peak memory (MB)"), "{:,.0f} MB", NONE)
        return [f"{figure['model']}, {figure['size']}", f"`{figure['method']}`", *peers, memory]

    head = ["network, pixels", "method", "captum", "captum, best batch", "pytorch-grad-cam", "memory"]
    return table(head, [row(figure) for figure in result["figures"]])


def _on_each_device(read: Read, script: str, write: Callable[[dict], str]) -> list[str]:
    """For the results of a CPU and of a GPU: the machine, and what is to be said of the figures."""
    blocks = []
    for heading, name in (("On a CPU", script), ("On a GPU", f"{script}-gpu")):
        result = read(name)
        body = f"{write(result)}\n\n{measured_on(result)}" if result else not_measured(script)
        blocks.append(f"### {heading}\n\n{body}")
    return blocks


def scores(read: Read) -> str:
    result = read("scores")
    if not result:
        return not_measured("scores")
    figures = result["figures"]
    lines = []
    for ours, theirs, peer in (
        ("spearman", "spearman, one by one", "SciPy's `spearmanr`"),
        ("ssim", "ssim, one by one", "scikit-image's `structural_similarity`"),
    ):
        if ours in figures and theirs in figures:
            ratio = figures[theirs]["seconds"] / figures[ours]["seconds"]
            lines.append(f"- `{ours}` for 10,000 maps of 32x32: {peer}, map by map, takes {ratio:.1f} times as long.")
    if together := figures.get("together"):
        share = together["seconds"] / together["aim_seconds"]
        names = ", ".join(f"`{name}`" for name in together["of"])
        allowed = f"{together['aim_seconds']:.0f} s"
        lines.append(f"- {names} together take {share:.0%} of the {allowed} that they are allowed.")
    return "\n".join(lines or [NOT_MEASURED]) + f"\n\n{measured_on(result)}"


def training_speed(read: Read) -> str:
    text = """\
How long is the way to the accuracy that the source reports ({cite:t}`wu2022saliency`, the table of [chapter 1](01-four-models.ipynb)), by its recipe and by ours?
Both learn from the same training images of CIFAR-10, and stop after the epoch in which the same validation images reach it. The last column is
the training time by the source's recipe divided by ours; looking at the validation images is not counted.

The source's recipe is that of its published notebooks: pixels from 0 to 255 less the mean image, batches of 16 from two worker processes, plain
SGD at 0.01, torchvision's strides, an end when the validation loss has not fallen for 3 or 5 epochs.
Ours is `salkit.course.fit`, with the options that `benchmarks/training.py` lists. One seed each."""  # noqa: E501
    results = [result for result in (read("training"), read("training-gpu")) if result]
    blocks = [f"{_training_table(result)}\n\n{measured_on(result)}" for result in results]
    return "\n\n".join([*([text, *blocks] if blocks else []), _reached(read)])


def _training_table(result: dict) -> str:
    on_gpu = bool(result["machine"]["gpu"])
    seconds = ["the source's recipe", "ours"] if on_gpu else []
    head = ["network", "to", "epochs, the source's recipe", "epochs, ours", *seconds, "ratio"]
    rows = []
    for name, row in result["figures"]["networks"].items():
        theirs, ours = ([run[whose] for run in row["runs"]] for whose in ("source", "ours"))
        took = [_seconds(theirs), _seconds(ours)] if on_gpu else []
        cells = [_epochs(theirs), _epochs(ours), *took, training.said_ratio(row)]
        rows.append([name, f"{row['goal']:.2%}", *cells])
    return table(head, rows)


def _epochs(results: list[dict]) -> str:
    """``6``, or ``6; 9, stopped early at 51.20%`` of several seeds."""
    why = {"limit": "the time was up", "early": "stopped early", "schedule": "all there were", "diverged": "diverged"}
    return "; ".join(
        str(result["epochs"])
        if result["ended"] == "reached"
        else f"{result['epochs']}, {why[result['ended']]} at {result['accuracy']:.2%}"
        for result in results
    )


def _seconds(results: list[dict]) -> str:
    return "; ".join(f"{result['seconds']:.1f} s" for result in results)


def _reached(read: Read) -> str:
    text = """\
### In the end

What the recipes in `salkit/course/recipes` reach when they run to their end. Images that were kept out of the training images chose the epoch, and the test images were looked at once;
with `resnet18_fine` twice: its second stage was added after they had shown what the first one reaches.
A network that `salkit.models.trained` does not have is measured by a benchmark of its own, `benchmarks/recipes.py`."""  # noqa: E501
    shipped = {name: recipes.reached(models.trained_metadata(name)) for name in training.NETWORKS}
    measured = {name: {} for name in recipes.NAMES}
    for result in (read("recipes"), read("recipes-gpu")):
        measured |= result["figures"] if result else {}
    rows = [_reached_row(name, figure) for name, figure in (shipped | measured).items()]
    return f"{text}\n\n{table(['recipe', 'strides', 'epochs', 'test accuracy', 'data', 'on'], rows)}"


def _reached_row(name: str, figure: dict) -> list[str]:
    if not figure:
        return [f"`{name}`", *[NOT_MEASURED] * 5]
    strides = ", ".join(map(str, figure["strides"])) if figure["strides"] else NONE
    return [f"`{name}`", strides, str(figure["epochs"]), f"{figure['test']:.2%}", figure["data"], figure["device"]]


def chapter_section(read: Read) -> str:
    measured = chapter_times.measured(read)
    sources = [source for source in chapters.chapters() if chapters.twin_of(source).exists()]
    figures = {source: _of_record(source) | measured.get(source.stem, {}) for source in sources}
    text = """\
The small profile on one core; in full on two cores with the ready-trained networks; in full on a GPU, where chapter 1 trains its networks anew.
Beside each time is the most memory that the chapter held: the process's, or on a GPU the GPU's. The limits are {limits}; **bold** is over.
A chapter that no benchmark ran in full stands here with the run whose outputs the book shows, as on the [first page](index.md). That run may have had one thread only, or a busy machine."""  # noqa: E501
    names = {"fast": "small profile", "cpu": "in full, CPU", "gpu": "in full, GPU"}
    limits = "; ".join(
        f"{names[kind]} {seconds} s and {memory / 1024:.0f} GB"
        for kind, (seconds, memory) in chapter_times.LIMITS.items()
    )
    rows = []
    for source in sources:
        cells = [f"[{int(source.stem[:2])}. {front_page.title(source)}]({chapters.twin_of(source).name})"]
        rows.append(cells + [_time_and_memory(figures[source].get(kind), kind) for kind in names])
    ran_on = "; ".join(f"{names[kind]}: {_machines(figures, kind)}" for kind in names)
    blocks = [text.format(limits=limits), table(["chapter", *names.values()], rows), f"*Measured on: {ran_on}.*"]
    return "\n\n".join(blocks)


def _time_and_memory(figure: dict | None, kind: str) -> str:
    """``25 s, 900 MB``."""
    if figure is None:
        return NOT_MEASURED
    seconds, memory = chapter_times.LIMITS[kind]
    took = limited(figure["seconds"], seconds, "{:.0f} s")
    held = limited(figure.get("memory_mb"), memory, "{:,.0f} MB")
    return f"{took}, memory {held}" if held == NOT_MEASURED else f"{took}, {held}"


def _of_record(source: Path) -> dict:
    """The run of a chapter that the book shows, as ``benchmarks.chapters`` would put it; empty before there was one."""
    record = chapters.read_twin(source).metadata.get("salkit", {})
    if "seconds" not in record:
        return {}
    on_cpu = record["device"].startswith("cpu")
    memory = record.get("memory_mb" if on_cpu else "gpu_memory_mb")
    machine = f"{record['device']}, python {record['versions']['python']}, torch {record['versions']['torch']}"
    return {"cpu" if on_cpu else "gpu": {"seconds": record["seconds"], "memory_mb": memory, "machine": machine}}


def _machines(figures: dict, kind: str) -> str:
    """The machines that a column was measured on."""
    rows = [figure[kind] for figure in figures.values() if kind in figure]
    return " and ".join(sorted({row.get("machine") or row["device"] for row in rows})) or NOT_MEASURED


def page_section(read: Read) -> str:
    result = read("pages")
    text = f"""\
Opened in a browser from disk: the bytes of a page and of all that it loads, as a web server sends them (at most {pages.MAX_BYTES / 1e6} MB), and the time until the
first words or picture are on the screen, as a share of {pages.MAX_PAINT / 1000:.0f} second. **Bold** is over."""  # noqa: E501
    if not result:
        return f"{text}\n\n{not_measured('pages')}"
    figures = result["figures"]
    light = sum(figure["bytes"] <= pages.MAX_BYTES for figure in figures.values())
    quick = sum(figure["first_paint_ms"] <= pages.MAX_PAINT for figure in figures.values())
    slowest = max(figures, key=lambda name: figures[name]["first_paint_ms"])
    summary = (
        f"Of {len(figures)} pages {light} are light enough and {quick} quick enough; "
        f"`{slowest}` takes longest. The heaviest:"
    )
    heaviest = sorted(figures, key=lambda name: -figures[name]["bytes"])[:HEAVIEST]
    rows = [
        [
            f"`{name}`",
            limited(figures[name]["bytes"] / 1000, pages.MAX_BYTES / 1000, "{:,.0f} kB"),
            limited(figures[name]["first_paint_ms"] / pages.MAX_PAINT, 1, "{:.0%}"),
        ]
        for name in dict.fromkeys([*heaviest, slowest])
    ]
    return "\n\n".join([text, summary, table(["page", "transferred", "first paint"], rows), measured_on(result)])


def command_section(read: Read) -> str:
    result = read("commands")
    text = "After the installation, as a share of the time that they may take on two cores. **Bold** is over."
    if not result:
        return f"{text}\n\n{not_measured('commands')}"
    rows = []
    for target, limit in commands.LIMITS.items():
        seconds = result["figures"].get(target, {}).get("seconds")
        share = limited(None if seconds is None else seconds / limit, 1, "{:.0%}")
        rows.append([f"`make {target}`", f"{limit / 60:.0f} min", share])
    return "\n\n".join([text, table(["command", "allowed", "taken"], rows), measured_on(result)])


def import_section(read: Read) -> str:
    result = read("import_time")
    if not result:
        return not_measured("import_time")
    ratio = result["figures"]["ratio"]
    low, high = ratio["quartiles"]
    text = (
        f"`import salkit` takes {ratio['median']:.2f} times as long as `import torch`, which it contains "
        f"(quartiles {low:.2f} to {high:.2f})."
    )
    return f"{text}\n\n{measured_on(result)}"


def scenes(read: Read) -> str:
    result = read("scenes")
    if not result:
        return not_measured("scenes")
    figures = result["figures"]
    ratio = figures["seconds"]["drawn"] / figures["seconds"]["read"]
    accuracy = " and ".join(f"a {name} classifier {share:.1%}" for name, share in figures["accuracy"].items())
    text = (
        f"Drawing {figures['images']:,} [Scenes](scenes.md) takes {ratio:.0f} times as long as reading them from the "
        f"cache. Of Scenes that they have not seen, {accuracy} gets right after {figures['learnt from']:,}."
    )
    return f"{text}\n\n{measured_on(result)}"


SECTIONS: dict[str, Callable[[Read], str]] = {
    "The methods, beside their peers": attribution,
    "The scores": scores,
    "Training": training_speed,
    "Chapters": chapter_section,
    "Pages": page_section,
    "Commands": command_section,
    "Import": import_section,
    "Scenes": scenes,
}

HEAD = """\
<!-- Written by python -m tools.performance: edit that, not this. -->
# How fast it is

Every figure on this page was measured by a script in `benchmarks/`, and put here from its file by a program; `make bench` does both.
A time means little without its machine. So seconds are quoted of a GPU with a name; of a processor we quote ratios, which another machine roughly shares,
or shares of a limit. The chapters' running times are the exception: you may want to plan by them."""  # noqa: E501


def page(folder: Path | None = None) -> str:
    """The page, from the results in a folder; by default ``benchmarks/results``."""
    read = partial(report.read, folder=folder)
    blocks = [f"## {heading}\n\n{write(read)}" for heading, write in SECTIONS.items()]
    return "\n\n".join([HEAD, *blocks]) + "\n"


def main() -> int:
    write_file(PAGE, page())
    print(f"wrote book/{PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
