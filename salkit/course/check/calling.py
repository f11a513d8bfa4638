"""Calling a learner's function on a copy of its arguments, within a time limit, and seeing what it leaves behind."""

from __future__ import annotations

import copy
import pickle
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


class OutOfTime(BaseException):
    """The call took longer than its limit. No ``Exception``, so that a learner's ``except Exception`` lets it pass."""


@dataclass(frozen=True)
class Outcome:
    """What a function made of one case: a value or an error, and what it left behind, in words."""

    value: object = None
    error: BaseException | None = None
    trace: str = ""


@contextmanager
def undisturbed(seed: int) -> Iterator[None]:
    """Torch as a fresh process has it, and random numbers from ``seed``; afterwards all is as it was before.

    The caller may have another default device or dtype, or be under ``no_grad``, ``inference_mode`` or ``autocast``:
    none of it may reach the cases.
    """
    states = random.getstate(), np.random.get_state(), torch.get_default_dtype()
    cpu = torch.device("cpu")
    try:
        with (
            nullcontext() if torch.get_default_device() == cpu else cpu,  # which slows every call of torch down
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast("cpu", enabled=False),
            torch.random.fork_rng(devices=[]),
        ):
            torch.set_default_dtype(torch.float32)
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_default_dtype(states[2])


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` in the block when it takes longer.

    It needs the alarm signal, which only the main thread gets, and Windows does not have: elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_):
        raise OutOfTime

    handler = signal.signal(signal.SIGALRM, stop)
    # Again and again, in case that an `except:` of the learner swallows the first.
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)


def call(function: Callable, case: tuple, seconds: float, may_draw: bool = False) -> Outcome:
    """Call ``function`` on a copy of ``case``. Nothing that it raises comes out, but for a ``KeyboardInterrupt``.

    ``may_draw``: whether it may use the global random numbers.
    """
    arguments, settings = copy.deepcopy(case), _settings(may_draw)
    try:
        with limited(seconds):
            value = function(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Outcome(error=error)
    else:
        changed = (name for name, state in _settings(may_draw).items() if state != settings[name])
        return Outcome(value, trace=change(case, arguments) or next(changed, ""))
    finally:
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)


def _settings(may_draw: bool) -> dict[str, object]:
    """What a function must leave as it was, by the words for it when it did not."""
    numbers = (
        () if may_draw else (random.getstate(), pickle.dumps(np.random.get_state()), _bytes(torch.get_rng_state()))
    )
    return {
        "the global random numbers were drawn from or seeded, which changes what the rest of a program draws: use a "
        "torch.Generator of your own.": numbers,
        "gradients were switched on or off for the whole program: use `with torch.no_grad():`.": (
            torch.is_grad_enabled()
        ),
        "the default dtype of torch was changed.": torch.get_default_dtype(),
    }


def _bytes(tensor: Tensor) -> tuple:
    return tensor.dtype, tensor.shape, tensor.detach().cpu().numpy().tobytes()


def _hooks(model: nn.Module) -> list:
    """How many hooks hang on each module and parameter, and whether a ``forward`` was put in the place of another."""
    modules = [[len(v) for name, v in vars(m).items() if name.endswith("_hooks") and v] for m in model.modules()]
    parameters = [len(p._backward_hooks or ()) + len(p._post_accumulate_grad_hooks or ()) for p in model.parameters()]
    return [modules, parameters, ["forward" in vars(module) for module in model.modules()]]


_STATE_OF_A_NETWORK = (
    (
        "the gradients of the network's parameters were filled on the way, and would add up in a training step: use "
        "torch.autograd.grad(score, images) instead of .backward().",
        lambda model: [p.grad is None for p in model.parameters()],
    ),
    (
        "hooks were left on the network, and go on working in every later call: keep the handle, and call "
        "handle.remove().",
        _hooks,
    ),
    ("layers of the network were exchanged.", lambda model: [(n, type(m)) for n, m in model.named_modules()]),
    (
        "the network came in evaluation mode and was left in another: put its train flags back.",
        lambda model: [module.training for module in model.modules()],
    ),
    (
        "requires_grad of the network's parameters was changed: put it back.",
        lambda model: [p.requires_grad for p in model.parameters()],
    ),
    (
        "the network's weights or running statistics were changed on the way.",
        lambda model: [(name, _bytes(value)) for name, value in model.state_dict().items()],
    ),
)


def change(old, new) -> str:
    """What was changed in an argument, in words; empty when nothing."""
    if isinstance(old, nn.Module):
        return next((words for words, state in _STATE_OF_A_NETWORK if state(old) != state(new)), "")
    if isinstance(old, Tensor):
        if old.requires_grad != new.requires_grad:
            return (
                "requires_grad was switched on in the tensor that came in: work on a copy of your own, "
                "images.detach().clone().requires_grad_()."
            )
        changed = "a tensor that came in was changed in place: work on a copy, x.clone()."
        return "" if _bytes(old) == _bytes(new) else changed
    kind = type(old).__name__
    if isinstance(old, dict):
        old, new = [*old.items()], [*new.items()]
    if isinstance(old, (list, tuple)) and len(old) == len(new):
        return next(filter(None, map(change, old, new)), "")
    return "" if np.array_equal(old, new) else f"a {kind} that came in was changed: work on a copy."


def as_tensor(value) -> Tensor | None:
    """Numbers, arrays, tensors and lists of them as one float64 tensor on the CPU; ``None`` for anything else."""
    try:
        if isinstance(value, Tensor) and value.is_nested:
            value = value.unbind()
        if isinstance(value, (list, tuple)):
            return torch.stack([as_tensor(part) for part in value]) if len(value) else torch.empty(0).double()
        if not isinstance(value, Tensor):
            value = torch.as_tensor(np.asarray(value))
        return None if value.is_complex() else value.detach().to_dense().cpu().double()
    except Exception:  # whatever a learner's object may raise when it is asked for its numbers
        return None
