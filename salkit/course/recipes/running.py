"""From a recipe to a network in a file: train, test once, save, write the card."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import models
from ..._cache import write_file
from ..._device import find_device
from ..._distributed import all_gather, broadcast, world
from ...errors import InputError
from ..training import History, evaluate
from .cards import card
from .images import Images
from .reading import Recipe


def train(
    recipe: Recipe,
    output: str | os.PathLike,
    *,
    device: str | torch.device | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Train the network of a recipe; write its checkpoint and, beside it, its model card (``.md``).

    While it trains, the state is kept beside ``output`` (``NAME.1.state`` for the first stage, and so on). These files
    go away at the end. The test images are looked at once, when all training is done.

    Under ``torchrun`` all processes train one network together (see ``salkit.course.fit``), and the first one
    prints and writes.

    Args:
        recipe: see ``read_recipe``.
        output: the file to write; it must end in ``.safetensors``.
        device: where to train; ``None``: on a GPU if there is one (under ``torchrun``, one for each process).
        resume: go on from the state that an interrupted training left, if there is one.
        progress: print a line for each epoch, and the table of each stage.

    Returns:
        The path of the checkpoint. Its record has, beside what ``save_checkpoint`` says, ``recipe`` (the options of the
        last stage), ``before`` (of those before it), ``seed``, ``test``, ``device``, ``seconds`` (of this call),
        ``chosen_by`` (how many images chose the epoch) and ``input`` (the shape of an image).

    Raises:
        InputError: ``output`` has another ending, an interrupted training left its state and ``resume`` is not set, or
            several processes on CPUs were given a network with batch normalisation.
        CheckpointError: the state is of another recipe, other options or other data.
        DataUnavailableError: there are no such images, and no network to get them.
        TrainingDivergedError: see ``fit``.
        KeyboardInterrupt: after Ctrl-C; with ``resume`` the same call goes on after the last epoch that ended.
    """
    output = Path(output)
    if output.suffix != ".safetensors":
        raise InputError(f"the network must be written to a file that ends in .safetensors, not {output.name!r}")
    states = [output.with_suffix(f".{number}.state") for number in range(1, len(recipe.stages) + 1)]
    device = find_device(device)
    rank, size = world()
    left = broadcast([path.name for path in states if path.exists()])
    if left and not resume:
        raise InputError(
            f"an interrupted training left {' and '.join(left)} in {output.parent}: resume it, or delete this state"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = models.ARCHITECTURES[recipe.architecture](**recipe.kwargs).to(device)
    # The trained network is loaded into one of its own kind in the end; in eval mode both compute the same.
    trained = nn.SyncBatchNorm.convert_sync_batchnorm(model) if size > 1 and device.type == "cuda" else model
    started = time.perf_counter()
    for stage, state in zip(recipe.stages, states, strict=True):
        images = _load(stage, rank)
        quiet = {} if progress and rank == 0 else {"on_epoch_end": ()}
        history = stage.options().fit(trained, images.learn, images.choose, seed=recipe.seed, state=state, **quiet)
        if progress and rank == 0:
            print(history)
        if history.stopped == "interrupted":
            raise KeyboardInterrupt
    if rank == 0:
        _save(recipe, output, model, history, images, seconds=time.perf_counter() - started, size=size)
        for state in states:
            state.unlink(missing_ok=True)
    all_gather(None)  # nobody leaves before everything is written
    return output


def _load(stage, rank: int) -> Images:
    """The first process loads the images before the others, so that a download happens once."""
    if rank > 0:
        all_gather(None)
    images = stage.images()
    if rank == 0:
        all_gather(None)
    return images


def _save(recipe: Recipe, path: Path, model, history: History, images: Images, *, seconds: float, size: int) -> None:
    device = next(model.parameters()).device
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"a CPU ({platform.machine()})"
    *before, last = recipe.stages
    record: dict[str, Any] = dict(
        architecture=recipe.architecture,
        kwargs=recipe.kwargs,
        history=history,
        recipe=last.fit,
        before=[stage.fit for stage in before],
        seed=recipe.seed,
        data=images.learn,
        half=True,
        input=list(images.test.images.shape[1:]),
        # Learnt by heart, the training images are also those that chose.
        chosen_by=0 if images.choose is images.learn else len(images.choose),
        device=on if size == 1 else f"{size} processes, each on {on}",
        seconds=seconds,
    )
    # The 16 bits that are stored are what gets tested.
    models.save_checkpoint(path, model, **record)
    loss, accuracy = evaluate(models.load_checkpoint(path, device), images.test)
    models.save_checkpoint(path, model, **record, test=dict(accuracy=accuracy, loss=loss, images=len(images.test)))
    write_file(path.with_suffix(".md"), card(recipe, models.read_metadata(path)))
