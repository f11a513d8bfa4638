"""Seconds to score 10,000 maps of 32 x 32; run with `python benchmarks/scores.py [number of threads]`.

The aim is 10 s on two cores for Spearman, mass, rank and pointing together.
Peers do it map by map: SciPy's spearmanr and scikit-image's SSIM are timed on 500 of them, and scaled up.
"""

from __future__ import annotations

import statistics
import sys
import time

import scipy.stats
import torch
from skimage.metrics import structural_similarity

from salkit.evaluation import mask_auc, pointing_game, relevance_mass, relevance_rank
from salkit.sanity import spearman, ssim

N, FEW = 10_000, 500


def seconds(functions: dict) -> dict[str, float]:
    """The median of three runs of each, taken in turns."""
    times = {name: [] for name in functions}
    for _ in range(3):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(runs) for name, runs in times.items()}


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(N, 32, 32, generator=generator)
    b = a + torch.randn(N, 32, 32, generator=generator)
    masks = torch.rand(N, 32, 32, generator=generator) < 0.2
    ours = {
        "spearman": lambda: spearman(a, b),
        "relevance_mass": lambda: relevance_mass(a, masks),
        "relevance_rank": lambda: relevance_rank(a, masks),
        "pointing_game": lambda: pointing_game(a, masks),
        "mask_auc": lambda: mask_auc(a, masks),
        "ssim": lambda: ssim(a, b, data_range=8.0),
    }
    pairs = list(zip(a[:FEW].double().numpy(), b[:FEW].double().numpy()))
    peers = {
        "spearman, one by one": lambda: [scipy.stats.spearmanr(x.ravel(), y.ravel()) for x, y in pairs],
        "ssim, one by one": lambda: [structural_similarity(x, y, data_range=8.0) for x, y in pairs],
    }
    print(f"{N} maps of 32 x 32, {torch.get_num_threads()} threads, torch {torch.__version__}")
    took = seconds({**ours, **peers})
    for name, time_taken in took.items():
        print(f"{name:22} {time_taken * (N / FEW if name in peers else 1):6.2f} s")
    four = sum(took[name] for name in ("spearman", "relevance_mass", "relevance_rank", "pointing_game"))
    print(f"spearman, mass, rank and pointing together: {four:.2f} s (aim: 10 s)")


if __name__ == "__main__":
    main()
