"""Training, in one function that reads from top to bottom.

The whole dataset sits on the device as uint8; batches are cut, turned to floats
and augmented there. There are no worker processes and no per-image Python.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from .data import ImageSet
from .errors import InputError, TrainingDivergedError

COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds")


@dataclass(repr=False)
class History:
    """What happened in each epoch, as a table.

    Attributes:
        rows: one dict for each finished epoch, with the keys of ``COLUMNS``. Accuracies are shares
            in [0, 1]; the training columns are averages over the augmented batches while the weights move.
        best_epoch: the epoch (counted from 1) whose weights the model holds now; 0 before the first.
        stopped: why training ended: ``"finished"``, ``"patience"``, ``"loss_delta"`` or ``"interrupted"``.

    Printed, and shown by a notebook, it is a table with the best epoch marked.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "finished"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        """One column, such as ``history["val_accuracy"]``."""
        return [row[column] for row in self.rows]

    @property
    def best(self) -> dict[str, float]:
        """The row of the best epoch."""
        if not self.best_epoch:
            raise InputError("no epoch has finished yet, so there is no best one")
        return self.rows[self.best_epoch - 1]

    def to_dict(self) -> dict:
        """The same as plain dicts and lists, which JSON can hold; ``History.from_dict`` reads it back."""
        return {"rows": [dict(row) for row in self.rows], "best_epoch": self.best_epoch, "stopped": self.stopped}

    @classmethod
    def from_dict(cls, record: dict) -> History:
        """What ``to_dict`` gave, for example from the record of a checkpoint."""
        return cls([dict(row) for row in record["rows"]], record["best_epoch"], record["stopped"])

    def __repr__(self) -> str:
        lines = ["epoch  train loss  train acc  val loss  val acc       lr  seconds"]
        for row in self.rows:
            mark = "*" if row["epoch"] == self.best_epoch else " "
            epoch, train_loss, train_accuracy, val_loss, val_accuracy, lr, seconds = _cells(row)
            lines.append(
                f"{epoch:>4} {mark} {train_loss:>10} {train_accuracy:>10} "
                f"{val_loss:>9} {val_accuracy:>8} {lr:>8} {seconds:>8}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A plain table: the heading cells say what they head, and the best epoch is marked in words."""
        headings = "".join(f'<th scope="col">{name.replace("_", " ")}</th>' for name in COLUMNS)
        body = []
        for row in self.rows:
            epoch, *cells = _cells(row)
            best = " (best)" if row["epoch"] == self.best_epoch else ""
            body.append(
                f'<tr><th scope="row">{epoch}{best}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
            )
        caption = f"Training, epoch by epoch; ended by: {self.stopped.replace('_', ' ')}"
        return (
            f"<table><caption>{caption}</caption><thead><tr>{headings}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table>"
        )


def _cells(row: dict[str, float]) -> list[str]:
    formats = ("d", ".4f", ".2%", ".4f", ".2%", ".4f", ".1f")
    return [format(row[column], spec) for column, spec in zip(COLUMNS, formats, strict=True)]


def augment(images: Tensor, *, shift: int = 3, generator: torch.Generator | None = None) -> Tensor:
    """Flip half of the images left to right, and shift each by up to ``shift`` pixels, edges reflected.

    Args:
        images: ``(N, C, H, W)``, any dtype.
        shift: largest move in pixels along each axis; less than height and width.
        generator: source of the random numbers, on the CPU.

    Returns:
        New images of the same shape and dtype. The pixel beyond an edge is the one before it, as in a mirror
        that stands on the outermost pixel: ``b a b c`` for ``a b c`` moved by one.
    """
    n, _, height, width = images.shape
    device = images.device
    flip = (torch.rand(n, generator=generator) < 0.5).to(device)
    offset = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator).to(device)
    rows = _reflect(torch.arange(height, device=device) + offset[0], height)
    columns = _reflect(torch.arange(width, device=device) + offset[1], width)
    columns = torch.where(flip[:, None], width - 1 - columns, columns)
    sample = torch.arange(n, device=device)[:, None, None]
    # Advanced indices on both sides of a slice put the channel last: (N, H, W, C).
    return images[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Indices outside 0 .. size - 1, mirrored back inside."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)


@torch.no_grad()
def evaluate(model: nn.Module, data: ImageSet, *, batch_size: int = 512) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (a share in [0, 1]) of ``model`` on ``data``, in evaluation mode.

    The model's own device is used; its train flags are as they were afterwards.

    Raises:
        InputError: the set is empty.
    """
    if not len(data):
        raise InputError("there are no images to evaluate the model on")
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        loss = correct = 0.0
        device = _device_of(model)
        for start in range(0, len(data), batch_size):
            batch = data[start : start + batch_size].to(device)
            logits = model(batch.pixels()).float()
            loss += F.cross_entropy(logits, batch.labels, reduction="sum").item()
            correct += (logits.argmax(1) == batch.labels).sum().item()
    finally:
        for module, training in flags:
            module.training = training
    return loss / len(data), correct / len(data)


def fit(
    model: nn.Module,
    train: ImageSet,
    val: ImageSet,
    *,
    epochs: int = 10,
    lr: float = 0.05,
    batch_size: int = 128,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    label_smoothing: float = 0.05,
    schedule: str = "one_cycle",
    shift: int | None = 3,
    attack: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    patience: int | None = None,
    loss_delta: float | None = None,
    mixed_precision: bool | None = None,
    channels_last: bool | None = None,
    compile: bool = False,
    device: str | torch.device | None = None,
    seed: int = 0,
    progress: bool = True,
    on_epoch_end: Callable[[nn.Module, int], None] | None = None,
) -> History:
    """Train ``model`` in place with SGD, and leave it with the weights of its best epoch, in evaluation mode.

    Args:
        model: gives ``(N, classes)`` logits for images in [0, 1].
        train, val: the images to learn from, and those that choose the best epoch.
        epochs: passes over ``train``, at most.
        lr: the peak learning rate of the one-cycle schedule (Smith 2018), or the constant one.
        batch_size: images to a step. A last batch of one image joins the one before, because BatchNorm can't
            learn from a single image.
        momentum: of Nesterov. In the one-cycle schedule it swings by 0.05 about this value, against ``lr``.
        weight_decay, label_smoothing: as usual.
        schedule: ``"one_cycle"`` or ``"constant"``.
        shift: augmentation by flips and shifts up to so many pixels; ``None`` trains on the plain images.
        attack: adversarial training (Madry et al. 2018): called with the model, a batch of images in [0, 1] and
            its labels, it gives the images to learn from instead, as ``salkit.attack.fgsm`` does. ``val`` stays clean.
        patience: stop when so many epochs in a row brought no better validation accuracy.
        loss_delta: stop when the training loss fell by less than this from one epoch to the next.
        mixed_precision: autocast, bfloat16 where the device has it, else float16 with loss scaling.
            ``None``: on CUDA only.
        channels_last: memory layout. ``None``: for networks with batch normalisation, where it helps.
        compile: run the training step through ``torch.compile``.
        device: where to train; ``None``: where the model is. The model stays there.
        seed: of the batches, the augmentation and dropout. The global random state is left as it was. On the
            CPU the same seed gives the same weights, bit for bit; a GPU adds up in no fixed order.
        progress: show a tqdm bar.
        on_epoch_end: called with the model (in training mode) and the epoch (from 1) after each epoch, for
            example to draw a map.

    Returns:
        The history. After Ctrl-C (or "interrupt" in a notebook) it holds the finished epochs, the model has
        its best weights so far, and ``history.stopped`` is ``"interrupted"``.

    Raises:
        InputError: empty data, or an option out of range; before any work.
        TrainingDivergedError: the loss became NaN or infinite. The model has its best weights so far.

    After any other exception, also one from ``on_epoch_end``, the model has its best weights so far as well.
    """
    _check_data(train, val, shift)
    _check_options(
        epochs=epochs,
        lr=lr,
        batch_size=batch_size,
        momentum=momentum,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        schedule=schedule,
        patience=patience,
        loss_delta=loss_delta,
    )
    device = torch.device(device) if device is not None else _device_of(model)
    if channels_last is None:
        channels_last = any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    if mixed_precision is None:
        mixed_precision = device.type == "cuda"
    autocast, scaler = _precision(device, mixed_precision)
    layout = torch.channels_last if channels_last else torch.contiguous_format

    model.to(device, memory_format=layout)
    train, val = train.to(device), val.to(device)
    optimizer = torch.optim.SGD(
        model.parameters(), lr, momentum=momentum, nesterov=momentum > 0, weight_decay=weight_decay
    )
    batches = len(_batches(torch.arange(len(train)), batch_size))
    scheduler = _one_cycle(optimizer, lr, momentum, epochs * batches) if schedule == "one_cycle" else None
    forward = torch.compile(model) if compile else model

    history = History()
    best_weights = copy.deepcopy(model.state_dict())
    generator = torch.Generator().manual_seed(seed)
    bar = tqdm(total=epochs * batches, disable=not progress, unit="batch", mininterval=0.5, file=sys.stdout)
    try:
        with bar, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            for epoch in range(1, epochs + 1):
                started = time.perf_counter()
                model.train()
                loss_sum = torch.zeros((), device=device)
                correct = torch.zeros((), device=device)
                order = torch.randperm(len(train), generator=generator).to(device)
                for index in _batches(order, batch_size):
                    images, labels = train.images[index], train.labels[index]
                    if shift is not None:
                        images = augment(images, shift=shift, generator=generator)
                    images = images.float() / 255
                    if attack:
                        images = attack(model, images, labels)
                    images = images.contiguous(memory_format=layout)
                    with autocast():
                        logits = forward(images)
                    loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
                    optimizer.zero_grad(set_to_none=True)
                    scaler.scale(loss).backward()
                    scaler.step(optimizer)
                    scaler.update()
                    if scheduler:
                        scheduler.step()
                    loss_sum += loss.detach() * len(index)
                    correct += (logits.detach().argmax(1) == labels).sum()
                    bar.update()

                row = dict(epoch=epoch, train_loss=loss_sum.item() / len(train))
                _check_finite(row["train_loss"], epoch, lr)
                row["train_accuracy"] = correct.item() / len(train)
                row["val_loss"], row["val_accuracy"] = evaluate(model, val)
                _check_finite(row["val_loss"], epoch, lr)
                row["lr"] = optimizer.param_groups[0]["lr"]
                row["seconds"] = time.perf_counter() - started
                history.rows.append(row)
                bar.set_postfix_str(f"epoch {epoch}: loss {row['train_loss']:.3f}, val {row['val_accuracy']:.1%}")

                if not history.best_epoch or row["val_accuracy"] > history.best["val_accuracy"]:
                    history.best_epoch = epoch
                    best_weights = copy.deepcopy(model.state_dict())
                if on_epoch_end:
                    on_epoch_end(model, epoch)
                if reason := _stop(history, patience, loss_delta):
                    history.stopped = reason
                    break
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    finally:
        model.load_state_dict(best_weights)
        model.to(memory_format=torch.contiguous_format)
        optimizer.zero_grad(set_to_none=True)
        model.eval()
    return history


def _batches(order: Tensor, batch_size: int) -> list[Tensor]:
    batches = list(order.split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _one_cycle(optimizer, lr: float, momentum: float, steps: int):
    swing = min(0.05, momentum, (1 - momentum) / 2)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        lr,
        # One more than there are: the scheduler is asked once more after the last step.
        total_steps=steps + 1,
        base_momentum=round(momentum - swing, 12),
        max_momentum=round(momentum + swing, 12),
    )


def _stop(history: History, patience: int | None, loss_delta: float | None) -> str | None:
    if patience is not None and len(history) - history.best_epoch >= patience:
        return "patience"
    losses = history["train_loss"]
    if loss_delta is not None and len(losses) > 1 and losses[-2] - losses[-1] < loss_delta:
        return "loss_delta"
    return None


def _precision(device: torch.device, mixed: bool):
    """A function that opens an autocast context, and the gradient scaler that float16 needs."""
    if not mixed:
        return nullcontext, torch.amp.GradScaler(device.type, enabled=False)
    half = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    dtype = torch.float16 if half else torch.bfloat16
    return lambda: torch.autocast(device.type, dtype), torch.amp.GradScaler(device.type, enabled=half)


def _device_of(model: nn.Module) -> torch.device:
    tensor = next((t for group in (model.parameters(), model.buffers()) for t in group), None)
    return torch.device("cpu") if tensor is None else tensor.device


def _check_finite(loss: float, epoch: int, lr: float) -> None:
    if not math.isfinite(loss):
        raise TrainingDivergedError(f"the loss became {loss} in epoch {epoch}: try a smaller lr than {lr}")


def _check_data(train: ImageSet, val: ImageSet, shift: int | None) -> None:
    if not len(train) or not len(val):
        raise InputError("train and val need at least one image each")
    if train.classes != val.classes:
        raise InputError(f"train and val need the same classes, not {train.classes} and {val.classes}")
    smallest = min(train.images.shape[2:])
    if shift is not None and not 0 <= shift < smallest:
        raise InputError(f"shift must be between 0 and {smallest - 1} for images of this size, not {shift}")


def _check_options(
    *, epochs, lr, batch_size, momentum, weight_decay, label_smoothing, schedule, patience, loss_delta
) -> None:
    if schedule not in ("one_cycle", "constant"):
        raise InputError(f"schedule must be 'one_cycle' or 'constant', not {schedule!r}")
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("patience", patience)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, not {value}")
    for name, value in (("weight_decay", weight_decay), ("loss_delta", loss_delta)):
        if value is not None and not value >= 0:
            raise InputError(f"{name} must be 0 or more, not {value}")
    for name, value in (("momentum", momentum), ("label_smoothing", label_smoothing)):
        if not 0 <= value < 1:
            raise InputError(f"{name} must be at least 0 and less than 1, not {value}")
    if not 0 < lr < math.inf:
        raise InputError(f"lr must be positive, not {lr}")
