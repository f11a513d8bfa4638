"""How quickly Scenes are drawn, and how hard they are: a linear classifier against a small convolutional network.

    python -m benchmarks.scenes [--images 10000] [--train 5000] [--epochs 10]

The linear classifier sees every pixel and no shape: what it reaches is what colours and fixed positions give away.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from salkit.course import evaluate, fit
from salkit.data.scenery import scenes

from .report import closing, described, machine, write


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))


def small_cnn() -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 64), (64, 128)):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="how many to draw for the timing")
    parser.add_argument("--train", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()

    print(described(machine()))
    drawn = seconds(lambda: scenes(options.images, seed=2, cache=False))
    scenes(options.images, seed=2)
    read = seconds(lambda: scenes(options.images, seed=2))
    print(f"{options.images} scenes of 32x32 drawn in {drawn:.1f} s, in one thread")
    print(f"read from the cache in {read:.2f} s")

    train, test = scenes(options.train, seed=0), scenes(2_000, seed=1)
    print(f"\n{options.epochs} epochs on {len(train)} scenes, accuracy on {len(test)} others (chance: 10 %)")
    accuracies = {}
    for name, build, lr in (("linear", linear, 0.005), ("small CNN", small_cnn, 0.05)):
        torch.manual_seed(0)
        model = build()
        took = seconds(partial(fit, model, train, test, epochs=options.epochs, lr=lr, progress=False))
        accuracies[name] = evaluate(model, test)[1]
        print(f"{name:10} {accuracies[name]:6.1%}   {took:6.1f} s")
    figures = {
        "images": options.images,
        "seconds": {"drawn": drawn, "read": read},
        "learnt from": options.train,
        "accuracy": accuracies,
    }
    print(closing(write("scenes", figures)))


def seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
