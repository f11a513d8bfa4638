"""Explaining a model leaves no trace on it: the one context in which every method works."""

from __future__ import annotations

import copy
import hashlib
import math
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.lazy import LazyModuleMixin

from .errors import InputError, SalkitError

# Train flags and requires_grad live on the model itself. Two threads that save and restore them in turn
# would leave each other's values behind, so one explains at a time.
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def untouched(model: nn.Module, inputs: Tensor) -> Generator[Tensor]:
    """Evaluation mode with gradients switched on and parameters not tracked; everything as before at the end.

    Restored, also after an exception: the train flag of every submodule, ``requires_grad`` of every parameter,
    the global random state, the gradient and inference modes. Batch-normalisation buffers do not move
    because the model is in evaluation mode. A compiled model runs eagerly: hooks reach only eager modules.
    A model with recurrent cells runs without cuDNN, whose cells have a gradient in training mode only.

    Args:
        model: any module; its own ``train()`` is not called.
        inputs: ``(N, ...)``, floating point, at least one sample.

    Yields:
        The inputs as a normal tensor that is detached from the caller's graph. It shares the caller's memory:
        pass a clone to the model, whose first layer may work in place.

    Raises:
        InputError: before the model runs, when the inputs or the model can't be explained.
    """
    modules, parameters = _check(model, inputs)
    with ExitStack() as stack:
        stack.enter_context(_ONE_AT_A_TIME)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        devices = [inputs.device] if inputs.device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=devices))
        if "torch._dynamo" in sys.modules:  # nothing can be compiled before that is imported
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if any_is(modules, nn.RNNBase):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        stack.enter_context(evaluation_mode(modules))
        stack.enter_context(_untracked(parameters))
        yield inputs.clone() if inputs.is_inference() else inputs.detach()


# What a model raises that can't take its inputs. All else, such as a CUDA device without memory, stays as it is.
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def run(model: nn.Module, rows: Tensor):
    """The model's outputs. The rows are handed over: its first layer may work on them in place.

    Raises:
        InputError: the model fails on them, chained to what it raised.
    """
    try:
        return model(rows)
    except (SalkitError, torch.OutOfMemoryError):
        raise
    except FAILURES as error:
        raise InputError(
            f"the model fails on inputs of the shape {tuple(rows.shape)} ({rows.dtype}, {rows.device}) with "
            f"{type(error).__name__}: {error}\n{_advice(model, rows, error)}"
        ) from error


def _advice(model: nn.Module, rows: Tensor, error: Exception) -> str:
    weight = next((p for p in model.parameters() if p.is_floating_point()), rows)
    if weight.is_meta:
        return "Its weights are on the meta device, where tensors hold no values: load them first."
    if (weight.dtype, weight.device) != (rows.dtype, rows.device):
        return f"Its weights are {weight.dtype} on {weight.device}: pass inputs.to({weight.dtype}, device=...)."
    if "Guard failed" in str(error):
        return (
            "It was exported for inputs of another size: export it with dynamic shapes, the batch axis among them, or "
            "explain the model that was exported."
        )
    if isinstance(error, TypeError):
        return "Wrap a model that takes more than one tensor in a module that takes one."
    return "Is the first axis that of the samples? A single one needs it too: inputs[None]. Are the others as trained?"


def copied(model: nn.Module) -> nn.Module:
    """A deep copy.

    Weights that older weight norms and pruning compute from others before each pass carry a graph, which can't be
    copied: their values are.

    Raises:
        InputError: what the model holds can't be copied.
    """
    kept = (value for module in model.modules() for value in vars(module).values() if isinstance(value, Tensor))
    try:
        return copy.deepcopy(model, {id(value): value.detach().clone() for value in kept if not value.is_leaf})
    except FAILURES as error:
        raise InputError(
            f"the model can't be copied, and this call works on a copy: {type(error).__name__}: {error}\n"
            "Keep locks, files and generators out of it."
        ) from error


@contextmanager
def evaluation_mode(modules: list[nn.Module]) -> Generator[None]:
    """Every module by itself in evaluation mode, and as it was at the end."""
    in_training = [module for module in modules if getattr(module, "training", False)]  # a frozen one has no flag
    try:
        for module in in_training:  # not model.eval(), which a subclass may override to do more
            module.training = False
        yield
    finally:
        for module in in_training:
            module.training = True


@contextmanager
def _untracked(parameters: list[nn.Parameter]) -> Generator[None]:
    """No graph is built for the weights, which saves memory and, below an explained layer, time."""
    tracked = [parameter for parameter in parameters if parameter.requires_grad and parameter.is_leaf]
    try:
        for parameter in tracked:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in tracked:
            parameter.requires_grad_(True)


def modules_of(model: nn.Module) -> list[nn.Module]:
    """As ``model.modules()``, in another order: its recursion takes several times as long, a share of a small call."""
    found, left = {model}, [model]
    while left:
        new = {child for child in left.pop()._modules.values() if child is not None and child not in found}
        found |= new
        left += new
    return list(found)


def any_is(modules: list[nn.Module], kind: type | tuple[type, ...]) -> bool:
    """Whether one of them is of this kind: quicker than asking each."""
    return any(issubclass(found, kind) for found in set(map(type, modules)))


def is_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite. The sum is quicker than a look at each; a finite one can overflow."""
    return math.isfinite(values.detach().sum()) or bool(values.isfinite().all())


_DTYPES = {torch.bfloat16, torch.float16, torch.float32, torch.float64}


def _check(model: nn.Module, inputs: Tensor) -> tuple[list[nn.Module], list[nn.Parameter]]:
    """The model's modules and parameters, walked once: for a small input most of what a call costs beside the passes.

    A parameter that several modules share comes as often.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"the model must be a torch.nn.Module, not {type(model).__name__}: wrap it in one")
    if not isinstance(inputs, Tensor):
        raise InputError(f"inputs must be a tensor with a batch axis, not {type(inputs).__name__}")
    if inputs.layout != torch.strided or inputs.is_nested:
        raise InputError("inputs must be a dense tensor, not a sparse, nested or MKL-DNN one: .to_dense(), or pad them")
    if not inputs.is_floating_point():
        raise InputError(f"inputs must be floating point, not {inputs.dtype}: images as inputs.float() / 255")
    if inputs.dtype not in _DTYPES:
        raise InputError(f"inputs must have 16, 32 or 64 bits, not {inputs.dtype}: torch can't compute with it")
    if inputs.ndim < 2 or not inputs.numel():
        raise InputError(f"inputs need a batch axis and at least one sample, not the shape {tuple(inputs.shape)}")
    if inputs.is_meta:
        raise InputError("the inputs are on the meta device, where tensors hold no values: make them on another")
    if not is_finite(inputs):
        raise InputError("the inputs hold NaN or infinity: fill in what is missing, and say so in a channel of its own")
    modules = modules_of(model)
    kinds = set(map(type, modules))
    if any(issubclass(kind, LazyModuleMixin) for kind in kinds) and any(
        isinstance(module, LazyModuleMixin) and module.has_uninitialized_params() for module in modules
    ):
        raise InputError(
            f"the model holds lazy layers without weights: run the model once on inputs of this shape, "
            f"model(torch.zeros{tuple(inputs.shape)}), before you train or explain it"
        )
    if any(type(kind) is not type for kind in kinds):  # observers are abstract classes
        _refuse_observers(modules)
    if any(issubclass(kind, _BatchNorm) for kind in kinds) and any(
        isinstance(module, _BatchNorm) and module.running_mean is None for module in modules
    ):
        raise InputError(
            "a batch normalisation without running statistics lets the samples of a batch change each other's scores: "
            "build it with track_running_stats=True, and train it so"
        )
    parameters = [p for module in modules for p in module._parameters.values() if p is not None]
    if any(map(Tensor.is_inference, parameters)):
        raise InputError("the model was made under torch.inference_mode(), so it has no gradients: make it outside")
    return modules, parameters


def _refuse_observers(modules: list[nn.Module]) -> None:
    """Those of a model that is prepared for quantisation record what they see, in evaluation mode too."""
    quantization = sys.modules.get("torch.ao.quantization")
    if quantization is None:
        return
    observer, fake = quantization.ObserverBase, quantization.FakeQuantizeBase
    if not any_is(modules, (observer, fake)):
        return
    fakes = [module for module in modules if isinstance(module, fake)]
    idle = {inner for module in fakes if not module._buffers["observer_enabled"][0] for inner in module.modules()}
    if any(isinstance(module, (observer, fake)) and module not in idle for module in modules):
        raise InputError(
            "the model holds observers, which record what they see in evaluation mode too, so to explain it would "
            "change it: "
            + (
                "model.apply(torch.ao.quantization.disable_observer), or convert it"
                if fakes
                else "torch.ao.quantization.convert it, or explain the model before it was prepared"
            )
        )


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors with their names, types and shapes, in hexadecimal digits; a ``state_dict`` for a network.

    What is no tensor (some modules keep other state) is left out.
    """
    sha = hashlib.sha256()
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor):
            sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()
