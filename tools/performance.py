"""Write book/performance.md: how fast everything is, from the files that the benchmarks left.

Run as ``python -m tools.performance`` after a benchmark; ``make bench`` does. It reads ``benchmarks/results/*.json``
and measures nothing. What nobody has measured has no row and no column. What the page says stands in
``performance.md.j2``.

A time means little without its machine. Of a GPU, which has a name that others can buy, seconds are quoted; of a
processor ratios, or shares of a limit. Only the chapters' running times are quoted of both: a reader plans by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import jinja2

from benchmarks import chapters as chapter_times
from benchmarks import commands, pages, recipes, report, training
from salkit import models
from salkit._cache import write_file

from . import chapters, front_page

PAGE = chapters.BOOK / "performance.md"
HEAVIEST = 10  # pages in the table
KINDS = {"fast": "small profile", "cpu": "in full, CPU", "gpu": "in full, GPU"}
ENDED = {"limit": "the time was up", "early": "stopped early", "schedule": "all there were", "diverged": "diverged"}

Read = Callable[[str], "dict | None"]
"""From the name of a result to what ``benchmarks.report.read`` gives for it."""


def number(value: float | None, form: str, missing: str = "–") -> str:
    """A value in a form such as ``"{:.1f}"``; ``missing`` if there is none."""
    return missing if value is None else form.format(value)


def limited(value: float | None, limit: float, form: str) -> str:
    """The same, in bold where it is more than the limit."""
    text = number(value, form)
    return f"**{text}**" if value is not None and value > limit else text


def reached(read: Read) -> dict[str, dict]:
    """What each recipe reached in the end, by its name; ``{}`` where nobody has measured it."""
    found = {name: recipes.reached(models.trained_metadata(name)) for name in training.NETWORKS}
    found |= {name: {} for name in recipes.NAMES}
    for result in filter(None, (read("recipes"), read("recipes-gpu"))):
        found |= result["figures"]
    return found


def of_chapters(read: Read) -> dict[str, dict]:
    """What each executed chapter took, by the link to it and by one of ``KINDS``."""
    measured = chapter_times.measured(read)
    return {
        f"[{int(source.stem[:2])}. {front_page.title(source)}]({chapters.twin_of(source).name})": _of_record(source)
        | measured.get(source.stem, {})
        for source in chapters.chapters()
        if chapters.twin_of(source).exists()
    }


def _of_record(source: Path) -> dict:
    """The run of a chapter that the book shows, as ``benchmarks.chapters`` would put it; empty before there was one."""
    record = chapters.read_twin(source).metadata.get("salkit", {})
    if "seconds" not in record:
        return {}
    on_cpu = record["device"].startswith("cpu")
    memory = record.get("memory_mb" if on_cpu else "gpu_memory_mb")
    machine = f"{record['device']}, python {record['versions']['python']}, torch {record['versions']['torch']}"
    return {"cpu" if on_cpu else "gpu": {"seconds": record["seconds"], "memory_mb": memory, "machine": machine}}


def known(figures: dict[str, dict]) -> dict[str, str]:
    """Those of ``KINDS`` in which a chapter was run."""
    return {kind: name for kind, name in KINDS.items() if any(kind in row for row in figures.values())}


def machines(figures: dict[str, dict], kind: str) -> str:
    """The machines that a column of the chapters' table was measured on."""
    rows = [figure[kind] for figure in figures.values() if kind in figure]
    return " and ".join(sorted({row.get("machine") or row["device"] for row in rows}))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "limited": limited}
    environment.globals |= {
        "described": report.described,
        "said_ratio": training.said_ratio,
        "reached": reached,
        "of_chapters": of_chapters,
        "known": known,
        "machines": machines,
        "KINDS": KINDS,
        "ENDED": ENDED,
        "HEAVIEST": HEAVIEST,
        "LIMITS": chapter_times.LIMITS,
        "COMMANDS": commands.LIMITS,
        "MAX_BYTES": pages.MAX_BYTES,
        "MAX_PAINT": pages.MAX_PAINT,
    }
    return environment.get_template("performance.md.j2")


def section(name: str, read: Read) -> str:
    """One macro of the template: ``"attribution"``, ``"scores"``, ``"training"`` and so on, or the whole ``"page"``."""
    return re.sub(r"\n{3,}", "\n\n", getattr(_template().module, name)(read)).strip() + "\n"


def page(folder: Path | None = None) -> str:
    """The page, from the results in a folder; by default ``benchmarks/results``."""
    return section("page", partial(report.read, folder=folder))


def main() -> None:
    write_file(PAGE, page())
    print(f"wrote book/{PAGE.name}")


if __name__ == "__main__":
    main()
