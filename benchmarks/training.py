"""Seconds of training to the source's accuracy, by its recipe and by ours: `python -m benchmarks.training [--help]`.

Both learn from the same 45,000 images of CIFAR-10, on one machine, one after the other, and stop after the epoch in
which the same 5,000 validation images reach the accuracy that the source reports (Wu, Table 1). The clock runs from
a new network and images in memory to that moment. It stands still while the validation images are looked at, which
both do after every 45,000 images.

The source's recipe is what its published notebooks do: torchvision's strides; pixels from 0 to 255 less the mean
training image, without augmentation; batches of 16 from a DataLoader with two worker processes; SGD at 0.01 without
momentum, in 32 bits; loss and accuracy read back after every batch; an end when the validation loss has not fallen
for 3 or 5 epochs. Ours is `salkit.course.fit`, with the options below. By the source's recipe the deep networks take
hours on a processor: name those that are wanted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from salkit import data, models
from salkit.course import evaluate, recipes
from salkit.data import ImageSet
from salkit.errors import TrainingDivergedError

from .report import closing, described, kept, machine, per_device, write

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
VALIDATION = 5_000
WORKERS = 2


@dataclass(frozen=True)
class Contest:
    """One network, by both recipes.

    Attributes:
        goal: the accuracy that the source reports, a share in [0, 1].
        patience: after how many epochs without a lower validation loss the source stops.
        kwargs: of our network, such as strides that suit 32 pixels; the source's has torchvision's.
        recipe: our ``recipes.Options``. ``epochs`` is what the schedule is made for; a run ends at the goal.
    """

    goal: float
    patience: int
    kwargs: dict
    recipe: dict


# On a processor 16 bits save up to half of the work. In few epochs little is learnt by heart, so there is no
# augmentation.
BRIEF = dict(shift=None, label_smoothing=0.0, mixed_precision=True)
# The shallow network and EfficientNet-B0 get there in fewer epochs with it than with SGD, ResNet-18 with more to spare.
ADAMW = dict(lr=0.002, optimizer="adamw", weight_decay=0.05)
# For the fully connected network a batch of 512 takes a quarter of what 128 take.
NETWORKS = {
    "fc": Contest(0.5364, 5, {}, dict(epochs=8, lr=0.1, batch_size=512, **BRIEF)),
    "shallow_cnn": Contest(0.6554, 5, {}, dict(epochs=3, batch_size=64, **ADAMW, **BRIEF)),
    "resnet18": Contest(0.7126, 3, {}, dict(epochs=3, **ADAMW, **BRIEF)),
    "efficientnet_b0": Contest(
        0.7436,
        3,
        # The widest maps have a quarter of the pixels that they have with (1, 2), the shipped network's strides.
        # Like the others it goes without what stands against learning by heart, flips apart.
        dict(strides=(2, 1), dropout=0.0, stochastic_depth=0.0),
        dict(epochs=5, batch_size=64, clip=1.0, **ADAMW, **BRIEF | {"shift": 0}),
    ),
}


# ------------------------------------------------------------------------------------------------------ one run


class Over(Exception):
    """A run is over: raised to leave ``fit``."""


@dataclass
class Run:
    """The clock of one run, and the judge of when it is over.

    Attributes:
        validation: what the accuracy is measured on.
        goal: a share in [0, 1].
        limit: seconds of training after which an epoch is the last.
        seconds: of training so far, the evaluations not counted.
        accuracies, losses: on ``validation``, after each epoch.
        ended: how: ``"reached"``, ``"limit"``, ``"early"`` (the source's early stopping), ``"schedule"`` (the epochs
            are over), ``"diverged"``; ``"running"`` before that.
    """

    validation: ImageSet
    goal: float
    limit: float
    seconds: float = 0.0
    accuracies: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    ended: str = "running"

    def start(self) -> None:
        self._since = _now()

    def after_epoch(self, model: nn.Module, history=None) -> None:
        """Stop the clock, evaluate the model, and start the clock again.

        Raises:
            Over: the goal or the limit is reached.
        """
        self.seconds += _now() - self._since
        loss, accuracy = evaluate(model, self.validation)
        self.losses.append(loss)
        self.accuracies.append(accuracy)
        if self.accuracies[-1] >= self.goal:
            self.ended = "reached"
        elif self.seconds >= self.limit:
            self.ended = "limit"
        if self.ended != "running":
            raise Over
        self.start()

    def result(self) -> dict:
        return {
            "ended": self.ended,
            "seconds": round(self.seconds, 2),
            "epochs": len(self.accuracies),
            "accuracy": max(self.accuracies, default=0.0),
        }


def _now() -> float:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def gave_up(losses: list[float], patience: int) -> bool:
    """Whether the lowest loss is at least so many epochs ago; a loss that is NaN is not the lowest."""
    best, best_epoch = float("inf"), -1
    for epoch, loss in enumerate(losses):
        if loss < best:
            best, best_epoch = loss, epoch
    return len(losses) - 1 - best_epoch >= patience


class LessMean(nn.Module):
    """Images in [0, 1] to what the source's networks take: 0 to 255, less the mean image."""

    def __init__(self, mean: Tensor):
        super().__init__()
        self.register_buffer("mean", mean)

    def forward(self, x: Tensor) -> Tensor:
        return 255 * x - self.mean


def by_the_source(name: str, patience: int, learn: ImageSet, run: Run, seed: int) -> None:
    """Train a new network as the source's notebooks do, until the run is over."""
    torch.manual_seed(seed)
    net = models.ARCHITECTURES[name]().net.to(DEVICE)
    run.start()
    pixels = learn.images.float()
    mean = pixels.mean(0)
    loader = DataLoader(TensorDataset(pixels - mean, learn.labels), batch_size=16, shuffle=True, num_workers=WORKERS)
    judged = nn.Sequential(LessMean(mean.to(DEVICE)), net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    try:
        while not gave_up(run.losses, patience):
            net.train()
            loss_sum = correct = 0.0
            for images, labels in loader:
                images, labels = images.to(DEVICE), labels.to(DEVICE)
                optimizer.zero_grad()
                logits = net(images)
                loss = F.cross_entropy(logits, labels)
                loss.backward()
                optimizer.step()
                # For the source's progress line: on a GPU, each of these waits for the batch to end.
                loss_sum += loss.item() * len(labels)
                correct += (logits.argmax(1) == labels).sum().item()
            run.after_epoch(judged)
        run.ended = "early"
    except Over:
        pass


def by_us(model: nn.Module, recipe: dict, learn: ImageSet, run: Run, seed: int) -> None:
    """Train with ``fit`` until the run is over."""
    model.to(DEVICE)
    run.start()
    try:
        # One image for fit's own evaluations, so that they take no time: the run makes its own beside the clock.
        some = run.validation[:1]
        recipes.Options(**recipe).fit(model, learn, some, seed=seed, on_epoch_end=[run.after_epoch])
        run.ended = "schedule"
    except Over:
        pass
    except TrainingDivergedError:
        run.ended = "diverged"


# ------------------------------------------------------------------------------------------------------- ratios


def ratio(pairs: list[tuple[dict, dict]]) -> dict:
    """The source's seconds over ours: ``{"ratio", "bound"}``, the median over pairs of results with the same seed.

    A source's run that ended before the goal makes the ratio a lower bound (``"more than"``), one of ours an upper
    bound (``"less than"``); where there are both, it is ``None``.
    """
    theirs_missed = any(theirs["ended"] != "reached" for theirs, _ in pairs)
    ours_missed = any(ours["ended"] != "reached" for _, ours in pairs)
    if theirs_missed and ours_missed:
        return {"ratio": None, "bound": ""}
    # The median of lower bounds is a lower bound of the median, so one word does for all pairs.
    middle = statistics.median(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs)
    return {"ratio": middle, "bound": "more than" if theirs_missed else "less than" if ours_missed else ""}


def said_ratio(row: dict) -> str:
    """``"12.3"``, ``"more than 4.5"`` or ``"undecided"``."""
    if row["ratio"] is None:
        return "undecided"
    return f"{row['bound']} {row['ratio']:.1f}".strip()


def said(result: dict) -> str:
    """A result in words: ``reached in 103.2 s, 6 epochs``; ``not reached in 900.1 s (limit), 51.20% in 9 epochs``."""
    if result["ended"] == "reached":
        return f"reached in {result['seconds']:.1f} s, {result['epochs']} epochs"
    why = {"limit": "limit", "early": "stopped early", "schedule": "the epochs were over", "diverged": "diverged"}
    how = why[result["ended"]]
    return f"not reached in {result['seconds']:.1f} s ({how}), {result['accuracy']:.2%} in {result['epochs']} epochs"


# -------------------------------------------------------------------------------------------------- the contests


def images() -> tuple[ImageSet, ImageSet]:
    """What to learn from, and the validation images."""
    return data.cifar10("train").split(VALIDATION, seed=0)


def contest(name: str, learn: ImageSet, validation: ImageSet, *, limit: float, seeds: int) -> dict:
    """Both recipes on one network, in turn for each seed: a row of the results."""
    rules = NETWORKS[name]
    runs = []
    for seed in range(seeds):
        theirs, ours = (Run(validation, rules.goal, limit) for _ in range(2))
        by_the_source(name, rules.patience, learn, theirs, seed)
        print(f"{name}, seed {seed}, the source's recipe: {said(theirs.result())}", flush=True)
        torch.manual_seed(seed)
        by_us(models.ARCHITECTURES[name](**rules.kwargs), rules.recipe, learn, ours, seed)
        print(f"{name}, seed {seed}, ours: {said(ours.result())}", flush=True)
        runs.append({"seed": seed, "source": theirs.result(), "ours": ours.result()})
    return {
        **asdict(rules),
        "data": learn.source,
        "images": [len(learn), len(validation)],
        "limit": limit,
        "runs": runs,
        **ratio([(run["source"], run["ours"]) for run in runs]),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}; all, if none is given")
    # On two cores the source's recipe gives EfficientNet-B0 up after 4,142 s.
    parser.add_argument("--limit", type=float, default=9000, metavar="SECONDS", help="of training, for each run")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each recipe")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NETWORKS):
        parser.error(f"there is no network {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS)}")
    print(described(machine()))
    learn, validation = images()
    print(f"{learn.source}: {len(learn):,} images to learn from, {len(validation):,} to judge by", flush=True)
    torch.zeros(1, device=DEVICE)  # so that the first run does not pay for waking the GPU
    result = per_device("training")
    figures = {"networks": {}, **kept(result)}
    for name in options.names or NETWORKS:
        row = contest(name, learn, validation, limit=options.limit, seeds=options.seeds)
        figures["networks"][name] = row
        written = write(result, figures)  # after each network, so that an interrupted run loses only one
        print(f"{name} to {NETWORKS[name].goal:.2%}: ratio {said_ratio(row)}\n{closing(written)}", flush=True)


if __name__ == "__main__":
    main()
