"""Seconds to score 10,000 maps of 32 x 32: `python -m benchmarks.scores [--help]`.

The aim is 10 s on two cores for Spearman, mass, rank and pointing together. By default one thread has to do:
several of them wait for each other, and on a busy machine that is what would be measured.
Peers do it map by map: SciPy's spearmanr and scikit-image's SSIM are timed on 500 of them, and scaled up.
The processor's time, of all threads together, is told beside the clock's, which is longer where others compute, too.
"""

from __future__ import annotations

import argparse
import statistics
import time

import scipy.stats
import torch
from skimage.metrics import structural_similarity

from salkit.evaluation import mask_auc, pointing_game, relevance_mass, relevance_rank
from salkit.sanity import spearman, ssim

from .report import closing, described, machine, write

N, FEW = 10_000, 500
TOGETHER = ("spearman", "relevance_mass", "relevance_rank", "pointing_game")
AIM = 10.0  # seconds for these four


def measure(functions: dict, rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds by the clock and of the processor for each: medians over the rounds, run in turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            clock, processor = time.perf_counter(), time.process_time()
            function()
            times[name].append((time.perf_counter() - clock, time.process_time() - processor))
    return {name: tuple(map(statistics.median, zip(*runs))) for name, runs in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(described(machine()))

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
    figures = {}
    for name, times in measure({**ours, **peers}, options.rounds).items():
        scale = N / FEW if name in peers else 1
        figures[name] = {key: t * scale for key, t in zip(("seconds", "processor_seconds"), times)}
    figures["together"] = {
        "of": list(TOGETHER),
        "aim_seconds": AIM,
        **{key: sum(figures[name][key] for name in TOGETHER) for key in ("seconds", "processor_seconds")},
    }
    print(f"{N} maps of 32 x 32" + " " * 6 + "seconds   of the processor")
    for name, figure in figures.items():
        print(f"{name:22} {figure['seconds']:8.2f} {figure['processor_seconds']:11.2f}")
    print(f"together: {', '.join(TOGETHER)}; the aim is {AIM:.0f} s")
    print(f"\n{closing(write('scores', figures))}")


if __name__ == "__main__":
    main()
