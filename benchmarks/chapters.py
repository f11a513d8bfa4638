"""How long each chapter runs: `python -m benchmarks.chapters [--profile full] [NN ...]`.

Runs chapters from top to bottom and keeps nothing but the time. In the small profile it is the processor's time with
one thread, which is what the clock would show on an idle core, however busy the machine is. In full it is the clock's,
on the GPU where there is one. The figures of other chapters and devices stay, and the first page of the book
quotes them: `python -m tools.front_page contents`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time

from tools import chapters

from .report import RESULTS, machine, write


def run(source, profile: str) -> dict:
    """Seconds of one run, on what, and when; ``kind`` is ``"fast"``, ``"cpu"`` or ``"gpu"``."""
    began, used = time.perf_counter(), _processor_seconds()
    record = chapters.execute(source).metadata["salkit"]
    clock, processor = time.perf_counter() - began, _processor_seconds() - used
    on_cpu = record["device"].startswith("cpu")
    kind = "fast" if profile == "fast" else "cpu" if on_cpu else "gpu"
    seconds = round(processor if profile == "fast" else clock, 1)
    return {"kind": kind, "seconds": seconds, "device": record["device"], "date": machine()["date"]}


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
    path = RESULTS / "chapters.json"
    figures = json.loads(path.read_text())["figures"] if path.exists() else {}
    for source in chapters.chosen(options.numbers):
        figure = run(source, options.profile)
        figures.setdefault(source.stem, {})[figure.pop("kind")] = figure
        print(f"{source.stem:24} {figure['seconds']:7.1f} s on {figure['device']}", flush=True)
        write("chapters", figures)


if __name__ == "__main__":
    main()
