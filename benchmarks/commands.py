"""How long `make book` and `make test` take, once everything is installed: `python -m benchmarks.commands [NAME ...]`.

The book is built from nothing. Both run in the environment that this runs in, and nothing is installed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tools import build

from .report import closing, described, kept, machine, write

# Seconds that each should stay within, on two cores.
LIMITS = {"book": 60, "test": 600}


def command(target: str) -> list[str]:
    """``make`` with this interpreter's environment in place of ``.venv``."""
    return ["make", target, f"VENV={sys.prefix}", "INSTALLED="]


def seconds(target: str) -> float:
    """Wall time of one run.

    Raises:
        SystemExit: it failed, so its time says nothing.
    """
    if target == "book":
        build.STAMP.unlink(missing_ok=True)  # so that it is built anew
    else:
        build.build()  # else the first test that needs the pages would build them
    started = time.perf_counter()
    done = subprocess.run(command(target), cwd=build.ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"make {target} failed, so its time says nothing:\n{(done.stdout + done.stderr)[-2000:]}")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(LIMITS)}; all, if none is given")
    options = parser.parse_args()
    if unknown := set(options.names) - set(LIMITS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(LIMITS)}")
    print(described(machine()))
    figures = kept("commands")
    for target in options.names or LIMITS:
        figures[target] = {"seconds": round(seconds(target), 1), "limit": LIMITS[target]}
        print(f"make {target}: {figures[target]['seconds']:.0f} s, the limit is {LIMITS[target]} s", flush=True)
    # Not before all are done: a test compares this file with a page of the book.
    print(closing(write("commands", figures)))


if __name__ == "__main__":
    main()
