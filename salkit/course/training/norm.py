"""Batch normalisation over all processes: torch's own SyncBatchNorm is for GPUs only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..._processes import Processes
from .forward import computed_by

_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@contextmanager
def synchronised(model: nn.Module, crew: Processes) -> Iterator[None]:
    """In this block every batch normalisation of ``model`` takes mean and variance of all processes' images.

    So a batch that is shared out is normalised as it would be in one process. The modules are left as they were.
    """
    modules = [m for m in model.modules() if isinstance(m, _BATCH_NORM)] if crew.size > 1 else []
    # Here and not above the function: there it would import torch's compiler, a second for all who never need it.
    normalise = torch.compiler.disable(_normalise) if modules else None
    with computed_by(modules, lambda module, x: normalise(module, crew, x)):
        yield


def _normalise(module: nn.Module, crew: Processes, x: Tensor) -> Tensor:
    if not module.training:
        return type(module).forward(module, x)
    each = [axis for axis in range(x.ndim) if axis != 1]
    values = x.float()
    count = values.new_full((1,), x.numel() / x.shape[1])
    total = _Sum.apply(torch.cat([values.sum(each), count]), crew)
    count = total[-1].detach()
    mean = total[:-1] / count
    shape = (1, -1, *[1] * (x.ndim - 2))
    centred = values - mean.view(shape)
    # About the mean and not as E[x^2] - E[x]^2, which loses digits.
    variance = _Sum.apply(centred.square().sum(each), crew) / count
    if module.track_running_stats:
        _remember(module, mean.detach(), (variance * count / (count - 1)).detach())
    out = centred * torch.rsqrt(variance + module.eps).view(shape)
    if module.affine:
        out = out * module.weight.view(shape) + module.bias.view(shape)
    return out.to(x.dtype)


@torch.no_grad()
def _remember(module: nn.Module, mean: Tensor, variance: Tensor) -> None:
    module.num_batches_tracked += 1
    share = 1 / module.num_batches_tracked.item() if module.momentum is None else module.momentum
    module.running_mean.lerp_(mean, share)
    module.running_var.lerp_(variance, share)


class _Sum(torch.autograd.Function):
    """The sum over all processes. Each one's result depends on each one's input, so gradients are summed as well."""

    @staticmethod
    def forward(ctx, values: Tensor, crew: Processes) -> Tensor:
        ctx.crew = crew
        return crew.add_up(values.clone())

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return ctx.crew.add_up(gradient.clone(memory_format=torch.contiguous_format)), None
