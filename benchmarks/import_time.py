"""How long `import salkit` takes, beside `import torch`: `python -m benchmarks.import_time`.

Each is timed in a process of its own, the two in turn, and compared pair by pair.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from .report import closing, described, machine, write

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 11


def seconds(module: str) -> float:
    """Wall time of a new interpreter that imports one module."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True)
    return time.perf_counter() - started


def main() -> None:
    print(described(machine()))
    for module in ("torch", "salkit"):  # once unmeasured: compiled files and the disk cache
        seconds(module)
    pairs = [(seconds("torch"), seconds("salkit")) for _ in range(PAIRS)]
    low, middle, high = statistics.quantiles((salkit / torch for torch, salkit in pairs), n=4)
    figures = {
        "seconds": {name: statistics.median(times) for name, times in zip(("torch", "salkit"), zip(*pairs))},
        "ratio": {"median": middle, "quartiles": [low, high]},
    }
    print(f"import torch:  {figures['seconds']['torch']:.2f} s, median of {PAIRS}")
    print(f"import salkit: {figures['seconds']['salkit']:.2f} s")
    print(f"salkit / torch: {middle:.2f} (quartiles {low:.2f} to {high:.2f})")
    print(closing(write("import_time", figures)))


if __name__ == "__main__":
    main()
