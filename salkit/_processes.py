"""The processes that ``torchrun`` started: who we are among them, and how they add up their numbers."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from datetime import timedelta
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch import distributed as dist

from .errors import InputError

# A process that is done first waits for the slowest; the default of half an hour would end a long run.
_PATIENCE = timedelta(days=7)
# The gloo groups that were made beside groups without gloo. Weakly: a group that is taken down must be free to end its
# threads, or one of them may still be busy when Python ends, and abort the process.
_beside: WeakKeyDictionary = WeakKeyDictionary()


@dataclass(frozen=True)
class Processes:
    """All processes of this run; a single one when nobody started more.

    Attributes:
        rank: the number of this process, from 0.
        size: how many there are.
        group: the gloo group of all of them, for what lies on the CPU.
    """

    rank: int = 0
    size: int = 1
    group: object = None

    def part(self, n: int) -> slice:
        """This process's share of ``n`` things in a row; the shares differ by one at most."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def add_up(self, tensor: Tensor) -> Tensor:
        """``tensor`` becomes its sum over all processes, the same bits in each of them; returns it."""
        if self.size > 1:
            dist.all_reduce(tensor, group=self._group_for(tensor))
        return tensor

    def take_from_first(self, tensor: Tensor) -> Tensor:
        """``tensor`` becomes what it is in the first process; returns it."""
        if self.size > 1:
            dist.broadcast(tensor, 0, group=self._group_for(tensor))
        return tensor

    def from_first(self, value):
        """What the first process gives, in all of them."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, 0, group=self.group)
        return values[0]

    def all(self, value) -> list:
        """What each process gives, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value, group=self.group)
        return values

    def check_same(self, value, what: str) -> None:
        """Raise an InputError in every process unless all of them give the same value."""
        if any(other != value for other in self.all(value)):
            raise InputError(f"the processes were given different {what}: give the same to each of them")

    def _group_for(self, tensor: Tensor):
        # NCCL can't add up what is on the CPU, and gloo is slow with what is on a GPU.
        return self.group if tensor.device.type == "cpu" else None


def processes() -> Processes:
    """All processes that work on this together.

    A process group that the caller has set up is used. Under ``torchrun`` without one, it is set up now, gloo for what
    is on the CPU and NCCL for what is on a GPU, and stays until the process ends: torchrun's store still has the
    addresses of a group that was taken down, and a second one may be sent there.
    """
    if not dist.is_available() or not (dist.is_initialized() or dist.is_torchelastic_launched()):
        return Processes()
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
        atexit.register(_take_down)
    return Processes(dist.get_rank(), dist.get_world_size(), _gloo_group(dist.group.WORLD))


def _gloo_group(world):
    """A group for what is on the CPU: that of all processes, if it can do that, else a new one beside it."""
    if "gloo" in dist.get_backend_config(world):
        return world
    if world not in _beside:
        _beside[world] = dist.new_group(backend="gloo", timeout=_PATIENCE)
    return _beside[world]


def _take_down() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process is to speak for all that ``torchrun`` started; a process on its own is."""
    return int(os.environ.get("RANK", 0)) == 0
