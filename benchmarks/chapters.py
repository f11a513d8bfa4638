"""How long each chapter runs, and in how much memory: `python -m benchmarks.chapters [--profile full] [NN ...]`.

Runs chapters from top to bottom and keeps nothing but time and memory. In the small profile the time is the
processor's with one thread, which is what the clock would show on an idle core, however busy the machine is. In full
it is the clock's, on the GPU where there is one. The memory is the most that the kernel held; on a GPU, the most that
was allocated there. The figures of other chapters and devices stay; those of code that has changed since go.
The book quotes the times on the page on how to run it.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable

from tools import chapters

from .report import closing, described, machine, read, write

# Seconds and MB that a chapter should stay within: in the small profile, in full on a CPU of two cores, and on a GPU.
LIMITS = {"fast": (60, 4096), "cpu": (300, 4096), "gpu": (300, 8192)}


def run(source, profile: str) -> dict:
    """Seconds and MB of one run, on what, and when; ``kind`` is ``"fast"``, ``"cpu"`` or ``"gpu"``."""
    began, used = time.perf_counter(), _processor_seconds()
    record = chapters.execute(source).metadata["salkit"]
    clock, processor = time.perf_counter() - began, _processor_seconds() - used
    on_cpu = record["device"].startswith("cpu")
    return {
        "kind": "fast" if profile == "fast" else "cpu" if on_cpu else "gpu",
        "seconds": round(processor if profile == "fast" else clock, 1),
        "memory_mb": record["memory_mb" if on_cpu else "gpu_memory_mb"],
        "device": record["device"],
        "machine": described(machine()),
        "date": machine()["date"],
        "digest": record["digest"],
    }


def measured(read: Callable[[str], dict | None] = read) -> dict:
    """``{chapter: {kind: figure}}`` as ``main`` left it, without the figures of code that has changed since."""
    figures = (read("chapters") or {"figures": {}})["figures"]
    sources = [source for source in chapters.chapters() if source.stem in figures]
    present = {source.stem: chapters.digest(chapters.regenerate(source)) for source in sources}
    return {
        name: {kind: figure for kind, figure in of_chapter.items() if figure.get("digest") == present.get(name)}
        for name, of_chapter in figures.items()
    }


def said(kind: str, figure: dict) -> str:
    """A figure in a line, with what is over its limit."""
    over = [
        f"more than {limit} {unit}"
        for key, limit, unit in zip(("seconds", "memory_mb"), LIMITS[kind], ("s", "MB"))
        if (figure[key] or 0) > limit
    ]
    memory = "memory unknown" if figure["memory_mb"] is None else f"{figure['memory_mb']:6,} MB"
    return "   ".join([f"{figure['seconds']:7.1f} s   {memory} on {figure['device']}", *over])


def _processor_seconds() -> float:
    """The processor's time of all kernels that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", help="chapters, such as 02; all, if none is given")
    parser.add_argument("--profile", choices=("fast", "full"), default="fast")
    options = parser.parse_args()
    os.environ["SALKIT_PROFILE"] = options.profile
    if options.profile == "fast":
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    print(described(machine()))
    figures = measured()
    for source in chapters.chosen(options.numbers):
        figure = run(source, options.profile)
        kind = figure.pop("kind")
        figures.setdefault(source.stem, {})[kind] = figure
        print(f"{source.stem:24} {said(kind, figure)}", flush=True)
        path = write("chapters", figures)
    print(closing(path))


if __name__ == "__main__":
    main()
