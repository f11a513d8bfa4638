"""The processes that ``torchrun`` started: which one this is, and what they tell one another."""

from __future__ import annotations

import atexit
import os
from datetime import timedelta

import torch
from torch import distributed as dist

from .errors import InputError

# A process that is done first waits for the slowest; the default of half an hour would end a long run.
_PATIENCE = timedelta(days=7)


def world() -> tuple[int, int]:
    """The rank of this process and how many there are: ``(0, 1)`` when nobody started more.

    A process group that the caller has set up is used. Under ``torchrun`` without one, it is set up now, gloo for what
    is on the CPU and NCCL for what is on a GPU, and stays until the process ends: torchrun's store still has the
    addresses of a group that was taken down, and a second one may be sent there.
    """
    if not dist.is_available() or not (dist.is_initialized() or dist.is_torchelastic_launched()):
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
        atexit.register(_destroy)
    return dist.get_rank(), dist.get_world_size()


def _destroy() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def all_gather(value) -> list:
    """What each process gives, in the order of their ranks."""
    _, size = world()
    values = [value] * size
    if size > 1:
        dist.all_gather_object(values, value)
    return values


def broadcast(value):
    """What the first process gives, in all of them."""
    values = [value]
    if world()[1] > 1:
        dist.broadcast_object_list(values, 0)
    return values[0]


def check_same(value, what: str) -> None:
    """Raise an InputError in every process unless all of them give the same value."""
    if any(other != value for other in all_gather(value)):
        raise InputError(f"the processes were given different {what}: give the same to each of them")


def is_first() -> bool:
    """Whether this process is to speak for all that ``torchrun`` started; a process on its own is."""
    return int(os.environ.get("RANK", 0)) == 0
