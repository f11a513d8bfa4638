r"""DeepLift's Rescale rule, put in where functions are called.

The model runs twice, on the references :math:`x'` and on the inputs :math:`x`. In the second run each non-linearity
:math:`f` passes back, in place of its derivative, its slope between the two (Shrikumar et al. 2017, section 3.5.2):

.. math:: m = \frac{f(h) - f(h')}{h - h'}, \qquad m = f'(h) \text{ where } h \approx h'

A product of two values that both depend on the input takes the mean of each factor, which is exact:
:math:`ab - a'b' = (a - a') \tfrac{b + b'}{2} + (b - b') \tfrac{a + a'}{2}`. A max pool passes what its largest value
changes by to the place where the larger of the two maxima is. All else that the rules don't know (softmax, layer
normalisation, recurrent cells) passes back its gradient, and what is then missing from the sum is told.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..errors import NotDifferentiableError
from .core import flat, wide


def _named(names: str, *holders) -> set[Callable]:
    """The functions of these names, and their in-place variants, wherever torch keeps them."""
    spelt = [name + end for name in names.split() for end in ("", "_")]
    return {getattr(holder, name) for holder in holders for name in spelt if hasattr(holder, name)}


_HOLDERS = (torch, F, Tensor, torch.special)
_ELEMENTWISE = _named(
    "relu relu6 leaky_relu elu selu celu prelu rrelu hardtanh threshold clamp clamp_min clamp_max clip sigmoid tanh "
    "softplus softsign silu gelu hardswish hardsigmoid mish logsigmoid hardshrink softshrink tanhshrink exp exp2 expm1 "
    "log log1p log2 log10 sqrt rsqrt reciprocal square abs sin cos tan atan asinh erf expit pow float_power __pow__ "
    "__rpow__ __abs__",
    *_HOLDERS,
)
_PRODUCTS = _named(
    "mul multiply __mul__ __rmul__ __imul__ matmul __matmul__ __rmatmul__ bmm mm einsum linear bilinear conv1d conv2d "
    "conv3d",
    *_HOLDERS,
)
_QUOTIENTS = _named("div divide true_divide __truediv__ __rtruediv__ __div__ __rdiv__ __itruediv__ __idiv__", *_HOLDERS)
_REVERSED = _named("__rtruediv__ __rdiv__", Tensor)
_POOLS = {
    getattr(holder, f"{kind}_pool{n}d{end}"): (getattr(F, f"{kind}_pool{n}d_with_indices"), n)
    for kind in ("max", "adaptive_max")
    for n in (1, 2, 3)
    for end in ("", "_with_indices")
    for holder in (torch, F)
    if hasattr(holder, f"{kind}_pool{n}d{end}")
}


class _Valued(torch.autograd.Function):
    """``value``, with the gradients of ``linear``."""

    @staticmethod
    def forward(ctx, linear: Tensor, value: Tensor) -> Tensor:
        ctx.set_materialize_grads(False)  # None tells that a part of the model behind it has no gradient
        return value.clone()

    @staticmethod
    def backward(ctx, g: Tensor):
        return g, None


class Rescale(TorchFunctionMode):
    """While open, in this thread only, the rules stand in for the functions that they know.

    First open it around the run on the references, which are noted; then call ``compare()`` and open it around the run
    on the inputs, whose graph then passes back multipliers in place of gradients.

    Raises:
        NotDifferentiableError: the two runs do not call the same functions on the same shapes.
    """

    def __init__(self):
        super().__init__()
        self._noted: list[tuple[Callable, tuple[Tensor, ...]]] = []
        self._comparing = False

    def compare(self) -> None:
        """From now on the noted references are compared with, in their order."""
        self._noted.reverse()
        self._comparing = True

    def __torch_function__(self, function, types, args: tuple = (), kwargs=None):
        kwargs = kwargs or {}
        if isinstance(function, torch._ops.OpOverload) and function.namespace == "aten":
            raise NotDifferentiableError(
                "DeepLift can't see the functions of an exported model: explain the model that was exported"
            )
        if function in (torch.autograd.grad, Tensor.backward):
            raise NotDifferentiableError(
                "the model differentiates in its forward pass, which DeepLift's rules would change: use another method"
            )
        if function in _ELEMENTWISE:
            return self._elementwise(function, args, kwargs)
        if function in _POOLS:
            return self._pool(function, args, kwargs)
        if function in _PRODUCTS:
            return self._product(function, args, kwargs)
        if function in _QUOTIENTS and not kwargs.get("rounding_mode"):
            return self._quotient(function, args, kwargs)
        if function is F.glu:
            x, more, rest = _first(args, kwargs)
            first, gate = x.chunk(2, *(more or [rest.get("dim", -1)]))
            return self._product(torch.mul, (first, self._elementwise(torch.sigmoid, (gate,), {})), {})
        return function(*args, **kwargs)

    def _references(self, function: Callable, *values: Tensor) -> tuple[Tensor, ...] | None:
        """What these values were on the references; ``None`` in the run that is about those."""
        if not self._comparing:
            # Copies: a later layer may work in place.
            self._noted.append((function, tuple(value.detach().clone() for value in values)))
            return None
        noted, references = self._noted.pop() if self._noted else (None, ())
        if noted is not function or [r.shape for r in references] != [value.shape for value in values]:
            raise NotDifferentiableError(
                "DeepLift compares each step of the model on the inputs with the same step on the baseline, and this "
                "model does not take the same steps on both, or recomputes some on the way back (checkpointing)"
            )
        return references

    def _elementwise(self, function, args, kwargs):
        x, more, rest = _first(args, kwargs)
        if not _varies(x) or any(map(_varies, (*more, *rest.values()))):
            return function(*args, **kwargs)

        def apply(values: Tensor) -> Tensor:
            return function(values.clone(), *more, **rest)

        with torch.no_grad():
            mine = x.detach().clone()
            y = function(mine, *more, **rest)
            in_place = mine._version > 0
        references = self._references(function, x)
        if references is None:
            out = _Valued.apply(x * 0, y)
        else:
            out = _Valued.apply(x * slope(apply, x.detach(), y, references[0]), y)
        if in_place:
            x.copy_(out)  # everybody who holds x sees it from now on, as with the function itself
            return x
        return out

    def _pool(self, function, args, kwargs):
        x, more, rest = _first(args, kwargs)
        if not _varies(x):
            return function(*args, **kwargs)
        with_indices, axes = _POOLS[function]
        rest = {name: value for name, value in rest.items() if name != "return_indices"}
        with torch.no_grad():
            y, where = with_indices(x.detach(), *more, **rest)
        references = self._references(function, x)
        if references is None:
            out = _Valued.apply(x.sum() * 0 * y, y)
        else:
            with torch.no_grad():
                below, there = with_indices(references[0], *more, **rest)
                place = torch.where(y >= below, where, there).flatten(-axes)
                way = (x.detach() - references[0]).flatten(-axes).gather(-1, place)
                change = (y - below).flatten(-axes)
                none = way == 0
                share = torch.where(none, 1, change / torch.where(none, 1, way))
            out = _Valued.apply((x.flatten(-axes).gather(-1, place) * share).view_as(y), y)
        return (out, where) if function is with_indices or kwargs.get("return_indices") else out

    def _product(self, function, args, kwargs):
        factors = [value for value in flat((*args, *kwargs.values())) if _varies(value)]
        if len(factors) != 2:
            return function(*args, **kwargs)
        with torch.no_grad():
            value = _swap(function, args, kwargs, [factor.detach().clone() for factor in factors])
        references = self._references(function, *factors)
        if references is None:
            out = _Valued.apply(sum(factor.sum() for factor in factors) * 0 * value, value)
        else:
            middles = [f + ((r - f.detach()) / 2) for f, r in zip(factors, references)]
            out = _Valued.apply(_swap(function, args, kwargs, middles), value)
        if getattr(function, "__name__", "") in ("mul_", "multiply_", "__imul__"):
            args[0].copy_(out)
            return args[0]
        return out

    def _quotient(self, function, args, kwargs):
        above, more, rest = _first(args, kwargs)
        below = more[0] if more else rest["other"]
        above, below = (below, above) if function in _REVERSED else (above, below)
        if not _varies(below):
            return function(*args, **kwargs)
        out = self._product(torch.mul, (above, self._elementwise(torch.reciprocal, (below,), {})), {})
        if getattr(function, "__name__", "") in ("div_", "divide_", "true_divide_", "__itruediv__", "__idiv__"):
            args[0].copy_(out)
            return args[0]
        return out


def slope(function: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, reference: Tensor) -> Tensor:
    """``(f(x) - f(x')) / (x - x')``, and the derivative where that is mostly rounding.

    That is where the two values of f are close, beside themselves, and the derivative tells them apart as well, to
    their last digits: whatever is taken, the contributions then add up.
    """
    dtype, eps = wide(x.dtype), torch.finfo(x.dtype).eps
    with torch.no_grad():
        there = function(reference)
        way = x.to(dtype) - reference.to(dtype)
        change = y.to(dtype) - there.to(dtype)
        size = torch.maximum(y.abs(), there.abs()).to(dtype)
        same, close = way == 0, change.abs() < eps**0.5 * size
        found = change / torch.where(same, 1, way)
    if (same | close).any():
        with torch.enable_grad():
            leaf = x.clone().requires_grad_()
            (derivative,) = torch.autograd.grad(function(leaf).sum(), leaf)
        # A root has no finite derivative at 0; where nothing changes, what is passed back adds nothing.
        derivative = derivative.to(dtype).nan_to_num(0, 0, 0)
        close &= (derivative * way - change).abs() <= 8 * eps * size
        found = torch.where(same | close, derivative, found)
    return found.to(x.dtype)


def _varies(value) -> bool:
    """Whether a value depends on the input: parameters need no gradient while a model is explained."""
    return isinstance(value, Tensor) and value.requires_grad


def _first(args: tuple, kwargs: dict):
    """The first argument, and the others by place and by name."""
    if args:
        return args[0], args[1:], kwargs
    return kwargs["input"], (), {name: value for name, value in kwargs.items() if name != "input"}


def _swap(function, args, kwargs, values: list[Tensor]):
    """The function of these values in place of those that vary, in their order."""
    left = iter(values)

    def swapped(value):
        if isinstance(value, (list, tuple)):
            return type(value)(swapped(one) for one in value)
        return next(left) if _varies(value) else value

    return function(*swapped(args), **{name: swapped(value) for name, value in kwargs.items()})


def refuse_what_hides_functions(model: nn.Module) -> None:
    """Raise a NotDifferentiableError for modules whose functions a mode can't see."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise NotDifferentiableError(
                f"DeepLift can't see the functions of a TorchScript module ({name or 'the model itself'}): "
                "explain the model that was scripted"
            )
