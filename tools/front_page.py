"""The first page: its list of chapters, with the time that each takes.

Run as ``python -m tools.front_page`` after a chapter was added, renamed, rewritten or executed; it writes what stands
between the markers in ``book/index.md``. The parts are those of ``_toc.yml``; the line about a chapter is the
``description`` in its front matter.

The time to read is the chapter's words at 200 a minute, without its code. The times to run were measured:
``benchmarks.chapters`` measures the small profile, and a chapter's record holds how long the run took that is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from benchmarks import chapters as chapter_times
from salkit._cache import write_file

from . import build, chapters, records

PAGE = chapters.BOOK / "index.md"
BEGIN, END = "<!-- chapters: begin -->", "<!-- chapters: end -->"
WORDS_A_MINUTE = 200
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Times:
    """What a chapter takes, each in words: to read, to run in the small profile, in full on a CPU and on a GPU."""

    read: str
    fast: str
    cpu: str
    gpu: str


def words(notebook: NotebookNode) -> int:
    """How many words of prose a chapter has: no code, no formulas on lines of their own, no links' addresses."""
    prose = "\n".join(records.bare(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    prose = re.sub(r"\$\$.*?\$\$|```.*?```|</?[a-z][^>\n]*>|\]\([^)]*\)|\{cite:\w\}`[^`]*`", " ", prose, flags=re.S)
    return len(re.findall(r"[^\W_][\w'’.,-]*", prose))


def duration(seconds: float | None) -> str:
    """``40 s``, ``3 min``: as coarse as another machine makes it anyway."""
    if seconds is None:
        return NOT_MEASURED
    return f"{max(10, round(seconds, -1)):.0f} s" if seconds < 95 else f"{round(seconds / 60)} min"


def times(source: Path, figures: dict) -> Times:
    """What a chapter takes, from its prose, its record and the benchmark."""
    record = chapters.read_twin(source).metadata.get("salkit", {})
    ran_on = "cpu" if record.get("device", "").startswith("cpu") else "gpu"
    found = {kind: figure["seconds"] for kind, figure in figures.get(source.stem, {}).items()}
    if "seconds" in record:
        found[ran_on] = record["seconds"]
    fast, cpu, gpu = (duration(found.get(kind)) for kind in ("fast", "cpu", "gpu"))
    return Times(f"{round(words(jupytext.read(source, fmt='md:myst')) / WORDS_A_MINUTE)} min", fast, cpu, gpu)


def title(source: Path) -> str:
    return re.search(r"^# (.+)$", source.read_text(encoding="utf-8"), re.M)[1]


def description(source: Path) -> str:
    """What the chapter is about, in one line.

    Raises:
        SystemExit: its front matter doesn't say it.
    """
    front_matter = jupytext.read(source, fmt="md:myst").metadata
    if "description" not in front_matter:
        raise SystemExit(f"{source.name}: say in its front matter, after 'description:', what the chapter is about")
    return front_matter["description"]


def contents(root: Path = chapters.ROOT, figures: dict | None = None) -> str:
    """The list of parts and chapters that have been executed, and the table of times, in Markdown."""
    figures = chapter_times.measured() if figures is None else figures
    blocks, rows = [], []
    for part, pages in build.parts(root):
        lines = []
        for source in sorted({root / f"{name}.md" for name in pages} & set(chapters.chapters(root / "book"))):
            if (twin := chapters.twin_of(source)).exists():
                number, name, t = int(source.stem[:2]), title(source), times(source, figures)
                lines.append(f"{number}. [{name}]({twin.name}): {description(source)} *{t.read}*")
                rows.append(f"| {number}. {name} | {t.read} | {t.fast} | {t.cpu} | {t.gpu} |")
        if lines:
            blocks.append("\n".join([f"### Part {part}", "", *lines]))
    table = ["| chapter | to read | to run, fast | in full, CPU | in full, GPU |", "|---|---|---|---|---|", *rows]
    return "\n\n".join([*blocks, "### How long it takes", "\n".join(table)])


def page(text: str) -> str:
    """The first page with what is generated in its place.

    Raises:
        SystemExit: the markers are not there, once each and in this order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise SystemExit(f"{PAGE.name} needs the lines {BEGIN} and {END}, once each")
    note = "<!-- Written by python -m tools.front_page: edit that, not this. -->"
    return f"{before}{BEGIN}\n{note}\n\n{contents()}\n\n{END}{after}"


def main() -> None:
    write_file(PAGE, page(PAGE.read_text(encoding="utf-8")).encode())
    print(f"wrote {PAGE.relative_to(chapters.ROOT)}")


if __name__ == "__main__":
    main()
