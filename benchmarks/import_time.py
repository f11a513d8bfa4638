"""How long `import salkit` takes, beside `import torch`.

Each is timed in a process of its own, the two in turn, and compared pair by pair.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 11


def seconds(module: str) -> float:
    """Wall time of a new interpreter that imports one module."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True)
    return time.perf_counter() - started


def main() -> None:
    for module in ("torch", "salkit"):  # once unmeasured: compiled files and the disk cache
        seconds(module)
    pairs = [(seconds("torch"), seconds("salkit")) for _ in range(PAIRS)]
    ratios = sorted(salkit / torch for torch, salkit in pairs)
    low, _, high = statistics.quantiles(ratios, n=4)
    print(f"import torch:  {statistics.median(torch for torch, _ in pairs):.2f} s, median of {PAIRS}")
    print(f"import salkit: {statistics.median(salkit for _, salkit in pairs):.2f} s")
    print(f"salkit / torch: {statistics.median(ratios):.2f} (quartiles {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
