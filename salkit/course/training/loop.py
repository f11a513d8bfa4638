"""`fit`, from top to bottom, and `evaluate`.

The whole dataset sits on the device as uint8; batches are cut, augmented and turned to floats there. There are no
worker processes and no per-image Python.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from ..._device import device_of
from ..._distributed import all_gather, broadcast, check_same, world
from ..._state import evaluation_mode
from ...data import ImageSet
from ...errors import CheckpointError, InputError, TrainingDivergedError, require
from .history import History
from .parts import Batches, LossDelta, Patience, one_cycle, sgd
from .state import describe, read_state, write_state

SMOOTHED = nn.CrossEntropyLoss(label_smoothing=0.05)
"""The loss of this course, where nothing else is said."""


def evaluate(model: nn.Module, data: ImageSet, *, batch_size: int | None = None) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (a share in [0, 1]) of ``model`` on ``data``, in evaluation mode.

    The model's own device is used; its train flags are as they were afterwards. ``batch_size`` only changes how long
    it takes; ``None``: 64 images on a CPU, so that they stay in its cache, and 512 on other devices.

    Raises:
        InputError: the set is empty.

    Example:
        >>> import torch
        >>> from salkit import course, data
        >>> some = data.scenes(8, classes=["deer", "ship"])
        >>> loss, accuracy = course.evaluate(course.HandWired(), some)
        >>> round(loss, 2), accuracy
        (0.64, 0.875)
    """
    if not len(data):
        raise InputError("there are no images to evaluate the model on")
    loss, accuracy = (_total(model, data, batch_size) / len(data)).tolist()
    return loss, accuracy


@torch.no_grad()
def _total(model: nn.Module, data: ImageSet, batch_size: int | None = None) -> Tensor:
    """``(2,)`` float64 on the CPU: the sum of the cross-entropies, and how many are right."""
    loss = correct = 0.0
    device = device_of(model)
    if batch_size is None:
        batch_size = 64 if device.type == "cpu" else 512
    with evaluation_mode(list(model.modules())):
        for start in range(0, len(data), batch_size):
            batch = data[start : start + batch_size].to(device)
            logits = model(batch.pixels()).float()
            loss += F.cross_entropy(logits, batch.labels, reduction="sum").item()
            correct += (logits.argmax(1) == batch.labels).sum().item()
    return torch.tensor([loss, correct], dtype=torch.float64)


def fit(
    model: nn.Module,
    train: ImageSet | Batches,
    val: ImageSet,
    *,
    epochs: int = 10,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: Callable[[torch.optim.Optimizer, int], LRScheduler] | None = one_cycle,
    loss: Callable[[Tensor, Tensor], Tensor] = SMOOTHED,
    attack: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    average: AveragedModel | None = None,
    mixed_precision: bool | None = None,
    state: str | os.PathLike | None = None,
    on_epoch_end: Callable | Sequence[Callable[[nn.Module, History], str | None]] = (),
) -> History:
    """Train ``model`` in place, on its own device, and leave it with the weights of its best epoch, in evaluation mode.

    Under ``torchrun`` all processes train one model together: each takes its share of every batch, and
    ``DistributedDataParallel`` adds up the gradients, so that the result is that of one process up to the rounding of
    sums, and to other draws in dropout and its like. Augmentation is drawn for the whole batch in every process.

    Args:
        model: gives ``(N, classes)`` logits for images in [0, 1]. Of what ``torch.compile`` gave, the network inside is
            trained; only the training step runs through the compiled code.
        train: the images to learn from; ``Batches(images, 64, augment=None, seed=1)`` says how they come.
        val: the images that choose the best epoch.
        epochs: passes over ``train``, at most.
        optimizer: of the model's parameters, such as ``sgd(model, lr=0.05)``, which is the default.
        schedule: called once with the optimizer and the number of steps, gives what ``step()`` is called on after
            each of them; ``None`` keeps the learning rate as it is.
        loss: of ``(n, classes)`` float32 logits and ``(n,)`` labels, averaged over the batch; the default is the
            cross-entropy with a label smoothing of 0.05.
        attack: adversarial training (Madry et al. 2018): called with the model, a batch of images in [0, 1] and
            its labels, it gives the images to learn from instead, as `salkit.attack.fgsm` does. ``val`` stays clean.
        average: ``moving_average(model)``: validate and return this average instead of the last step's weights.
        mixed_precision: autocast, bfloat16 where the device has it, else float16 with loss scaling.
            ``None``: on CUDA only.
        state: a file for the state of the training, written after each epoch. Where it is there already, training
            goes on from it, whatever weights ``model`` has, and ends with the result of one that was never
            interrupted, on the CPU bit for bit. The file stays when the training has ended: the same call then only
            gives its result again.
        on_epoch_end: one function or several, each called with the model (in training mode) and the history after
            each epoch, for example to draw a map, or `print_epoch`. Where one returns a text, in any process,
            training ends and ``history.stopped`` is that text: see `Patience` and `LossDelta`.

    Returns:
        The history. After Ctrl-C (or "interrupt" in a notebook) it holds the finished epochs, the model has
        its best weights so far, and ``history.stopped`` is ``"interrupted"``. On the CPU the same arguments give the
        same weights, bit for bit; a GPU adds up in no fixed order. The global random state is left as it was.

    Raises:
        InputError: empty data, a number out of range, batch normalisation that several processes can't share, or
            processes with different arguments; before any work.
        CheckpointError: ``state`` is a damaged file, or of a training with other options, data or network.
        TrainingDivergedError: the loss became NaN or infinite. The model has its best weights so far.

    After any other exception, also one from ``on_epoch_end``, the model has its best weights so far as well.

    Example:
        >>> from salkit import course, data, models
        >>> some = data.scenes(40, classes=["deer", "ship"])
        >>> history = course.fit(models.small_cnn(2, width=4), some, some, epochs=2)
        >>> [row["epoch"] for row in history.rows], history.stopped
        ([1, 2], 'finished')
    """
    batches = train if isinstance(train, Batches) else Batches(train)
    forward, model = model, getattr(model, "_orig_mod", model)  # what torch.compile wraps
    optimizer = sgd(model) if optimizer is None else optimizer
    hooks = (on_epoch_end,) if callable(on_epoch_end) else tuple(on_epoch_end)
    device = device_of(model)
    mixed_precision = device.type == "cuda" if mixed_precision is None else mixed_precision
    autocast, scaler = _precision(device, mixed_precision)
    rank, size = world()
    _check(model, batches, val, epochs, size)
    options = dict(
        epochs=epochs, schedule=schedule, loss=loss, attack=attack, mixed_precision=mixed_precision,
        average=average is not None and (average.multi_avg_fn or average.avg_fn),
        batch_size=batches.size, augment=batches.augment, seed=batches.seed,
        optimizer=type(optimizer), **optimizer.defaults,
    )  # fmt: skip
    identity = describe(model, batches.images, val, options) if state is not None or size > 1 else {}
    check_same((identity, state is None), "networks, images or options")
    saved = _read_in_first(rank, state, identity)

    # Where there is batch normalisation, convolutions are faster with the channels last in memory.
    last = any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    layout = torch.channels_last if last else torch.contiguous_format
    model.to(memory_format=layout)
    forward = DistributedDataParallel(forward) if size > 1 else forward
    batches = replace(batches, images=batches.images.to(device))
    my_val = val[len(val) * rank // size : len(val) * (rank + 1) // size].to(device)
    generator = torch.Generator().manual_seed(batches.seed)
    scheduler = schedule(optimizer, epochs * len(batches)) if schedule else None
    history, best_weights = History(), copy.deepcopy(model.state_dict())
    parts = dict(model=model, average=average, optimizer=optimizer, scheduler=scheduler, scaler=scaler)
    parts = {name: part for name, part in parts.items() if part is not None}

    def save() -> None:
        if state is not None:
            now = _collect(parts, generator, device, history, best_weights)
            if rank == 0:
                write_state(Path(state), identity, now)

    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(batches.seed + rank)
            if saved:
                history, best_weights = _restore(parts, generator, device, saved, rank)
                # The interruption may have come before them.
                _call([hook for hook in hooks if isinstance(hook, (Patience, LossDelta))], model, history)

            while history.stopped == "finished" and len(history) < epochs:
                started = time.perf_counter()
                model.train()
                totals = torch.zeros(2, device=device)  # of the loss, and how many were right
                for images, labels in batches.shuffled(generator):
                    mine, share = _share(len(labels), rank, size)
                    images, labels = images[mine].float() / 255, labels[mine]
                    if attack:
                        images = attack(model, images, labels)
                    with autocast():
                        logits = forward(images.contiguous(memory_format=layout)).float()
                    error = loss(logits, labels)
                    optimizer.zero_grad(set_to_none=True)
                    # DistributedDataParallel takes the mean over the processes, whose shares may differ.
                    scaler.scale(error * (share * size)).backward()
                    scaler.unscale_(optimizer)
                    scaler.step(optimizer)
                    scaler.update()
                    if scheduler:
                        scheduler.step()
                    if average:
                        average.update_parameters(model)
                    correct = (logits.detach().argmax(1) == labels).sum()
                    totals += torch.stack([error.detach() * len(labels), correct]) * (share > 0)

                shown = average.module if average else model
                row: dict[str, Any] = dict(epoch=len(history) + 1)
                row |= _summed("train", totals, len(batches.images)) | _summed("val", _total(shown, my_val), len(val))
                _check_finite(row, optimizer)
                row |= dict(lr=optimizer.param_groups[0]["lr"], seconds=time.perf_counter() - started)
                history.rows.append(row)
                if not history.best_epoch or row["val_accuracy"] > history.best["val_accuracy"]:
                    history.best_epoch = row["epoch"]
                    best_weights = copy.deepcopy(shown.state_dict())
                save()
                _call(hooks, model, history)
                if history.stopped != "finished":
                    save()
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    finally:
        model.load_state_dict(best_weights)
        model.to(memory_format=torch.contiguous_format)
        optimizer.zero_grad(set_to_none=True)
        model.eval()
    return history


def _share(n: int, rank: int, size: int) -> tuple[slice, float]:
    """This process's part of a batch of ``n`` images, and how much of the batch it is; parts differ by one at most.

    A process for which nothing is left computes the first image with weight 0: all must take part in the sum.
    """
    mine = slice(n * rank // size, n * (rank + 1) // size)
    count = mine.stop - mine.start
    return (mine, count / n) if count else (slice(0, 1), 0.0)


def _summed(name: str, total: Tensor, images: int) -> dict[str, float]:
    """Mean loss and accuracy, from each process's ``(sum of the losses, how many are right)``."""
    loss, correct = (sum(values) for values in zip(*all_gather(total.tolist())))
    return {f"{name}_loss": loss / images, f"{name}_accuracy": correct / images}


def _call(hooks: Sequence[Callable], model: nn.Module, history: History) -> None:
    """Call them all, and note the first text that any of them gives in any process."""
    reasons = [reason for hook in hooks if isinstance(reason := hook(model, history), str)]
    history.stopped = next((reason for own in all_gather(reasons) for reason in own), history.stopped)


def _read_in_first(rank: int, path: str | os.PathLike | None, identity: dict) -> dict | None:
    """The saved state, read by the first process for all: the others may run on machines that don't have the file."""
    if path is None:
        return None
    found = None
    if rank == 0:
        try:
            found = read_state(Path(path), identity)
        except CheckpointError as error:  # which all are to raise, lest the others wait for this one
            found = error
    found = broadcast(found)
    if isinstance(found, CheckpointError):
        raise found
    return found


def _collect(parts: dict, generator, device: torch.device, history: History, best_weights: dict) -> dict:
    """Everything that the next epoch depends on, for a file."""
    on_gpu = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return dict(
        parts={name: part.state_dict() for name, part in parts.items()},
        history=history.to_dict(),
        best_weights=best_weights,
        generator=generator.get_state(),
        # Of each process: they draw different numbers in dropout.
        random=all_gather([torch.get_rng_state(), *on_gpu]),
    )


def _restore(parts: dict, generator, device: torch.device, saved: dict, rank: int) -> tuple[History, dict]:
    """Put what ``_collect`` gave back into its places; returns the history and the best weights."""
    for name, part in parts.items():
        part.load_state_dict(saved["parts"][name])
    generator.set_state(saved["generator"])
    if rank < len(saved["random"]):  # else there are more processes now than before
        on_cpu, *on_gpu = saved["random"][rank]
        torch.set_rng_state(on_cpu)
        for numbers in on_gpu if device.type == "cuda" else ():
            torch.cuda.set_rng_state(numbers, device)
    return History.from_dict(saved["history"]), saved["best_weights"]


def _precision(device: torch.device, mixed: bool):
    """A function that opens an autocast context, and the gradient scaler that float16 needs."""
    half = mixed and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    scaler = torch.amp.GradScaler(device.type, enabled=half)
    if not mixed:
        return nullcontext, scaler
    return lambda: torch.autocast(device.type, torch.float16 if half else torch.bfloat16), scaler


def _check_finite(row: dict, optimizer: torch.optim.Optimizer) -> None:
    for loss in (row["train_loss"], row["val_loss"]):
        if not math.isfinite(loss):
            lr = optimizer.defaults["lr"]
            raise TrainingDivergedError(f"the loss became {loss} in epoch {row['epoch']}: try a smaller lr than {lr}")


def _check(model: nn.Module, batches: Batches, val: ImageSet, epochs: int, size: int) -> None:
    require("epochs", epochs, epochs >= 1, "at least 1")
    if not len(val):
        raise InputError("there are no images to validate on")
    if batches.images.classes != val.classes:
        raise InputError(f"train and val need the same classes, not {batches.images.classes} and {val.classes}")
    if size > 1:
        kinds = {type(module) for module in model.modules() if isinstance(module, _BatchNorm)}
        on_gpu = device_of(model).type == "cuda"
        if kinds - ({nn.SyncBatchNorm} if on_gpu else set()):
            remedy = "give fit nn.SyncBatchNorm.convert_sync_batchnorm(model)" if on_gpu else "train in one process"
            raise InputError(f"batch normalisation would see only each process's share of a batch: {remedy}")
