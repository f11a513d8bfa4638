"""Class activation maps: which places of a layer's feature maps speak for the class."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import targets
from .._state import untouched
from ..errors import LayerError, NoTargetLayerError, SalkitWarning, TargetError
from .core import call, captured, find_layer, gradient_of, layers_of, scores_of, slices, wide
from .rectifiers import backprop_with_rule


def gradcam(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    layer: nn.Module | str | Sequence[nn.Module | str] | None = None,
    relu: bool = True,
    upsample: bool = True,
    reshape: Callable[[Tensor], Tensor] | None = None,
    batch_size: int | None = None,
) -> Tensor | dict[str, Tensor]:
    """A layer's feature maps, each weighed by its mean gradient (Selvaraju et al. 2017, eqs. 1 and 2).

    .. math:: R = \\operatorname{ReLU} \\Big( \\sum_k w_k A^k \\Big), \\quad
        w_k = \\operatorname{mean}_{uv} \\frac{\\partial S_c}{\\partial A^k_{uv}}

    Args:
        model, inputs, target, batch_size: as for ``gradient``.
        layer: a module or its dotted name; ``None``: the last with weights and a grid of more than one place,
            with the activation that follows it. A list of layers gives a dictionary of maps.
        relu: keep only what speaks for the class; ``False`` gives the signed map.
        upsample: enlarge to the inputs' size (bilinear, ``align_corners=False``), else the layer's own grid.
        reshape: turns the layer's output into ``(N, channels, *grid)``, for transformers. ViT, for example:
            ``lambda tokens: tokens[:, 1:].transpose(1, 2).unflatten(2, (14, 14))``; Swin:
            ``lambda grid: grid.permute(0, 3, 1, 2)``.

    Returns:
        ``(N, 1, H, W)`` (``(N, 1, T)`` for series), or ``{dotted name: map}``; detached, in the inputs' dtype,
        not normalised.

    Raises:
        InputError, TargetError: see ``gradient``.
        LayerError: the layer did not run, ran twice, or its output has no grid.
        NoTargetLayerError: no layer was given, and none serves.

    Warns:
        SalkitWarning: a map is zero because nothing speaks for the class; ``relu=False`` shows it.
    """
    if isinstance(layer, (list, tuple)):
        options = dict(relu=relu, upsample=upsample, reshape=reshape, batch_size=batch_size)
        return {find_layer(model, one)[0]: gradcam(model, inputs, target, layer=one, **options) for one in layer}
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        chunks = list(slices(len(x), batch_size))
        if layer is None:
            layer = default_layer(model, x[:1])
        name, _ = find_layer(model, layer)
        maps = []
        for rows in chunks:
            with captured(model, [layer], cut=True) as outputs_of:
                outputs = call(model, x[rows])
            if rows.start == 0:
                targets.inspect(outputs, target)
            features = outputs_of[name]
            # Checked before the gradient, which costs more.
            grid = _as_grid(features, x, name, reshape)
            scores = scores_of(outputs, targets.take(target, rows), rows.stop - rows.start)
            slopes = gradient_of(scores, [features])[0]
            slopes = slopes if reshape is None else reshape(slopes)
            spatial = tuple(range(2, grid.ndim))
            maps.append((slopes.mean(spatial, keepdim=True) * grid.detach()).sum(1, keepdim=True))
        signed = torch.cat(maps)
        if relu:
            _warn_if_nothing_is_left(signed)
        return _finish(signed.clamp(min=0) if relu else signed, inputs, upsample)


def guided_gradcam(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    layer: nn.Module | str | None = None,
    reshape: Callable[[Tensor], Tensor] | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """Guided backpropagation times Grad-CAM (Selvaraju et al. 2017, section 3.2): fine lines, where the class is.

    Args, raises and warns as for ``gradcam`` and ``guided_backprop``.

    Returns:
        In the inputs' shape and dtype, signed, detached.
    """
    coarse = gradcam(model, inputs, target, layer=layer, reshape=reshape, batch_size=batch_size)
    fine = backprop_with_rule(model, inputs, target, batch_size, needs_positive_input=True, look=False)
    return fine * coarse


def cam(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    upsample: bool = True,
    batch_size: int | None = None,
) -> Tensor:
    """The last feature maps, weighed by the weights of the class (Zhou et al. 2016, eq. 2).

    .. math:: R = \\sum_k w_{ck} A^k, \\quad \\operatorname{mean}_{uv} R_{uv} = S_c - b_c

    Only for networks that end in a global average pool and one linear layer, or in a global average pool
    of one map for each class. Whether a network does is found out by running it, not by the names of its layers.

    Args:
        model, inputs, batch_size: as for ``gradient``.
        target: ``None``, an int, or ``(N,)`` integers.
        upsample: enlarge to the inputs' size (bilinear), else the layer's own grid, for which the identity holds.

    Returns:
        ``(N, 1, H, W)``, signed, detached, in the inputs' dtype, not normalised.

    Raises:
        InputError, TargetError: see ``gradient``; a callable target, which has no weights, is refused.
        NoTargetLayerError: when the network does not end so. Grad-CAM serves instead.
    """
    with untouched(model, inputs) as x, torch.no_grad():
        target = targets.check(target, len(x))
        if callable(target):
            raise TargetError("CAM needs a class, whose weights it reads: pass None, an int, or (N,) integers")
        chunks = list(slices(len(x), batch_size))
        layer, head, rectified = pooled_head(model, x[:1])
        name, _ = find_layer(model, layer)
        maps = []
        for rows in chunks:
            with captured(model, [layer]) as outputs_of:
                outputs = call(model, x[rows])
            if rows.start == 0:
                targets.inspect(outputs, target)
            features = outputs_of[name].relu() if rectified else outputs_of[name]
            # The weights are the gradient of the score by the pooled features.
            with torch.enable_grad():
                pooled = features.flatten(2).mean(2).requires_grad_()
                logits = pooled if head is None else head(pooled)
                chosen = targets.take(target, rows)
                chosen = targets.fix(outputs, None) if chosen is None else chosen
                weights = gradient_of(targets.score(logits, chosen), [pooled])[0]
            maps.append(torch.einsum("nk,nk...->n...", weights, features)[:, None])
        return _finish(torch.cat(maps), inputs, upsample)


def default_layer(model: nn.Module, x: Tensor) -> str:
    """The dotted name of the last layer with weights whose output is a grid of more than one place.

    Activations and the like that follow it at once, with the same shape, are taken along: a convolution's maps
    are those after its ReLU. Must run inside ``untouched``.

    Raises:
        NoTargetLayerError: when there is none, or when a later layer puts out positions in another layout,
            as transformers do.
    """
    ran: list[tuple[str, tuple[int, ...]]] = []
    _watch(model, x, lambda name, output: ran.append((name, tuple(output.shape) if isinstance(output, Tensor) else ())))
    names = [name for name, _ in ran]
    weighted = {name for name, module in layers_of(model).items() if any(True for _ in module.parameters())}
    for i in reversed(range(len(ran))):
        name, shape = ran[i]
        if name == "" or name not in weighted or names.count(name) > 1:
            continue
        if len(shape) < 3 or all(size == 1 for size in shape[2:]):
            continue
        if not _is_grid(shape, x):
            raise NoTargetLayerError(
                f"the last layer with positions, {name!r}, puts out {shape}, which is not (N, channels, *grid): "
                "pass layer= and a reshape= that makes it so"
            )
        for later, its_shape in ran[i + 1 :]:
            if its_shape != shape or names.count(later) > 1 or later == "":
                break
            name = later
        return name
    raise NoTargetLayerError(
        "no layer puts out a grid of more than one place: pass larger inputs, or use a method without a layer"
    )


def _is_grid(shape: tuple[int, ...], x: Tensor) -> bool:
    """Whether trailing axes are those of the inputs, made smaller by about the same factor each."""
    if len(shape) != x.ndim:
        return False
    factors = [size / small for size, small in zip(x.shape[2:], shape[2:])]
    return min(factors) >= 0.5 and max(factors) <= 2.5 * min(factors)


def _as_grid(features: Tensor, x: Tensor, name: str, reshape) -> Tensor:
    grid = features if reshape is None else reshape(features)
    if grid.ndim != x.ndim or x.ndim < 3:
        raise LayerError(
            f"the output of layer {name!r} has the shape {tuple(grid.shape)}, without a grid like that of the "
            f"inputs {tuple(x.shape)}: choose another layer, or pass a reshape= to (N, channels, *grid)"
        )
    return grid


def _watch(model: nn.Module, x: Tensor, see: Callable[[str, object], None]) -> object:
    """Run the model and call ``see(name, output)`` for its modules in the order in which they end."""
    handles = []
    try:
        for name, module in layers_of(model).items():
            handles.append(module.register_forward_hook(lambda _m, _i, output, name=name: see(name, output)))
        with torch.no_grad():
            return call(model, x)
    finally:
        for handle in handles:
            handle.remove()


def pooled_head(model: nn.Module, x: Tensor) -> tuple[str, nn.Linear | None, bool]:
    """The layer that is pooled, the linear layer after the pool, and whether a ReLU without a module lies between.

    The head is the linear layer whose output is the model's. The pooled layer is the last whose mean over its grid
    is what the head got.
    """
    grids: list[tuple[str, Tensor]] = []
    heads: list[tuple[nn.Linear, Tensor, Tensor]] = []

    def see(name, output):
        if isinstance(output, Tensor) and output.ndim >= 3 and output.ndim == x.ndim:
            grids.append((name, output.clone()))

    handles = [
        module.register_forward_hook(lambda m, inputs, output: heads.append((m, inputs[0].clone(), output.clone())))
        for module in model.modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        outputs = _watch(model, x, see)
    finally:
        for handle in handles:
            handle.remove()
    outputs = targets.logits(outputs)
    head, wanted = None, outputs
    if heads and heads[-1][2].numel() == outputs.numel() and torch.equal(heads[-1][2].flatten(), outputs.flatten()):
        head, wanted, _ = heads[-1]
    names = [name for name, _ in grids]
    for name, grid in reversed(grids):
        if names.count(name) > 1 or grid.flatten(2).shape[2] == 1:
            continue
        for rectified in (False, True):
            pooled = (grid.relu() if rectified else grid).flatten(2).mean(2)
            if pooled.shape == wanted.shape and torch.allclose(pooled, wanted, rtol=1e-3, atol=1e-5):
                return name, head, rectified
    raise NoTargetLayerError(
        "CAM needs a network that ends in a global average pool over a grid of more than one place and at most one "
        "linear layer; this one does not, on inputs of this size: use gradcam"
    )


def _finish(maps: Tensor, inputs: Tensor, upsample: bool) -> Tensor:
    size = inputs.shape[2:]
    if upsample and maps.shape[2:] != size:
        mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
        maps = F.interpolate(maps.to(wide(maps.dtype)), size, mode=mode, align_corners=False)
    return maps.detach().to(inputs.dtype)


def _warn_if_nothing_is_left(signed: Tensor) -> None:
    flat = signed.flatten(1)
    empty = (flat.amax(1) <= 0) & (flat.amin(1) < 0)
    if empty.any():
        warnings.warn(
            f"{int(empty.sum())} of {len(empty)} Grad-CAM maps are all zero, because every place speaks against "
            "the class: relu=False shows the signed map",
            SalkitWarning,
            stacklevel=3,
        )
