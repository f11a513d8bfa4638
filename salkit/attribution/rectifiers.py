r"""Guided backpropagation and deconvolution: the gradient, with another rule at every rectifier.

A rectifier passes :math:`y = \max(x, 0)`. On the way back, with :math:`g` the gradient that arrives at :math:`y`:

====================  ==========================================
gradient              :math:`g \cdot [x > 0]`
deconvnet             :math:`g \cdot [g > 0]`
guided backprop       :math:`g \cdot [x > 0] \cdot [g > 0]`
====================  ==========================================

The rule is put in where the rectifying *function* is called, not at modules. So it holds for ``nn.ReLU``, ``F.relu``
and ``x.relu_()`` alike, for a module that is used many times, and only for what goes through the rectifier:
a skip connection that branches off before it keeps its own gradient.
"""

from __future__ import annotations

import warnings
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .. import targets
from .._state import untouched
from ..errors import NotDifferentiableError, SalkitWarning
from .core import call, gradient_of, score, slices, warn_of_holes

_TOP = {F.relu: None, torch.relu: None, torch.relu_: None, Tensor.relu: None, Tensor.relu_: None, F.relu6: 6.0}
_SCRIPT = "DifferentiableGraph"  # what autograd calls a TorchScript function, once it has run a few times
_IN_PLACE = {torch.relu_, Tensor.relu_}


def guided_backprop(
    model: nn.Module, inputs: Tensor, target: targets.Target = None, *, batch_size: int | None = None
) -> Tensor:
    """The gradient, but only what is positive passes back through a rectifier that was on (Springenberg et al. 2015).

    It draws sharp outlines, and depends little on the class: see the sanity checks before believing it.

    Arguments are those of `gradient`.

    Returns:
        In the inputs' shape and dtype, signed, detached. Equal to an autograd function with the rule in place of
        every ReLU or ReLU6.

    Raises:
        InputError, TargetError: see `gradient`.
        NotDifferentiableError: see `gradient`; also a model that hides a rectifier (TorchScript, export,
            checkpointing).

    Warns:
        SalkitWarning: the model calls no rectifier, so this is the plain gradient; or a map holds NaN or infinity.

    Example:
        >>> import torch, salkit
        >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 1, bias=False))
        >>> model[1].weight.data = torch.tensor([[3.0, -1.0]])
        >>> salkit.gradient(model, torch.ones(1, 2))
        tensor([[ 3., -1.]])
        >>> # what speaks against the score is gone
        >>> salkit.guided_backprop(model, torch.ones(1, 2))
        tensor([[3., 0.]])
    """
    return backprop_with_rule(model, inputs, target, batch_size, guided=True)


def deconvnet(
    model: nn.Module, inputs: Tensor, target: targets.Target = None, *, batch_size: int | None = None
) -> Tensor:
    """The gradient, but rectifiers pass back what is positive, whether they were on or not (Zeiler and Fergus 2014).

    Max pooling sends the signal back to where the maximum was, like the paper's "switches".

    Arguments, result, errors and warnings are those of `guided_backprop`.

    Example:
        >>> import torch, salkit
        >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 1, bias=False))
        >>> model[1].weight.data = torch.tensor([[3.0, -1.0]])
        >>> # both rectifiers are off
        >>> salkit.gradient(model, -torch.ones(1, 2))
        tensor([[0., 0.]])
        >>> salkit.deconvnet(model, -torch.ones(1, 2))
        tensor([[3., 0.]])
    """
    return backprop_with_rule(model, inputs, target, batch_size, guided=False)


def count_rectifiers(model: nn.Module, x: Tensor) -> int:
    """How often one pass calls a rectifier on something that depends on ``x``. Must run inside ``untouched``."""
    with torch.enable_grad(), RectifierMode(guided=True) as mode:
        call(model, x.detach().requires_grad_())
    return len(mode.nodes)


def backprop_with_rule(
    model: nn.Module, inputs: Tensor, target, batch_size: int | None, *, guided: bool, look: bool = True
) -> Tensor:
    """The gradient with the rule; ``look=False`` where the caller has already inspected the outputs."""
    calls, maps, scores = 0, [], []
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        for rows in slices(len(x), batch_size):
            mine = targets.take(target, rows)
            leaf = x[rows].requires_grad_()
            with RectifierMode(guided) as mode:
                part = score(model, leaf.clone(), mine, first=look and rows.start == 0, whole=target)
            mode.refuse_hidden(part)
            maps.append(gradient_of(part, [leaf])[0])
            scores.append(part.detach())
            calls += len(mode.nodes)
    if not calls:
        warnings.warn("the model calls no ReLU: what comes out is the plain gradient", SalkitWarning, stacklevel=3)
    found = torch.cat(maps)
    if look:
        warn_of_holes(found, None if callable(target) else scores, stacklevel=4)
    return found


class RectifierMode(TorchFunctionMode):
    """While open, in this thread only, every rectifying function will pass back what is positive alone.

    Open it around the forward pass.

    A rectifier on what needs no gradient, such as a table of positions, is left as it is: nothing passes back through
    it.

    Attributes:
        guided: only where the rectifier was on, too.
        nodes: of the graph, one for each rectifier that was called.
    """

    def __init__(self, guided: bool):
        super().__init__()
        self.guided = guided
        self.nodes: set = set()
        self._forward = [True]  # while it runs; hooks hold this and not the mode, which holds their nodes

    def __torch_function__(self, function, types, args: tuple = (), kwargs=None):
        kwargs = kwargs or {}
        if function in _TOP:
            top = _TOP[function]
        elif function is F.hardtanh and (args[1:2] or [kwargs.get("min_val")])[0] == 0:  # what nn.ReLU6 calls
            top = args[2] if len(args) > 2 else kwargs.get("max_val", 1.0)
        else:
            return function(*args, **kwargs)
        x = args[0] if args else kwargs["input"]
        if not (x.requires_grad and torch.is_grad_enabled()):
            return function(*args, **kwargs)
        in_place = function in _IN_PLACE or kwargs.get("inplace")
        plain_in_place = self.guided and top is None and in_place and not x._is_view()
        if plain_in_place:  # torch's own functions know where they were on
            y = x.relu_()
        elif not self.guided:
            y = _PassOn.apply(x, top)
        elif top is None:
            y = x.relu()
        else:
            y = F.hardtanh(x.clone() if in_place else x, 0.0, top)
        y.register_hook(partial(_positive, self._forward))
        self.nodes.add(y.grad_fn)
        if in_place and not plain_in_place:
            if not x._is_view():
                x.detach_()  # what it was goes on in y alone
            return x.copy_(y)  # everybody who holds x sees y from now on, as with the function itself
        return y

    def __exit__(self, *error):
        self._forward.clear()
        return super().__exit__(*error)

    def refuse_hidden(self, scores: Tensor) -> None:
        """Raise a NotDifferentiableError where a rectifier, or a graph that may hold some, keeps its own gradient."""
        seen, left = set(), [scores.grad_fn]
        while left:
            node = left.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            left += [above for above, _ in node.next_functions]
            if node in self.nodes:
                continue
            name = node.name()  # looked at first: to ask a node for a value that it hasn't saved is slow
            is_relu6 = name.startswith("Hardtanh") and getattr(node, "_saved_min_val", None) == 0
            if name.startswith("Relu") or _SCRIPT in name or is_relu6:
                raise NotDifferentiableError(
                    f"the model hides a rectifier from this method ({name}): explain the model that a TorchScript or "
                    "exported one was made of, and write torch.relu(x) where the rectifier is inside of nn.RNN or "
                    "nn.RNNCell, torch.vmap, torch.ops, another thread or an autograd function"
                )


class _PassOn(torch.autograd.Function):
    """A rectifier that passes back whatever arrives."""

    @staticmethod
    def forward(ctx, x: Tensor, top: float | None) -> Tensor:
        ctx.set_materialize_grads(False)
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx, g: Tensor | None):
        return g, None


def _positive(forward: list[bool], g: Tensor | None) -> Tensor | None:
    if forward:
        raise NotDifferentiableError(
            "the model differentiates through a rectifier in its forward pass, which the rule would change: "
            "use another method"
        )
    return None if g is None else g.clamp(min=0)  # None: a part of the model behind it has no gradient
