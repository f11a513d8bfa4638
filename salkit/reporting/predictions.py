"""What a network says about images, whatever it ends in: logits, one logit, probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .. import targets
from .._state import untouched
from ..errors import InputError, SalkitError, SalkitWarning, TargetError

_PROBED = (224, 32, 64, 28, 96, 128, 256, 384, 299, 512)  # sides of images that networks are made for
_MIRRORED = 0.05  # by how much the sum of two scores may vary, as a share of how their difference does


@dataclass(frozen=True, eq=False)
class Predictions:
    """Attributes:
    probabilities: ``(N, K)`` float64 on the CPU; a single output has two classes, no and yes.
    end: ``"softmax"`` or ``"sigmoid"``, in which the network ends; ``None`` where it gives logits.
    single: whether the network has a single output.
    mirrored: whether there are two classes and, up to a constant, the score of one is the negated score of the other.
    """

    probabilities: Tensor
    end: str | None
    single: bool
    mirrored: bool

    def score_of(self, k: int) -> targets.Target:
        """The target by which the methods explain class ``k``: its output; for no, the negation of the single one."""
        if self.single:
            return None if k == 1 else targets.against
        return k if self.end is None else lambda outputs: targets.logits(outputs)[:, k]

    def probability_of(self, k: int) -> Callable:
        """The target that is the probability of class ``k``."""
        return lambda outputs: _probabilities(targets.logits(outputs), self.end)[:, k]


def predict(model: nn.Module, inputs: Tensor) -> Predictions:
    """Ask the network about ``(N, C, H, W)`` images, one by one: a photograph each is what fits everywhere.

    Raises:
        InputError: the network fails on such images, whatever it raises, or gives NaN or infinity.
        TargetError: its outputs are no ``(N, K)`` logits.

    Warns:
        SalkitWarning: it ends in a softmax or a sigmoid.
    """
    with untouched(model, inputs) as images, torch.no_grad():
        rows = []
        for image in images.split(1):
            with _Sigmoids() as sigmoids:
                rows.append(_outputs(model, image))
        outputs = torch.cat([row.reshape(len(row), -1) for row in rows])
        single = outputs.shape[1] == 1
        if not outputs.isfinite().all():
            raise InputError("the network's outputs hold NaN or infinity: look for the cause in it or in the images")
        softmax = not single and targets.sum_to_one(outputs)
        end = "sigmoid" if sigmoids.gave(rows[-1]) else "softmax" if softmax else None
        mirrored = single or (outputs.shape[1] == 2 and _is_mirrored(outputs, _outputs(model, images[:1] / 2)))
    if end:
        warnings.warn(
            f"the network ends in a {end}: its outputs are taken as probabilities, and the maps explain one of these, "
            f"whose slope fades where it is near 0 or 100 %. A network without the {end} is explained better",
            SalkitWarning,
            stacklevel=2,
        )
    return Predictions(_probabilities(outputs, end).cpu(), end, single, mirrored)


@contextmanager
def foreign_errors(doing: str) -> Generator[None]:
    """Whatever a network raises becomes an ``InputError`` that says what was being done and which kind it was."""
    try:
        yield
    except SalkitError:
        raise
    except Exception as error:
        raise InputError(f"{doing} failed in the network: {type(error).__name__}: {error}") from error


def _probabilities(outputs: Tensor, end: str | None) -> Tensor:
    """``(N, K)`` float64 where the device has it."""
    outputs = outputs.float() if outputs.device.type == "mps" else outputs.double()
    if targets.is_single(outputs):
        yes = outputs.reshape(-1) if end else outputs.reshape(-1).sigmoid()
        return torch.stack([1 - yes, yes], dim=1)
    return outputs if end else outputs.softmax(1)


def _outputs(model: nn.Module, image: Tensor) -> Tensor:
    try:
        found = model(image.clone())
    except Exception as error:  # it is the user's own code: whatever it raises
        shape = "x".join(map(str, image.shape[1:]))
        raise InputError(
            f"the network can't take images of {shape}: {type(error).__name__}: {error}" + _what_would_do(model, image)
        ) from error
    try:
        return targets.logits(found)
    except TargetError as error:
        kind = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise TargetError(
            f"the network puts out {kind}, where (N, classes) logits are needed: wrap it in a module that picks or "
            "computes these"
        ) from error


def _what_would_do(model: nn.Module, image: Tensor) -> str:
    """Advice for a network that failed on the image, as far as it is sure to help."""
    weights = next((p.dtype for p in model.parameters() if p.is_floating_point()), image.dtype)
    if weights != image.dtype:
        kinds = f"weights are {weights}, not {image.dtype} as the images".replace("torch.", "")
        return f" (its {kinds}: convert it with .float())"
    given = image.shape[1]
    for channels, side in product(dict.fromkeys((given, 3, 1)), (image.shape[-1], *_PROBED)):
        with suppress(Exception):
            model(image.new_zeros(1, channels, side, side))
            other = "wrap it in a module that makes such channels of a colour image"
            return f" (it takes {channels}x{side}x{side}: {f'choose the size {side}' if channels == given else other})"
    return ""


class _Sigmoids(TorchFunctionMode):
    """Remembers the last sigmoid that ran, as a module, a function or a method."""

    last = None

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") in ("sigmoid", "sigmoid_", "special_expit"):
            self.last = result
        return result

    def gave(self, outputs: Tensor) -> bool:
        return self.last is not None and torch.equal(self.last.flatten(), outputs.flatten())


def _is_mirrored(outputs: Tensor, darker: Tensor) -> bool:
    """From the two outputs for the images, and for the first of them at half its brightness."""
    a, b = torch.cat([outputs, darker]).double().unbind(1)
    total, difference = a + b, a - b
    return bool(total.max() - total.min() <= _MIRRORED * (difference.max() - difference.min()))
