"""Class activation maps: which places of a layer's feature maps speak for the class."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import targets
from .._state import FAILURES, is_finite, untouched
from ..errors import LayerError, NoTargetLayerError, SalkitWarning, TargetError
from .core import call, captured, find_layer, gradient_of, scores_of, slices, warn_of_holes, wide
from .places import (
    Place,
    Taken,
    Trace,
    UnsteadyError,
    is_first,
    last_place,
    named_place,
    that_lie_so,
    twice_if_unsteady,
    why_none,
)
from .rectifiers import backprop_with_rule

Layers = nn.Module | str | Sequence[nn.Module | str] | None


def gradcam(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    layer: Layers = None,
    relu: bool = True,
    upsample: bool = True,
    reshape: Callable[[Tensor], Tensor] | None = None,
    batch_size: int | None = None,
) -> Tensor | dict[str, Tensor]:
    r"""A layer's feature maps, each weighed by its mean gradient (Selvaraju et al. 2017, eqs. 1 and 2).

    .. math:: R = \operatorname{ReLU} \Big( \sum_k w_k A^k \Big), \quad
        w_k = \operatorname{mean}_{uv} \frac{\partial S_c}{\partial A^k_{uv}}

    Args:
        model, inputs, target, batch_size: as for `gradient`.
        layer: a module or its dotted name; ``None``: the last place of the network whose positions still matter to
            the score, behind the activation and the max pool that follow the last convolution, however they are
            called. In a transformer that reads a class token that is the norm before the last attention.
            A list of layers gives a dictionary of maps.
        relu: keep only what speaks for the class; ``False`` gives the signed map.
        upsample: enlarge to the inputs' size (bilinear, ``align_corners=False``), else the layer's own grid.
        reshape: turns the layer's output into ``(N, channels, *grid)``, where its shape does not tell how. For ViT it
            would be ``lambda tokens: tokens[:, 1:].transpose(1, 2).unflatten(2, (14, 14))``; for Swin
            ``lambda grid: grid.permute(0, 3, 1, 2)``.

    Returns:
        ``(N, 1, H, W)`` (``(N, 1, T)`` for series), or ``{dotted name: map}``; detached, in the inputs' dtype,
        not normalised.

    Raises:
        InputError, TargetError: see `gradient`.
        LayerError: the layer did not run, ran twice, or its output has no grid.
        NoTargetLayerError: no layer was given, and none serves.

    Warns:
        SalkitWarning: a map is all zero, and why; or a map holds NaN or infinity.

    Example:
        >>> import torch
        >>> from salkit import course, gradcam
        >>> model, image = course.HandWired(size=4), torch.zeros(1, 3, 4, 4)
        >>> # one red pixel; the model counts red on the left
        >>> image[0, 0, 1, 0] = 1
        >>> gradcam(model, image, 0)[0, 0]
        tensor([[0.0000, 0.0000, 0.0000, 0.0000],
                [0.0625, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000]])
    """
    return _maps(_mean_gradients, model, inputs, target, layer, relu, upsample, reshape, batch_size)


def hirescam(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    layer: Layers = None,
    relu: bool = True,
    upsample: bool = True,
    reshape: Callable[[Tensor], Tensor] | None = None,
    batch_size: int | None = None,
) -> Tensor | dict[str, Tensor]:
    r"""A layer's feature maps times their gradient, place by place (Draelos and Carin 2020).

    .. math:: R = \operatorname{ReLU} \Big( \sum_k \frac{\partial S_c}{\partial A^k} \odot A^k \Big)

    Without the mean of Grad-CAM, the map shows the places that the score was computed from: where only linear layers
    and averages follow, its sum without the ReLU (``relu=False, upsample=False``) is the score less what the biases
    give.

    Arguments, result, errors and warnings are those of `gradcam`.

    Example:
        >>> import torch
        >>> from salkit import course, hirescam
        >>> model, image = course.HandWired(size=4), torch.zeros(1, 3, 4, 4)
        >>> # one red pixel; the model counts red on the left
        >>> image[0, 0, 1, 0] = 1
        >>> hirescam(model, image, 0)[0, 0]  # adds up to the score
        tensor([[0.0000, 0.0000, 0.0000, 0.0000],
                [0.1250, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000]])
        >>> model(image)[0, 0].item()
        0.125
    """
    return _maps(_gradients, model, inputs, target, layer, relu, upsample, reshape, batch_size)


def layercam(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    layer: Layers = None,
    relu: bool = True,
    upsample: bool = True,
    reshape: Callable[[Tensor], Tensor] | None = None,
    batch_size: int | None = None,
) -> Tensor | dict[str, Tensor]:
    r"""A layer's feature maps times the positive part of their gradient, place by place (Jiang et al. 2021).

    .. math:: R = \operatorname{ReLU} \Big( \sum_k
        \operatorname{ReLU} \Big( \frac{\partial S_c}{\partial A^k} \Big) \odot A^k \Big)

    Made for early layers too, whose grid is finer: ``layer=``.

    Arguments, result, errors and warnings are those of `gradcam`.

    Example:
        >>> import torch
        >>> from salkit import course, hirescam, layercam
        >>> model, image = course.HandWired(size=4), torch.zeros(1, 3, 4, 4)
        >>> # red on the left, blue on the right
        >>> image[0, 0, 1, 0] = image[0, 2, 1, 3] = 1
        >>> hirescam(model, image, 0, relu=False)[0, 0, 1]
        tensor([ 0.1250,  0.0000,  0.0000, -0.1250])
        >>> layercam(model, image, 0, relu=False)[0, 0, 1]
        tensor([0.1250, 0.0000, 0.0000, 0.0000])
    """
    return _maps(_positive_gradients, model, inputs, target, layer, relu, upsample, reshape, batch_size)


def gradcam_plus_plus(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    layer: Layers = None,
    relu: bool = True,
    upsample: bool = True,
    reshape: Callable[[Tensor], Tensor] | None = None,
    batch_size: int | None = None,
) -> Tensor | dict[str, Tensor]:
    r"""Grad-CAM, weighed by a sum of the positive gradients in place of their mean (Chattopadhay et al. 2018, eq. 19).

    .. math:: R = \operatorname{ReLU} \Big( \sum_k w_k A^k \Big), \quad
        w_k = \sum_{uv} \alpha^k_{uv} \operatorname{ReLU}(g^k_{uv})

    .. math:: \alpha^k_{uv} = \frac{(g^k_{uv})^2}{2 (g^k_{uv})^2 + (g^k_{uv})^3 \sum_{ab} A^k_{ab}}, \quad
        g^k = \frac{\partial S_c}{\partial A^k}

    As in the paper, the derivatives are those of :math:`\exp S_c` where everything after the layer is piecewise
    linear; its value, one positive factor for the whole map, is left out.

    Arguments, result, errors and warnings are those of `gradcam`.

    Example:
        >>> import torch
        >>> from salkit import course, gradcam_plus_plus
        >>> model, image = course.HandWired(size=4), torch.zeros(1, 3, 4, 4)
        >>> # one red pixel; the model counts red on the left
        >>> image[0, 0, 1, 0] = 1
        >>> gradcam_plus_plus(model, image, 0)[0, 0]
        tensor([[0.0000, 0.0000, 0.0000, 0.0000],
                [0.4706, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000]])
    """
    return _maps(_plus_plus, model, inputs, target, layer, relu, upsample, reshape, batch_size)


def _mean_gradients(a: Tensor, g: Tensor) -> Tensor:
    return g.mean(tuple(range(2, g.ndim)), keepdim=True) * a


def _gradients(a: Tensor, g: Tensor) -> Tensor:
    return g * a


def _positive_gradients(a: Tensor, g: Tensor) -> Tensor:
    return g.clamp(min=0) * a


def _plus_plus(a: Tensor, g: Tensor) -> Tensor:
    places = tuple(range(2, g.ndim))
    # Divided by the squared gradient, which would fall below the smallest number first.
    below = 2 + g * a.sum(places, keepdim=True)
    alpha = torch.where((g != 0) & (below != 0), 1 / torch.where(below == 0, 1, below), 0)
    return (alpha * g.clamp(min=0)).sum(places, keepdim=True) * a


@twice_if_unsteady
def _maps(
    product: Callable[[Tensor, Tensor], Tensor],
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target,
    layer: Layers,
    relu: bool,
    upsample: bool,
    reshape: Callable[[Tensor], Tensor] | None,
    batch_size: int | None,
) -> Tensor | dict[str, Tensor]:
    """The sum over the channels of ``product(features, gradient)``, both ``(N, channels, *grid)``."""
    if isinstance(layer, Sequence) and not isinstance(layer, str):
        rest = relu, upsample, reshape, batch_size
        return {find_layer(model, one)[0]: _maps(product, model, inputs, target, one, *rest) for one in layer}
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        chunks = list(slices(len(x), batch_size))
        one = x[:1], targets.take(target, slice(0, 1))
        where = last_place(model, *one) if layer is None else layer

        def at(where: Place | nn.Module | str, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
            outputs, features, to_grid = _features(model, x[rows], where, reshape)
            if rows.start == 0:
                targets.inspect(outputs, target)
            # Before the gradient, which costs more.
            grid = to_grid(features.detach())
            scores = scores_of(outputs, targets.take(target, rows), rows.stop - rows.start)
            return grid, to_grid(gradient_of(scores, [features])[0]), scores.detach()

        maps, silent, told = [], [], []
        for rows in chunks:
            grid, slopes, scores = at(where, rows)
            if layer is None and rows.start == 0 and slopes[:1].flatten(2).ne(0).any(1).sum() == 1:
                # The score is read off one place, the last time for example: of which do more matter?
                where = last_place(model, *one, short=False)
                grid, slopes, scores = at(where, rows)
            maps.append(product(grid, slopes).sum(1, keepdim=True))
            silent.append(slopes.flatten(1).eq(0).all(1))
            told.append(scores)
        signed = torch.cat(maps)
        found = signed.clamp(min=0) if relu else signed
        _warn_of_zeros(found, signed, torch.cat(silent))
        warn_of_holes(found, None if callable(target) else told, stacklevel=5)
        return _finish(found, inputs, upsample)


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

    Arguments, errors and warnings are those of `gradcam` and `guided_backprop`.

    Returns:
        In the inputs' shape and dtype, signed, detached.

    Example:
        >>> import torch, salkit
        >>> _ = torch.manual_seed(0)
        >>> model, images = salkit.models.small_cnn(), salkit.data.scenes(1).pixels()
        >>> fine, coarse = salkit.guided_backprop(model, images, 0), salkit.gradcam(model, images, 0)
        >>> torch.allclose(salkit.guided_gradcam(model, images, 0), fine * coarse)
        True
    """
    if isinstance(layer, Sequence) and not isinstance(layer, str):
        raise LayerError("guided_gradcam takes one layer, not a list: call it for each")
    coarse = _maps(_mean_gradients, model, inputs, target, layer, True, True, reshape, batch_size)
    fine = backprop_with_rule(model, inputs, target, batch_size, guided=True, look=False)
    products = fine * coarse
    if is_finite(coarse):
        warn_of_holes(products)
    return products


@twice_if_unsteady
def cam(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    upsample: bool = True,
    batch_size: int | None = None,
) -> Tensor:
    r"""The last feature maps, weighed by the weights of the class (Zhou et al. 2016, eq. 2).

    .. math:: R = \sum_k w_{ck} A^k, \quad \operatorname{mean}_{uv} R_{uv} = S_c - b_c

    Only for networks that end in a global average pool and one linear layer, or in a global average pool
    of one map for each class. Whether a network does is found out by running it, not by the names of its layers.

    Args:
        model, inputs, batch_size: as for `gradient`.
        target: ``None``, an int, or ``(N,)`` integers.
        upsample: enlarge to the inputs' size (bilinear), else the layer's own grid, for which the identity holds.

    Returns:
        ``(N, 1, H, W)``, signed, detached, in the inputs' dtype, not normalised.

    Raises:
        InputError, TargetError: see `gradient`; a callable target, which has no weights, is refused.
        NoTargetLayerError: when the network does not end so. Grad-CAM serves instead.

    Example:
        >>> import torch, salkit
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
        >>> images = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
        >>> # its mean is the score less the bias
        >>> map = salkit.cam(model, images, 0, upsample=False)
        >>> torch.allclose(map.mean(), model(images)[0, 0] - model[3].bias[0], atol=1e-6)
        True
    """
    with untouched(model, inputs) as x, torch.no_grad():
        target = targets.check(target, len(x))
        if callable(target):
            raise TargetError("CAM needs a class, whose weights it reads: pass None, an int, or (N,) integers")
        chunks = list(slices(len(x), batch_size))
        place, head = pooled_head(model, x[:1])
        maps, told = [], []
        for rows in chunks:
            outputs, features = _taken(model, x[rows], place)
            if rows.start == 0:
                targets.inspect(outputs, target)
            features = place.to_grid(features, rows.stop - rows.start)
            # The weights are the gradient of the score by the pooled features.
            with torch.enable_grad():
                pooled = features.flatten(2).mean(2).requires_grad_()
                logits = pooled if head is None else F.linear(pooled, *(part.to(pooled) for part in head))
                chosen = targets.fix(outputs, targets.take(target, rows))
                weights = gradient_of(targets.score(logits, chosen), [pooled])[0]
            maps.append(torch.einsum("nk,nk...->n...", weights, features)[:, None])
            told.append(targets.score(outputs, chosen))
        found = torch.cat(maps)
        warn_of_holes(found, told, stacklevel=4)
        return _finish(found, inputs, upsample)


def pooled_head(model: nn.Module, x: Tensor) -> tuple[Place, tuple | None]:
    """The place that is pooled, and weights and bias of the linear layer after the pool, if there is one.

    The head is the linear layer whose output is the model's. The pooled place is the last whose mean over its grid
    is what the head got. Must run inside ``untouched``, on one sample.
    """
    trace = Trace(x, with_means=True)
    outputs = targets.logits(trace.run(model, x))
    head, wanted = None, outputs
    if trace.head is not None:
        given, weights, logits = trace.head
        if logits.numel() == outputs.numel() and torch.equal(logits.flatten(), outputs.flatten()):
            head, wanted = weights, given
    places, _ = trace.places()
    if not places:
        raise NoTargetLayerError(why_none(model))
    rounding = max(1e-3, 2 * torch.finfo(wanted.dtype).eps)
    for place in reversed(places):
        mean = trace.mean(place).to(wanted.dtype)
        small = 1e-5 * wanted.abs().max().item()
        if mean.shape == wanted.shape and torch.allclose(mean, wanted, rtol=rounding, atol=small):
            if place.certain and not trace.turned or place in that_lie_so(model, x, [place]):
                return place, head
    raise NoTargetLayerError(
        "CAM needs a network that ends in a global average pool over a grid of more than one place and at most one "
        "linear layer; this one does not, on inputs of this size: use gradcam"
    )


def _taken(model: nn.Module, rows: Tensor, place: Place, *, cut: bool = False) -> tuple[object, Tensor]:
    """The model's outputs, and what it has at a place."""
    taken = Taken([place], cut=cut)
    with taken:
        outputs = call(model, rows)
    if place not in taken.tensors:
        raise UnsteadyError
    return outputs, taken.tensors[place]


def _features(
    model: nn.Module, rows: Tensor, where: Place | nn.Module | str, reshape: Callable[[Tensor], Tensor] | None
) -> tuple[object, Tensor, Callable[[Tensor], Tensor]]:
    """The model's outputs, the features at a place or layer, and what makes ``(N, channels, *grid)`` of them."""
    if isinstance(where, Place):
        to_grid = partial(where.to_grid, rows=len(rows))
        to_grid = to_grid if reshape is None else partial(_reshaped, reshape, rows, "found")
        return *_taken(model, rows, where, cut=True), to_grid
    if isinstance(model, torch.jit.ScriptModule):
        raise LayerError(why_none(model))
    with captured(model, [where], cut=True) as outputs_of:
        outputs = call(model, rows)
    ((name, features),) = outputs_of.items()
    if reshape is not None:
        return outputs, features, partial(_reshaped, reshape, rows, name)
    if is_first(tuple(features.shape), rows):
        return outputs, features, lambda values: values
    place = named_place(model, rows[:1], *find_layer(model, where))
    if place is None:
        raise LayerError(
            f"the output of layer {name!r} has the shape {tuple(features.shape)}, and no axes on which the places of "
            f"the inputs {tuple(rows.shape)} can be told: choose another layer, or pass a reshape= to "
            "(N, channels, *grid)"
        )
    return outputs, features, partial(place.to_grid, rows=len(rows))


def _reshaped(reshape: Callable[[Tensor], Tensor], rows: Tensor, name: str, features: Tensor) -> Tensor:
    try:
        grid = reshape(features)
    except FAILURES as error:
        raise LayerError(
            f"reshape= fails on the output {tuple(features.shape)} of layer {name!r} with {type(error).__name__}: "
            f"{error}"
        ) from error
    if not isinstance(grid, Tensor):
        raise LayerError(f"reshape= must return a tensor (N, channels, *grid), not a {type(grid).__name__}")
    if grid.ndim != rows.ndim or len(grid) != len(rows):
        raise LayerError(
            f"reshape= makes {tuple(grid.shape)} of the output {tuple(features.shape)} of layer {name!r}, which is no "
            f"(N, channels, *grid) for the inputs {tuple(rows.shape)}"
        )
    return grid


def _finish(maps: Tensor, inputs: Tensor, upsample: bool) -> Tensor:
    size = inputs.shape[2:]
    if upsample and maps.shape[2:] != size:
        mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
        maps = F.interpolate(maps.to(wide(maps.dtype)), size, mode=mode, align_corners=False)
    return maps.detach().to(inputs.dtype)


def _warn_of_zeros(found: Tensor, signed: Tensor, silent: Tensor) -> None:
    """One warning for all maps that are zero everywhere.

    Args:
        found, signed: the maps ``(N, 1, *grid)`` with and without the ReLU.
        silent: ``(N,)``: whether the gradient is zero everywhere.
    """
    empty = found.flatten(1).eq(0).all(1)
    if not empty.any():
        return
    against = empty & signed.flatten(1).lt(0).any(1)
    reasons = {
        "every place speaks against the class (relu=False shows the signed map)": against,
        "nothing after this layer uses these places (choose one before it; in a transformer that reads a class token "
        "the norm before the last attention)": empty & silent,
        "the features or their weights are zero there": empty & ~silent & ~against,
    }
    why = "; ".join(f"For {int(which.sum())}, {reason}" for reason, which in reasons.items() if which.any())
    warnings.warn(
        f"{int(empty.sum())} of {len(empty)} class activation maps are all zero. {why}", SalkitWarning, stacklevel=5
    )
