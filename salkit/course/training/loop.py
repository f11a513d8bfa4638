"""``fit``, from top to bottom, and ``evaluate``.

The whole dataset sits on the device as uint8; batches are cut, turned to floats
and augmented there. There are no worker processes and no per-image Python.
"""

from __future__ import annotations

import copy
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from ..._device import device_of
from ..._processes import Processes, processes
from ...data import ImageSet
from ...errors import CheckpointError, InputError, TrainingDivergedError
from .augmentation import draw_moves, moved
from .convolution import depthwise_in_32_bits, products_for_few_pixels
from .history import History
from .memory import freed_memory_kept
from .norm import synchronised
from .pool import gradients_in_layout
from .state import describe, read_state, write_state


def evaluate(model: nn.Module, data: ImageSet, *, batch_size: int | None = None) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (a share in [0, 1]) of ``model`` on ``data``, in evaluation mode.

    The model's own device is used; its train flags are as they were afterwards. ``batch_size`` only changes how long
    it takes; ``None``: 64 images on a CPU, so that they stay in its cache, and 512 on other devices.

    Raises:
        InputError: the set is empty.
    """
    if not len(data):
        raise InputError("there are no images to evaluate the model on")
    loss, accuracy = (_total(model, data, batch_size) / len(data)).tolist()
    return loss, accuracy


@torch.no_grad()
def _total(model: nn.Module, data: ImageSet, batch_size: int | None = None) -> Tensor:
    """``(2,)`` float64 on the CPU: the sum of the cross-entropies, and how many are right."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        loss = correct = 0.0
        device = device_of(model)
        if batch_size is None:
            batch_size = 64 if device.type == "cpu" else 512
        for start in range(0, len(data), batch_size):
            batch = data[start : start + batch_size].to(device)
            logits = model(batch.pixels()).float()
            loss += F.cross_entropy(logits, batch.labels, reduction="sum").item()
            correct += (logits.argmax(1) == batch.labels).sum().item()
    finally:
        for module, training in flags:
            module.training = training
    return torch.tensor([loss, correct], dtype=torch.float64)


def fit(
    model: nn.Module,
    train: ImageSet,
    val: ImageSet,
    *,
    epochs: int = 10,
    lr: float = 0.05,
    batch_size: int = 128,
    optimizer: str = "sgd",
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    label_smoothing: float = 0.05,
    schedule: str = "one_cycle",
    clip: float | None = None,
    ema: float | None = None,
    shift: int | None = 3,
    cutout: int | None = None,
    attack: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    patience: int | None = None,
    loss_delta: float | None = None,
    mixed_precision: bool | None = None,
    channels_last: bool | None = None,
    compile: bool = False,
    device: str | torch.device | None = None,
    seed: int = 0,
    state: str | os.PathLike | None = None,
    progress: bool = True,
    on_epoch_end: Callable[[nn.Module, int], None] | None = None,
) -> History:
    """Train ``model`` in place, and leave it with the weights of its best epoch, in evaluation mode.

    Under ``torchrun`` all processes train one model together, as one process would with the same batches: each takes
    its share of every batch, gradients are added up over the shares, and batch normalisation sees the whole batch.
    The result is that of one process up to the rounding of sums, and to other draws in dropout and its like.

    On a CPU under Linux the process keeps the memory that a step frees for the next, and gives it back at the end.

    Args:
        model: gives ``(N, classes)`` logits for images in [0, 1].
        train, val: the images to learn from, and those that choose the best epoch.
        epochs: passes over ``train``, at most.
        lr: the peak learning rate of the one-cycle schedule (Smith 2018), or the constant one.
        batch_size: images to a step, in all processes together. A last batch of one image joins the one before,
            because BatchNorm can't learn from a single image.
        optimizer: ``"sgd"``, with Nesterov's momentum, or ``"adamw"`` (Loshchilov and Hutter 2019), which wants a
            smaller ``lr`` (about 0.001) and a larger ``weight_decay`` (about 0.05).
        momentum: of Nesterov, or the first beta of AdamW. In the one-cycle schedule it swings by 0.05 about this
            value, against ``lr``.
        weight_decay, label_smoothing: as usual.
        schedule: ``"one_cycle"`` or ``"constant"``.
        clip: scale the gradient down where its norm, over all weights, is larger than this.
        ema: validate and return an exponential moving average of the weights and of the BatchNorm buffers instead of
            the last step's; the share of the old average that each step keeps, such as 0.999. In the first steps it
            is less, so that the first weights are soon forgotten.
        shift: augmentation by flips and shifts up to so many pixels; ``None`` trains on the plain images.
        cutout: with ``shift``, also cover a square of so many pixels a side: see ``augment``.
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
        state: a file for the state of the training, written after each epoch. Where it is there already, training
            goes on from it, whatever weights ``model`` has, and ends with the result of one that was never
            interrupted, on the CPU bit for bit. The file stays when the training has ended: the same call then only
            gives its result again.
        progress: show a tqdm bar (in the first process).
        on_epoch_end: called with the model (in training mode) and the epoch (from 1) after each epoch, for
            example to draw a map. It is not called again for the epochs in ``state``.

    Returns:
        The history. After Ctrl-C (or "interrupt" in a notebook) it holds the finished epochs, the model has
        its best weights so far, and ``history.stopped`` is ``"interrupted"``.

    Raises:
        InputError: empty data, an option out of range, or processes with different options or data; before any work.
        CheckpointError: ``state`` is a damaged file, or of a training with other options, data or network.
        TrainingDivergedError: the loss became NaN or infinite. The model has its best weights so far.

    After any other exception, also one from ``on_epoch_end``, the model has its best weights so far as well.
    """
    _check_data(train, val, shift, cutout)
    device = torch.device(device) if device is not None else device_of(model)
    if channels_last is None:
        channels_last = any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    if mixed_precision is None:
        mixed_precision = device.type == "cuda"
    options = dict(
        epochs=epochs, lr=lr, batch_size=batch_size, optimizer=optimizer, momentum=momentum, weight_decay=weight_decay,
        label_smoothing=label_smoothing, schedule=schedule, clip=clip, ema=ema, shift=shift, cutout=cutout,
        attack=attack, patience=patience, loss_delta=loss_delta, mixed_precision=mixed_precision, seed=seed,
    )  # fmt: skip
    _check_options(options)
    autocast, scaler = _precision(device, mixed_precision)
    layout = torch.channels_last if channels_last else torch.contiguous_format

    crew = processes()
    sizes = [len(batch) for batch in _batches(torch.arange(len(train)), batch_size)]
    _check_shares(crew, min(sizes))
    identity = describe(model, train, val, options) if state is not None or crew.size > 1 else {}
    crew.check_same(identity, "networks, images or options")
    saved = _read_in_first(crew, state, identity)

    model.to(device, memory_format=layout)
    for tensor in model.state_dict().values():
        crew.take_from_first(tensor)
    train, my_val = train.to(device), val[crew.part(len(val))].to(device)
    optimizer = _optimizer(optimizer, model, lr, momentum, weight_decay)
    scheduler = _one_cycle(optimizer, lr, momentum, epochs * len(sizes)) if schedule == "one_cycle" else None
    average = copy.deepcopy(model) if ema is not None else None
    forward = torch.compile(model) if compile else model
    generator = torch.Generator().manual_seed(seed)
    history, best_weights = History(), copy.deepcopy(model.state_dict())

    parts = dict(model=model, average=average, optimizer=optimizer, scheduler=scheduler, scaler=scaler)
    parts = {name: part for name, part in parts.items() if part is not None}
    steps = tqdm(
        total=epochs * len(sizes), unit="batch", mininterval=0.5, file=sys.stdout,
        disable=not progress or crew.rank > 0,
    )  # fmt: skip
    try:
        with (
            steps, synchronised(model, crew), products_for_few_pixels(model, device),
            depthwise_in_32_bits(model, device), gradients_in_layout(model, layout, compile),
            freed_memory_kept(device), torch.random.fork_rng(_gpus(device)),
        ):  # fmt: skip
            torch.manual_seed(seed + crew.rank)
            if saved:
                history, best_weights = _restore(parts, generator, device, saved, crew.rank)
                steps.update(len(history) * len(sizes))

            while not (reason := _stop(history, epochs, patience, loss_delta)):
                epoch = len(history) + 1
                started = time.perf_counter()
                model.train()
                totals = torch.zeros(2, device=device)  # of the loss, and how many were right
                order = torch.randperm(len(train), generator=generator).to(device)
                for step, index in enumerate(_batches(order, batch_size), 1 + (epoch - 1) * len(sizes)):
                    part = crew.part(len(index))
                    images, labels = train.images[index[part]], train.labels[index[part]]
                    if shift is not None:
                        shape = (len(index), *images.shape[1:])
                        moves = draw_moves(shape, shift=shift, cutout=cutout, generator=generator)
                        images = moved(images, moves.of(part), cutout)
                    images = images.float() / 255
                    if attack:
                        images = attack(model, images, labels)
                    images = images.contiguous(memory_format=layout)
                    with autocast():
                        logits = forward(images)
                    loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
                    optimizer.zero_grad(set_to_none=True)
                    scaler.scale(loss * (len(labels) / len(index))).backward()
                    _add_up_gradients(model, crew)
                    if clip is not None:
                        scaler.unscale_(optimizer)
                        nn.utils.clip_grad_norm_(model.parameters(), clip)
                    scaler.step(optimizer)
                    scaler.update()
                    if scheduler:
                        scheduler.step()
                    steps.update()
                    if average is not None:
                        _move_towards(average, model, ema, step)
                    correct = (logits.detach().argmax(1) == labels).sum()
                    totals += torch.stack([loss.detach() * len(labels), correct])

                shown = model if average is None else average
                row = _row(epoch, crew.add_up(totals), len(train), crew.add_up(_total(shown, my_val)), len(val))
                _check_finite(row, lr)
                row.update(lr=optimizer.param_groups[0]["lr"], seconds=time.perf_counter() - started)
                history.rows.append(row)
                steps.set_postfix_str(f"epoch {epoch}: loss {row['train_loss']:.3f}, val {row['val_accuracy']:.1%}")
                if not history.best_epoch or row["val_accuracy"] > history.best["val_accuracy"]:
                    history.best_epoch = epoch
                    best_weights = copy.deepcopy(shown.state_dict())
                if state is not None:
                    now = _collect(parts, generator, device, history, best_weights, crew)
                    if crew.rank == 0:
                        write_state(Path(state), identity, now)
                if on_epoch_end:
                    on_epoch_end(model, epoch)
            history.stopped = reason
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


def _optimizer(name: str, model: nn.Module, lr: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    # One pass over the weights instead of one for each term of the rule.
    fused = device_of(model).type in ("cpu", "cuda")
    if name == "adamw":
        betas = (momentum, 0.999)
        return torch.optim.AdamW(model.parameters(), lr, betas=betas, weight_decay=weight_decay, fused=fused)
    nesterov = momentum > 0
    return torch.optim.SGD(
        model.parameters(), lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=fused
    )


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


def _add_up_gradients(model: nn.Module, crew: Processes) -> None:
    """Each process has the gradient of its share of the batch's loss; now all have that of the whole."""
    if crew.size == 1:
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    # One message for all of them.
    whole = crew.add_up(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, piece in zip(gradients, whole.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(piece.view_as(gradient))


@torch.no_grad()
def _move_towards(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, step / (step + 9))
    for mine, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        mine.lerp_(new, 1 - decay) if mine.is_floating_point() else mine.copy_(new)


def _row(epoch: int, train: Tensor, train_images: int, val: Tensor, val_images: int) -> dict:
    """A row of the history, from ``(sum of the losses, how many were right)`` in training and validation."""
    row = dict(epoch=epoch)
    for name, (loss, correct), images in (("train", train.tolist(), train_images), ("val", val.tolist(), val_images)):
        row.update({f"{name}_loss": loss / images, f"{name}_accuracy": correct / images})
    return row


def _stop(history: History, epochs: int, patience: int | None, loss_delta: float | None) -> str | None:
    """Why training ends here, or ``None`` if it goes on."""
    if patience is not None and len(history) - history.best_epoch >= patience:
        return "patience"
    losses = history["train_loss"]
    if loss_delta is not None and len(losses) > 1 and losses[-2] - losses[-1] < loss_delta:
        return "loss_delta"
    return "finished" if len(history) >= epochs else None


def _read_in_first(crew: Processes, path: str | os.PathLike | None, identity: dict) -> dict | None:
    """The saved state, read by the first process for all: the others may run on machines that don't have the file."""
    if path is None:
        return None
    found = None
    if crew.rank == 0:
        try:
            found = read_state(Path(path), identity)
        except CheckpointError as error:  # which all are to raise, lest the others wait for this one
            found = error
    found = crew.from_first(found)
    if isinstance(found, CheckpointError):
        raise found
    return found


def _collect(parts: dict, generator, device: torch.device, history: History, best_weights: dict, crew) -> dict:
    """Everything that the next epoch depends on, for a file."""
    return dict(
        parts={name: part.state_dict() for name, part in parts.items()},
        history=history.to_dict(),
        best_weights=best_weights,
        generator=generator.get_state(),
        # Of each process: they draw different numbers in dropout.
        random=crew.all([torch.get_rng_state(), *(torch.cuda.get_rng_state(gpu) for gpu in _gpus(device))]),
    )


def _restore(parts: dict, generator, device: torch.device, saved: dict, rank: int) -> tuple[History, dict]:
    """Put what ``_collect`` gave back into its places; returns the history and the best weights."""
    for name, part in parts.items():
        part.load_state_dict(saved["parts"][name])
    generator.set_state(saved["generator"])
    if rank < len(saved["random"]):  # else there are more processes now than before
        on_cpu, *on_gpus = saved["random"][rank]
        torch.set_rng_state(on_cpu)
        for gpu, numbers in zip(_gpus(device), on_gpus):
            torch.cuda.set_rng_state(numbers, gpu)
    return History.from_dict(saved["history"]), saved["best_weights"]


def _precision(device: torch.device, mixed: bool):
    """A function that opens an autocast context, and the gradient scaler that float16 needs."""
    if not mixed:
        return nullcontext, torch.amp.GradScaler(device.type, enabled=False)
    half = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    dtype = torch.float16 if half else torch.bfloat16
    return lambda: torch.autocast(device.type, dtype), torch.amp.GradScaler(device.type, enabled=half)


def _gpus(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _check_finite(row: dict, lr: float) -> None:
    for loss in (row["train_loss"], row["val_loss"]):
        if not math.isfinite(loss):
            raise TrainingDivergedError(f"the loss became {loss} in epoch {row['epoch']}: try a smaller lr than {lr}")


def _check_data(train: ImageSet, val: ImageSet, shift: int | None, cutout: int | None) -> None:
    if not len(train) or not len(val):
        raise InputError("train and val need at least one image each")
    if train.classes != val.classes:
        raise InputError(f"train and val need the same classes, not {train.classes} and {val.classes}")
    smallest = min(train.images.shape[2:])
    if shift is not None and not 0 <= shift < smallest:
        raise InputError(f"shift must be between 0 and {smallest - 1} for images of this size, not {shift}")
    if cutout is not None and shift is None:
        raise InputError("cutout needs a shift: give shift=0 for flips and covered squares alone")
    if cutout is not None and not 1 <= cutout < smallest:
        raise InputError(f"cutout must be between 1 and {smallest - 1} for images of this size, not {cutout}")


def _check_shares(crew: Processes, smallest: int) -> None:
    if smallest < crew.size:
        raise InputError(
            f"the smallest batch of an epoch has {smallest} images, too few for {crew.size} processes: "
            "choose another batch_size, or fewer processes"
        )


def _check_options(options: dict) -> None:
    for name, known in (("schedule", ("one_cycle", "constant")), ("optimizer", ("sgd", "adamw"))):
        if options[name] not in known:
            raise InputError(f"{name} must be {' or '.join(map(repr, known))}, not {options[name]!r}")
    given = {name: value for name, value in options.items() if value is not None}
    for name in given.keys() & {"epochs", "batch_size", "patience"}:
        if given[name] < 1:
            raise InputError(f"{name} must be at least 1, not {given[name]}")
    for name in given.keys() & {"weight_decay", "loss_delta"}:
        if not given[name] >= 0:
            raise InputError(f"{name} must be 0 or more, not {given[name]}")
    for name in given.keys() & {"momentum", "label_smoothing", "ema"}:
        if not 0 <= given[name] < 1:
            raise InputError(f"{name} must be at least 0 and less than 1, not {given[name]}")
    for name in given.keys() & {"lr", "clip"}:
        if not 0 < given[name] < math.inf:
            raise InputError(f"{name} must be positive, not {given[name]}")
