"""The machinery that the methods share: rows of inputs in, scores or gradients out; and access to layers.

Everything here runs inside ``untouched``, and takes a target that went through ``targets.check``.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from .. import targets
from .._state import FAILURES, any_is, is_finite, modules_of, run
from ..errors import InputError, LayerError, NotDifferentiableError, SalkitError, SalkitWarning, TargetError


def slices(n: int, size: int | None) -> Iterator[slice]:
    """0 .. n - 1 in runs of at most ``size``; all at once for ``None``.

    Raises:
        InputError: when ``size`` is not a positive int.
    """
    if size is None:
        size = n
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InputError(f"batch_size must be a positive int or None, not {size!r}")
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


# About as many input values as fit the caches of a CPU and the memory of a GPU, activations included.
_VALUES_IN_ONE_PASS = {"cpu": 2**20, "cuda": 2**24}


def rows_in_one_pass(x: Tensor, batch_size: int | None) -> int:
    """How many changed copies of the samples a method runs at once, if ``batch_size`` leaves it open.

    A power of two: ResNet-18 on a CPU takes a tenth more time for a picture in a batch of 6 or 10 than in one of 8.
    """
    if batch_size is not None:
        next(slices(1, batch_size))  # raises where it is not a positive int
        return batch_size
    return 2 ** max(0, round(math.log2(_VALUES_IN_ONE_PASS.get(x.device.type, 2**20) / x[0].numel())))


def generator_of(seed: int) -> torch.Generator:
    """A source of random numbers.

    Raises:
        InputError: the seed is no int.
    """
    try:
        return torch.Generator().manual_seed(seed)
    except (TypeError, RuntimeError, ValueError, OverflowError) as error:
        raise InputError(f"seed must be an int of 64 bits, not {seed!r}") from error


def copies(samples: int, n: int, rows: int) -> Iterator[slice]:
    """The numbers 0 .. n - 1 of the changed copies of ``samples`` samples, at most ``rows`` copies a time."""
    return slices(n, max(1, rows // samples))


def wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype to add many maps in: half precision has too few digits."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def misses(delta: Tensor, change: Tensor, maps: Tensor, ends: Tensor, dtype: torch.dtype, share: float) -> Tensor:
    """Which maps' sums miss the change of their scores by more than this share of it and more than rounding can do.

    Args:
        delta, change: ``(N,)``, the gap and the change.
        ends: ``(N,)``, the absolute score plus the one at the baseline: both are rounded to ``dtype``.
    """
    rounding = 4 * torch.finfo(dtype).eps * ends + 1e-5 * maps.reshape(len(maps), -1).abs().sum(1)
    large = ~((delta.abs() <= share * change.abs()) | (delta.abs() <= rounding))  # NaN is large, too
    return large & maps.reshape(len(maps), -1).isfinite().all(1)  # of others ``warn_of_holes`` tells


def worst_share(gap: Tensor, change: Tensor) -> str:
    """The largest gap between a map's sum and the change of its score, in words; the change may be nothing."""
    share = (gap.abs() / change.abs()).max().item()
    if math.isnan(share):
        return "NaN or infinity, no share of the change of the score"
    return f"{'more than 1000%' if share > 10 else f'up to {share:.0%}'} of the change of the score"


def warn_of_holes(maps: Tensor, scores: Sequence[Tensor] | None = None, *, stacklevel: int = 3) -> None:
    """Tell of maps with NaN or infinity, or of such scores.

    Args:
        scores: in parts, of which ``targets.inspect`` has seen the first and told of it.
    """
    if is_finite(maps) and (scores is None or all(map(is_finite, scores[1:]))):
        return
    holes = ~maps.detach().reshape(len(maps), -1).isfinite().all(1)
    if scores is not None:
        holes |= ~torch.cat(list(scores)).isfinite()
        holes[: len(scores[0])] &= scores[0].isfinite()
    if holes.any():
        warnings.warn(
            f"{int(holes.sum())} of {len(maps)} maps hold NaN or infinity, or explain such a score: look for a step "
            "of the model without a finite value or slope (a root or logarithm of 0, a division by 0), or for what is "
            f"too large in {maps.dtype}",
            SalkitWarning,
            stacklevel=stacklevel,
        )


def spread(baseline: float | Tensor, x: Tensor) -> Tensor:
    """A baseline in the shape, dtype and on the device of the samples.

    Raises:
        InputError: when it does not broadcast to them, is not finite in their dtype, or is a list.
    """
    if isinstance(baseline, (list, tuple)):
        raise InputError("the baseline is a list: pass one number or tensor; integrated_gradients alone takes several")
    try:
        start = torch.as_tensor(baseline, dtype=x.dtype, device=x.device).detach()
        start = (start.clone() if start.is_inference() else start).expand_as(x)
    except (RuntimeError, TypeError, ValueError) as error:
        got = tuple(baseline.shape) if isinstance(baseline, Tensor) else repr(baseline)
        raise InputError(f"the baseline {got} does not broadcast to the inputs {tuple(x.shape)}") from error
    if not is_finite(start):
        raise InputError(f"the baseline holds NaN or infinity in {x.dtype}: pass finite values")
    return start


def repeat(target, times: int):
    """The target of ``(times, samples)`` rows, flattened."""
    return target.repeat(times) if isinstance(target, Tensor) else target


def flat(values: Iterable) -> Iterator:
    """The values one by one, with lists and tuples among them opened."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from flat(value)
        else:
            yield value


def call(model: nn.Module, rows: Tensor):
    """The model's outputs; it gets a copy, as its first layer may work in place."""
    return run(model, rows.clone())


def scores_of(outputs, target, rows: int, how=targets.score) -> Tensor:
    """``(rows,)`` scores, or an error where the model or a callable target lost the batch axis."""
    scores = how(outputs, target)
    if len(scores) != rows:
        raise TargetError(
            f"there are {len(scores)} scores for {rows} samples: the outputs need one row for each sample, and the "
            "inputs a batch axis, a single one as inputs[None]"
        )
    return scores


def first_look(
    model: nn.Module, x: Tensor, target, batch_size: int | None, how=targets.score
) -> tuple[Tensor | Callable | None, Tensor]:
    """One forward pass over the inputs as they are, before a method changes them many times.

    Returns:
        The target with the predicted classes filled in, so that changed inputs keep being scored by them,
        and the scores ``(N,)``.
    """
    fixed, scores = [], []
    with torch.no_grad():
        for rows in slices(len(x), batch_size):
            outputs = call(model, x[rows])
            if rows.start == 0:
                targets.inspect(outputs, target)
            fixed.append(targets.fix(outputs, targets.take(target, rows)))
            scores.append(scores_of(outputs, fixed[-1], rows.stop - rows.start, how))
    whole = torch.cat(fixed) if isinstance(fixed[0], Tensor) else fixed[0]
    return whole, torch.cat(scores)


def classes_of(model: nn.Module, x: Tensor, target, batch_size: int | None):
    """The target, where ``None`` stands for the classes that one forward pass predicts, and that the others keep."""
    return first_look(model, x, None, batch_size)[0] if target is None else target


def score(
    model: nn.Module, rows: Tensor, target, how=targets.score, *, first: bool = False, whole=None, run=run
) -> Tensor:
    """Scores ``(M,)`` of ``M`` rows. The rows are the method's own: the model may work on them in place.

    Args:
        first: check these outputs against ``whole``, the target of all samples.
        run: how the model is run.
    """
    outputs = run(model, rows)
    if isinstance(outputs, Tensor):
        outputs = outputs.contiguous()  # a callable may view them
    if first:
        targets.inspect(outputs, whole)
    return scores_of(outputs, target, len(rows), how)


# From so many values in one pass on, a CPU convolves faster with the channels last: see benchmarks/attribution.py.
_LARGE = 2**19
_TAKES_CHANNELS_LAST: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


def quickest(model: nn.Module, rows: Tensor) -> Tensor:
    """The rows, in the order in memory in which a CPU convolves large images the fastest, if the model takes it.

    Whether it does is tried on the first row, once: a model may read its inputs by their strides, or view them.
    """
    if rows.ndim != 4 or rows.device.type != "cpu" or rows.numel() < _LARGE:
        return rows
    if model not in _TAKES_CHANNELS_LAST:
        convolves = any_is(modules_of(model), nn.Conv2d)
        _TAKES_CHANNELS_LAST[model] = convolves and _is_equal_with_channels_last(model, rows[:1].detach())
    return rows.to(memory_format=torch.channels_last) if _TAKES_CHANNELS_LAST[model] else rows


def _is_equal_with_channels_last(model: nn.Module, row: Tensor) -> bool:
    """Whether the outputs are the same but for rounding, and their gradient but for rectifiers at the brink."""

    def found(order: torch.memory_format) -> tuple[Tensor, Tensor]:
        leaf = row.clone().requires_grad_()
        outputs = model(leaf.to(memory_format=order))
        outputs = outputs if isinstance(outputs, Tensor) else targets.logits(outputs)
        return outputs.detach(), torch.autograd.grad(outputs.square().sum(), leaf)[0]

    try:
        with torch.enable_grad():
            (outputs, slopes), (others, their_slopes) = found(torch.contiguous_format), found(torch.channels_last)
    except (*FAILURES, SalkitError):
        return False
    return all(
        bool((one - other).norm() <= most * one.norm())
        for one, other, most in ((outputs, others, 1e-3), (slopes, their_slopes, 0.1))
    )


def differentiate(model: nn.Module, rows: Tensor, target, *, first: bool = False, whole=None) -> Tensor:
    """The gradient of each row's score by that row, in the rows' shape; ``first`` and ``whole`` as for ``score``."""
    return differentiate_with_scores(model, rows, target, first=first, whole=whole)[0]


def differentiate_with_scores(
    model: nn.Module, rows: Tensor, target, *, first: bool = False, whole=None
) -> tuple[Tensor, Tensor]:
    """The gradient of each row's score by that row, and the scores ``(M,)``."""
    leaf = rows.detach().requires_grad_()
    scores = score(model, quickest(model, leaf.clone()), target, first=first, whole=whole)
    return gradient_of(scores, [leaf])[0].contiguous(), scores.detach()


def gradient_of(scores: Tensor, leaves: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The gradient of the sum of the scores by each leaf; zeros where one of several leaves doesn't matter.

    Rows of a batch don't meet in evaluation mode, so the gradient of the sum is each row's own.

    Raises:
        NotDifferentiableError: when nothing links the scores to the leaves, or autograd can't go back.
    """
    if not scores.requires_grad:
        raise NotDifferentiableError(
            "the score does not depend on the inputs through differentiable steps: "
            "look for no_grad, detach, argmax or a round trip through numpy in the model or the target"
        )
    try:
        found = torch.autograd.grad(scores.sum(), leaves, allow_unused=True)
    except (torch.OutOfMemoryError, SalkitError):
        raise
    except RuntimeError as error:
        if "heckpoint" in f"{type(error).__name__} {error}":
            raise NotDifferentiableError(
                "the model recomputes parts of itself on the way back (torch.utils.checkpoint), which this method "
                "can't follow: switch checkpointing off"
            ) from error
        raise NotDifferentiableError(f"autograd can't go back through the model: {error}") from error
    if all(part is None for part in found):
        raise NotDifferentiableError(
            "nothing that has a gradient links the score to what is explained: look for quantised layers, and for "
            "layers that the score does not depend on"
        )
    return tuple(torch.zeros_like(leaf) if part is None else part for part, leaf in zip(found, leaves))


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """The modules by dotted name; those of a compiled model go by the names that they had before.

    Raises:
        LayerError: the model or a part of it is TorchScript or exported, which hides its layers.
    """
    _refuse_hidden_layers(model)
    return dict(getattr(model, "_orig_mod", model).named_modules())


def _refuse_hidden_layers(model: nn.Module) -> None:
    if not any_is(modules_of(model), (torch.jit.ScriptModule, torch.fx.GraphModule)):
        return
    for name, module in getattr(model, "_orig_mod", model).named_modules():
        if isinstance(module, torch.jit.ScriptModule) or _is_exported(module):
            raise LayerError(
                f"{name or 'the model'} is TorchScript or exported, which hides its layers: explain the model that it "
                "was made of"
            )


def _is_exported(module: nn.Module) -> bool:
    """Whether it is a graph of torch's inner functions, which calls no layer any more."""
    nodes = module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ()
    return any(isinstance(node.target, torch._ops.OpOverload) for node in nodes)


def find_layer(model: nn.Module, layer: nn.Module | str) -> tuple[str, nn.Module]:
    """A layer's dotted name and module, from either.

    Raises:
        LayerError: when it is not part of the model.
    """
    if isinstance(layer, str):
        _refuse_hidden_layers(model)
        try:
            return layer, getattr(model, "_orig_mod", model).get_submodule(layer)
        except AttributeError:
            raise LayerError(
                f"the model has no layer {layer!r}; its names are those of model.named_modules()"
            ) from None
    for name, module in layers_of(model).items():
        if module is layer:
            return name, module
    raise LayerError(f"{type(layer).__name__} is not a layer of this model: pass one of model.named_modules()")


def is_ambiguous(units: Tensor, n: int) -> bool:
    """Whether the first axis of what a layer puts out for ``n`` samples may be another one than theirs."""
    return units.shape[:1] != (n,) or (n > 1 and n in units.shape[1:])


def refuse_other_axes(model: nn.Module, x: Tensor, name: str) -> None:
    """Look at the layer on two and on three copies of the first sample: no other axis has both sizes.

    Raises:
        LayerError: its first axis is not that of the samples.
    """
    for n in (2, 3):
        with torch.no_grad(), captured(model, [name]) as outputs:
            call(model, x[:1].expand(n, *x.shape[1:]))
        if outputs[name].shape[:1] != (n,):
            raise LayerError(
                f"layer {name!r} puts out {tuple(outputs[name].shape)} for {n} samples, so its first axis is not that "
                "of the samples: build it with batch_first=True, or choose a layer that keeps the samples first"
            )


@contextmanager
def captured(
    model: nn.Module, layers: Sequence[nn.Module | str], *, cut: bool = False, units: Tensor | None = None
) -> Generator[dict[str, Tensor]]:
    """Collect what layers put out while the model runs once; the hooks are gone at the end.

    Args:
        layers: modules or dotted names.
        cut: start the graph anew at these layers. The collected tensors are then leaves that require a gradient,
            and nothing above them is differentiated. Only layers that don't feed one another can be cut.
        units: a leaf that goes on in place of what the layer puts out, whatever that is.

    Yields:
        A dictionary, filled by name while the model runs.

    Raises:
        LayerError: an unknown layer; on leaving, one that did not run; while running, one that runs twice
            or puts out something else than a tensor.
    """
    found = dict(find_layer(model, layer) for layer in layers)
    outputs: dict[str, Tensor] = {}
    given: dict[str, list[tuple[Tensor, int]]] = {}

    def note_for(name: str):
        def note(_module, args):
            given[name] = [(one, _version(one)) for one in args if isinstance(one, Tensor)]

        return note

    def hook_for(name: str):
        def hook(_module, _args, output):
            if name in outputs:
                raise LayerError(f"layer {name!r} runs more than once in a forward pass: choose one that runs once")
            if not isinstance(output, Tensor):
                raise LayerError(f"layer {name!r} puts out a {type(output).__name__}, not a tensor: choose another")
            # Copies: what comes after the layer may work in place.
            if not cut and units is None:
                outputs[name] = output.clone()
                return None
            shared = [old for one, old in given.pop(name) if _root(one) is _root(output)]
            kept = output.detach() if units is None else units
            outputs[name] = (kept.clone() if shared and units is None else kept).requires_grad_()
            if any(old != _version(output) for old in shared):
                return output.copy_(outputs[name])  # everybody who holds what went in goes on from there
            return outputs[name].clone()

        return hook

    with ExitStack() as hooks:
        for name, module in found.items():
            hooks.enter_context(module.register_forward_pre_hook(note_for(name)))
            hooks.enter_context(module.register_forward_hook(hook_for(name)))
        yield outputs
    for name in found:
        if name not in outputs:
            raise LayerError(f"layer {name!r} did not run in the forward pass: choose one that does")


def _root(values: Tensor) -> Tensor:
    """What they are a view of."""
    return values if values._base is None else values._base


def _version(values: Tensor) -> int:
    """How often they were changed in place, which inference mode does not count."""
    return 0 if values.is_inference() else values._version
