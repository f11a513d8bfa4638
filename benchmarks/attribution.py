"""salkit beside captum and pytorch-grad-cam: `python -m benchmarks.attribution [--help]`.

The same network, image and number of threads for all, run in turns; medians of many rounds, with the 95 % interval of
each ratio. salkit runs at its defaults; captum at its defaults, and at the batch size that is the fastest of a small
sweep. What both compute must be equal in 64 bits, or the run stops. The peak memory of a default call on a 224-pixel
image is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torchvision
from scipy import stats
from torch import Tensor, nn

import salkit

from .report import closing, described, machine, peak_memory_mb, per_device, write

SWEEP = (1, 4, 10, 25, 75)
TARGET = 3
COPIES = 50  # noisy copies, and points on a path
LAYERS = {"resnet18": "layer3", "vgg11": "features.15"}  # for Grad-CAM; VGG's without an in-place rectifier behind it
FEWEST = 15  # rounds, however long they take
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Contest:
    """One method, by everybody.

    Attributes:
        ours, theirs: the default calls of salkit and captum.
        theirs_at: captum with so many rows in one pass, where it has that option.
        same: two calls that must agree, if not ``ours`` and ``theirs`` themselves.
        third: pytorch-grad-cam.
    """

    ours: Callable[[], Tensor]
    theirs: Callable[[], Tensor]
    theirs_at: Callable[[int], Tensor] | None = None
    same: tuple[Callable[[], Tensor], Callable[[], Tensor]] | None = None
    third: Callable | None = None


def contests(net: nn.Module, x: Tensor, layer: str) -> dict[str, Contest]:
    from captum import attr
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    channels, size = x.shape[1:3]
    window = max(1, size // 8)
    stride = max(1, window // 2)
    noise = 0.15 * float(x.max() - x.min())
    tunnel = attr.NoiseTunnel(attr.Saliency(net))
    grad_cam = GradCAM(net, [net.get_submodule(layer)])

    def their_smoothgrad(stdevs=noise, **options):
        return tunnel.attribute(x, nt_samples=COPIES, stdevs=stdevs, target=TARGET, abs=False, **options)

    def their_path(**options):
        return attr.IntegratedGradients(net).attribute(x, target=TARGET, n_steps=COPIES, **options)

    def their_occlusion(**options):
        sides, steps = (channels, window, window), (channels, stride, stride)
        return attr.Occlusion(net).attribute(x, sides, steps, 0.5, TARGET, **options)

    return {
        "gradient": Contest(
            lambda: salkit.gradient(net, x, TARGET),
            lambda: attr.Saliency(net).attribute(x, TARGET, abs=False),
        ),
        "smoothgrad": Contest(
            lambda: salkit.smoothgrad(net, x, TARGET, n_samples=COPIES),
            their_smoothgrad,
            lambda rows: their_smoothgrad(nt_samples_batch_size=rows),
            # Each draws its own noise: without any they must agree.
            same=(lambda: salkit.smoothgrad(net, x, TARGET, sigma=0.0), lambda: their_smoothgrad(stdevs=0.0)),
        ),
        "integrated_gradients": Contest(
            lambda: salkit.integrated_gradients(net, x, TARGET, n_steps=COPIES),
            their_path,
            lambda rows: their_path(internal_batch_size=rows),
        ),
        "occlusion": Contest(
            lambda: salkit.occlusion(net, x, TARGET),
            their_occlusion,
            lambda rows: their_occlusion(perturbations_per_eval=rows),
        ),
        "guided_backprop": Contest(
            lambda: salkit.guided_backprop(net, x, TARGET),
            lambda: attr.GuidedBackprop(net).attribute(x, TARGET),
        ),
        "gradcam": Contest(
            lambda: salkit.gradcam(net, x, TARGET, layer=layer, relu=False, upsample=False),
            lambda: attr.LayerGradCam(net, net.get_submodule(layer)).attribute(x, TARGET),
            third=lambda: grad_cam(x, [ClassifierOutputTarget(TARGET)]),
        ),
    }


def seconds(function: Callable) -> float:
    start = time.perf_counter()
    function()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def check_equality(name: str) -> None:
    """In 64 bits, as in 32 a rectifier that is on or off by a hair changes a pixel's gradient.

    Raises:
        SystemExit: salkit and captum differ in some method.
    """
    for method, contest in contests(network(name).double(), image(64).double(), LAYERS[name]).items():
        ours, theirs = (function() for function in contest.same or (contest.ours, contest.theirs))
        difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        if not difference < 1e-6:
            raise SystemExit(f"{name}, {method}: salkit and captum differ by {difference:.2g} of the largest value")


def race(contest: Contest, rounds: int, limit: float) -> dict:
    """Median seconds of each, and the times as long as salkit that the others take, with the interval of the median.

    A ratio is the median over the rounds of the ratio within a round, so that a slow moment of the machine counts less.
    After ``limit`` seconds the rounds end, but not before there are ``FEWEST``.
    """
    runners = {"salkit": contest.ours, "captum": contest.theirs}
    row = {}
    if contest.theirs_at:
        took = {rows: seconds(partial(contest.theirs_at, rows)) for rows in SWEEP}
        row["captum best batch"] = min(took, key=took.get)
        runners["captum best"] = partial(contest.theirs_at, row["captum best batch"])
    if contest.third:
        runners["pytorch-grad-cam"] = contest.third
    times = {name: [] for name in runners}
    start = time.perf_counter()
    for number in range(rounds + 1):
        if number > FEWEST and time.perf_counter() - start > limit:
            break
        for name, runner in reversed(runners.items()) if number % 2 else runners.items():
            took = seconds(runner)
            if number:  # the first round warms up
                times[name].append(took)
    row["rounds"] = len(times["salkit"])
    row["seconds"] = {name: statistics.median(runs) for name, runs in times.items()}
    ratios = {
        name: [theirs / ours for theirs, ours in zip(runs, times["salkit"], strict=True)]
        for name, runs in times.items()
        if name != "salkit"
    }
    row["ratio"] = {name: statistics.median(values) for name, values in ratios.items()}
    row["ratio interval"] = {name: median_interval(values) for name, values in ratios.items()}
    return row


def median_interval(values: list[float]) -> tuple[float, float]:
    """The exact 95 % interval of a median, between two of the values, which are independent of one another."""
    low = int(stats.binom.ppf(0.025, len(values), 0.5)) - 1
    ordered = sorted(values)
    return ordered[max(0, low)], ordered[min(len(values), len(values) - low) - 1]


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, num_classes=10).eval().to(DEVICE)


def image(size: int) -> Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1)).to(DEVICE)


def print_peak_memory(name: str, method: str) -> None:
    """What one default call on a 224-pixel image adds to the network and the libraries, in MB."""
    net, x = network(name), image(224)
    with torch.no_grad():
        net(x)
    if DEVICE == "cuda":
        before = torch.cuda.max_memory_allocated() / 2**20
        salkit.METHODS[method](net, x, TARGET)
        print(torch.cuda.max_memory_allocated() / 2**20 - before)
    else:
        before = peak_memory_mb()
        salkit.METHODS[method](net, x, TARGET)
        print(peak_memory_mb() - before)


def peak_memory(name: str, method: str) -> float:
    """``print_peak_memory`` in a process of its own, as a peak does not come down again."""
    command = [sys.executable, "-m", "benchmarks.attribution", "--peak-of", name, method]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(LAYERS), choices=LAYERS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[32, 224], help="side of the image in pixels")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--limit", type=float, default=60, help="seconds for the rounds of one method")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peak-of", nargs=2, metavar=("MODEL", "METHOD"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    if options.peak_of:
        print_peak_memory(*options.peak_of)
        return
    print(described(machine()))
    figures = []
    for name in options.models:
        check_equality(name)
        net = network(name)
        for size in options.sizes:
            print(f"\n{name}, one image of {size} pixels: seconds, and how many times as long as salkit")
            for method, contest in contests(net, image(size), LAYERS[name]).items():
                row = {"model": name, "size": size, "method": method, **race(contest, options.rounds, options.limit)}
                if size == 224:
                    row["peak memory (MB)"] = peak_memory(name, method)
                figures.append(row)
                print(_line(row), flush=True)
    print(f"\n{closing(write(per_device('attribution'), figures))}")


def _line(row: dict) -> str:
    took, ratio = row["seconds"], row["ratio"]
    cells = [f"{row['method']:22} salkit {took['salkit']:.3f}"]
    for name, (low, high) in row["ratio interval"].items():
        cells.append(f"{name} {took[name]:.3f} ({ratio[name]:.3f}x [{low:.3f}, {high:.3f}])")
    if "peak memory (MB)" in row:
        cells.append(f"memory {row['peak memory (MB)']:.0f} MB")
    return "   ".join(cells)


if __name__ == "__main__":
    main()
