"""Two kinds of convolutions that torch computes slowly in 16 bits on a CPU, computed another way.

Those to few pixels become one product of matrices: several times as fast on a CPU with matrix units (AMX).
Depthwise ones stay in 32 bits: their way back is several times as fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .forward import computed_by

# A map of 4 x 4. A matrix unit multiplies 16 rows at a time. torch's convolution hands it the pixels of one row of one
# image, which leaves it nearly empty on the last maps of a network for small images; a product of matrices hands it the
# pixels of the whole batch. On larger maps the convolution wins, and without such a unit nearly everywhere.
_FEW = 16


@contextmanager
def products_for_few_pixels(model: nn.Module, device: torch.device) -> Iterator[None]:
    """In this block the plain convolutions of ``model`` to at most 4 x 4 pixels are products of matrices.

    Under autocast on a CPU with AMX only, where it pays. The result is the same up to rounding, and the modules are
    left as they were.
    """
    modules = [m for m in model.modules() if _plain(m)] if device.type == "cpu" and _has_matrix_unit() else []
    with computed_by(modules, _convolve):
        yield


@contextmanager
def depthwise_in_32_bits(model: nn.Module, device: torch.device) -> Iterator[None]:
    """In this block autocast on a CPU leaves the depthwise convolutions of ``model`` in 32 bits.

    What they give has autocast's type, as before, and the modules are left as they were.
    """
    modules = [m for m in model.modules() if _depthwise(m)] if device.type == "cpu" else []
    with computed_by(modules, _in_32_bits):
        yield


def _has_matrix_unit() -> bool:
    # An older torch does not tell, and then it is left alone.
    return getattr(torch.cpu, "get_capabilities", dict)().get("amx_bf16", False)


def _plain(module: nn.Module) -> bool:
    return (
        type(module) is nn.Conv2d
        and module.groups == 1
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def _depthwise(module: nn.Module) -> bool:
    return type(module) is nn.Conv2d and module.groups == module.in_channels > 1


def _in_32_bits(module: nn.Conv2d, x: Tensor) -> Tensor:
    if not torch.is_autocast_enabled("cpu"):
        return type(module).forward(module, x)
    with torch.autocast("cpu", enabled=False):
        out = type(module).forward(module, x.to(module.weight.dtype))
    return out.to(torch.get_autocast_dtype("cpu"))


def _convolve(module: nn.Conv2d, x: Tensor) -> Tensor:
    rows, columns = (
        (size + 2 * padding - kernel) // stride + 1
        for size, padding, kernel, stride in zip(
            x.shape[-2:], module.padding, module.kernel_size, module.stride, strict=True
        )
    )
    if x.ndim != 4 or not torch.is_autocast_enabled("cpu") or not 1 <= rows * columns <= _FEW:
        return type(module).forward(module, x)
    dtype = torch.get_autocast_dtype("cpu")
    out = _Product.apply(x.to(dtype), module.weight.to(dtype), module.stride, module.padding)
    return out if module.bias is None else out + module.bias.to(dtype).view(-1, 1, 1)


class _Product(torch.autograd.Function):
    """The convolution of ``x`` ``(N, C, H, W)`` with ``weight`` ``(D, C, h, w)``: ``(N, D, H', W')``.

    Inside, the channels come last, as in ``channels_last`` memory: so the copies are of whole pixels.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        windows = _windows(x, weight.shape[2:], stride, padding)
        out = windows.flatten(3).flatten(0, 2) @ _as_matrix(weight).T
        return out.view(*windows.shape[:3], -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        (d, c, h, w), (above, left) = weight.shape, ctx.padding
        gradient = gradient.permute(0, 2, 3, 1)
        n, rows, columns, _ = gradient.shape
        flat = gradient.reshape(-1, d)
        windows = _windows(x, (h, w), ctx.stride, ctx.padding).flatten(3).flatten(0, 2)
        to_weight = (flat.T @ windows).view(d, h, w, c).permute(0, 3, 1, 2)

        to_windows = (flat @ _as_matrix(weight)).view(n, rows, columns, h, w, c)
        padded = flat.new_zeros(n, x.shape[2] + 2 * above, x.shape[3] + 2 * left, c)
        down, right = ctx.stride
        for i in range(h):
            for j in range(w):
                # The pixels that stand at (i, j) of some window.
                pixels = padded[:, i : i + down * rows : down, j : j + right * columns : right]
                pixels += to_windows[:, :, :, i, j]
        to_x = padded[:, above : above + x.shape[2], left : left + x.shape[3]].permute(0, 3, 1, 2)
        return to_x, to_weight, None, None


def _windows(x: Tensor, kernel, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """What the kernel sees at each of its places: ``(N, H', W', h, w, C)``, a view of the padded ``x``."""
    above, left = padding
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, left, left, above, above))
    windows = padded.unfold(1, kernel[0], stride[0]).unfold(2, kernel[1], stride[1])
    return windows.permute(0, 1, 2, 4, 5, 3)


def _as_matrix(weight: Tensor) -> Tensor:
    """``(D, C, h, w)`` as ``(D, h * w * C)``, in the order of the windows."""
    return weight.permute(0, 2, 3, 1).flatten(1)
