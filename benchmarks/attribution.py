"""salkit beside captum and pytorch-grad-cam; run with `python benchmarks/attribution.py [--help]`.

The same model, image and number of threads for all, in turns, medians of several rounds. captum runs at its defaults,
and at the best batch size that a small sweep finds for it. What both compute must be equal, or the run stops.
pytorch-grad-cam takes part where it is installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

import captum
import torch
import torchvision
from captum import attr

import salkit

SWEEP = (1, 4, 10, 25, 75)
TARGET = 3
COPIES = 50  # noisy copies, and points on a path


def contestants(net: torch.nn.Module, x: torch.Tensor, layer: str) -> dict[str, tuple[Callable, ...]]:
    """For each method: ours; captum at its defaults; captum at a batch size; whether the maps must be equal."""
    channels, size = x.shape[1:3]
    window = max(1, size // 8)
    stride = max(1, window // 2)
    noise = 0.15 * float(x.max() - x.min())
    smooth = attr.NoiseTunnel(attr.Saliency(net))
    inner = net.get_submodule(layer)

    def their_smoothgrad(**options):
        return smooth.attribute(x, nt_samples=COPIES, stdevs=noise, target=TARGET, abs=False, **options)

    def their_path(**options):
        return attr.IntegratedGradients(net).attribute(x, target=TARGET, n_steps=COPIES, **options)

    def their_occlusion(**options):
        return attr.Occlusion(net).attribute(
            x, (channels, window, window), (channels, stride, stride), 0.5, TARGET, **options
        )

    return {
        "gradient": (
            lambda: salkit.gradient(net, x, TARGET),
            lambda: attr.Saliency(net).attribute(x, TARGET, abs=False),
            None,
            True,
        ),
        "smoothgrad": (
            lambda: salkit.smoothgrad(net, x, TARGET, n_samples=COPIES),
            their_smoothgrad,
            lambda rows: their_smoothgrad(nt_samples_batch_size=rows),
            False,
        ),
        "integrated_gradients": (
            lambda: salkit.integrated_gradients(net, x, TARGET, n_steps=COPIES),
            their_path,
            lambda rows: their_path(internal_batch_size=rows),
            True,
        ),
        "occlusion": (
            lambda: salkit.occlusion(net, x, TARGET),
            their_occlusion,
            lambda rows: their_occlusion(perturbations_per_eval=rows),
            True,
        ),
        "guided_backprop": (
            lambda: salkit.guided_backprop(net, x, TARGET),
            lambda: attr.GuidedBackprop(net).attribute(x, TARGET),
            None,
            True,
        ),
        "gradcam": (
            lambda: salkit.gradcam(net, x, TARGET, layer=layer, relu=False, upsample=False),
            lambda: attr.LayerGradCam(net, inner).attribute(x, TARGET),
            None,
            True,
        ),
    }


def seconds(function: Callable) -> float:
    start = time.perf_counter()
    function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def race(net: torch.nn.Module, x: torch.Tensor, layer: str, rounds: int) -> list[dict]:
    """One row for each method: median seconds, and how many times longer the peers take."""
    rows = []
    for method, (ours, theirs, theirs_at, equal) in contestants(net, x, layer).items():
        runners = {"salkit": ours, "captum": theirs}
        if theirs_at:
            settings = {rows_at_once: partial(theirs_at, rows_at_once) for rows_at_once in SWEEP}
            best = min(settings, key=lambda rows_at_once: seconds(settings[rows_at_once]))  # noqa: B023
            runners["captum best"] = settings[best]
        if method == "gradcam" and (peer := pytorch_grad_cam(net, x, layer)):
            runners["pytorch-grad-cam"] = peer
        first, second = ours(), theirs()  # also warms up
        if equal and (first - second).abs().max() > 1e-4 * second.abs().max():
            raise SystemExit(f"{method}: salkit and captum differ by {(first - second).abs().max():.3g}")
        times = {name: [] for name in runners}
        for _ in range(rounds):
            for name, runner in runners.items():
                times[name].append(seconds(runner))
        medians = {name: statistics.median(runs) for name, runs in times.items()}
        rows.append({"method": method, **medians, **({"captum best batch": best} if theirs_at else {})})
    return rows


def pytorch_grad_cam(net: torch.nn.Module, x: torch.Tensor, layer: str) -> Callable | None:
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        return None
    explainer = GradCAM(net, [net.get_submodule(layer)])
    return lambda: explainer(x, [ClassifierOutputTarget(TARGET)])


MODELS = {"resnet18": "layer3", "vgg11": "features.15"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[32, 224], help="side of the image in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}, captum {captum.__version__}")
    report = []
    for name in options.models:
        torch.manual_seed(0)
        net = torchvision.models.get_model(name, weights=None, num_classes=10).eval().to(device)
        for size in options.sizes:
            x = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1)).to(device)
            print(f"\n{name} at {size} pixels: seconds, and how many times as long as salkit")
            for row in race(net, x, MODELS[name], options.rounds):
                peers = [
                    f"{peer} {row[peer]:.3f} ({row[peer] / row['salkit']:.2f}x)"
                    for peer in ("captum", "captum best", "pytorch-grad-cam")
                    if peer in row
                ]
                print(f"{row['method']:22} salkit {row['salkit']:.3f}   " + "   ".join(peers), flush=True)
                report.append({"model": name, "size": size, **row})
    if options.json:
        with open(options.json, "w") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
