"""SmoothGrad: the mean map over noisy copies of the input."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real

import torch
from torch import Tensor, nn

from .. import targets
from .._state import untouched
from ..errors import InputError, require
from .core import classes_of, copies, differentiate, generator_of, repeat, rows_in_one_pass, slices, warn_of_holes, wide

REDUCTIONS = ("mean", "square", "abs", "var")


def smoothgrad(
    model: nn.Module,
    inputs: Tensor,
    target: targets.Target = None,
    *,
    method: Callable[..., Tensor] | None = None,
    n_samples: int = 50,
    noise_level: float = 0.15,
    sigma: float | None = None,
    reduce: str = "mean",
    seed: int = 0,
    batch_size: int | None = None,
) -> Tensor:
    r"""The mean gradient over ``n_samples`` copies of the input with Gaussian noise (Smilkov et al. 2017, eq. 1).

    .. math:: R = \frac{1}{n} \sum_{k=1}^{n} \nabla S_c(x + \sigma \varepsilon_k), \quad
        \varepsilon_k \sim \mathcal{N}(0, 1)

    The class is chosen once, on the clean input. Every sample of the batch sees the same noise, drawn from
    ``seed`` alone, so that neither the batch nor ``batch_size`` changes a map.

    Args:
        model, inputs, target: as for `gradient`.
        method: another method whose maps have the shape of the inputs, called as ``method(model, noisy, classes)``;
            ``None`` is the gradient.
        n_samples: number of noisy copies.
        noise_level: standard deviation as a share of each sample's own range, largest minus smallest value.
        sigma: standard deviation in the inputs' units, instead of ``noise_level``.
        reduce: ``"mean"`` of the signed maps; mean ``"square"`` (SmoothGrad-Squared) or ``"abs"``;
            or ``"var"``, the variance over the copies (VarGrad, Adebayo et al. 2018).
        seed: of the noise. The global random state is neither used nor changed.
        batch_size: noisy copies in one pass; ``None`` picks a number that suits the device.

    Returns:
        In the inputs' shape and dtype, detached; signed for ``"mean"``, else not negative.

    Raises:
        InputError, TargetError: see `gradient`; also an option out of range.

    Warns:
        SalkitWarning: as `gradient`.

    Example:
        >>> import torch, salkit
        >>> # just under the bend
        >>> model, x = torch.nn.ReLU(), torch.tensor([[-0.1]])
        >>> salkit.gradient(model, x)
        tensor([[0.]])
        >>> # the share of copies that lie above it
        >>> salkit.smoothgrad(model, x, sigma=1.0, n_samples=100)
        tensor([[0.4400]])
    """
    if method is not None and not callable(method):
        raise InputError(f"method must be a function such as salkit.METHODS[name], not {method!r}")
    _check(n_samples, noise_level, sigma, reduce)
    with untouched(model, inputs) as x:
        target = targets.check(target, len(x))
        rows = rows_in_one_pass(x, batch_size)
        given, target = target, classes_of(model, x, target, rows)
        maps = []
        for part in slices(len(x), rows):
            clean, classes = x[part], targets.take(target, part)
            scale = _scale(clean, noise_level) if sigma is None else sigma
            generator = generator_of(seed)
            total = torch.zeros_like(clean, dtype=wide(x.dtype))
            squares = torch.zeros_like(total)
            for which in copies(len(clean), n_samples, rows):
                n = which.stop - which.start
                # One draw a copy: the stream does not depend on how many go into a pass.
                noise = torch.stack([_noise(x, generator) for _ in range(n)]).to(x)
                noisy = (clean + scale * noise[:, None]).flatten(0, 1)
                if method:
                    found = method(model, noisy, repeat(classes, n))
                else:
                    first = given is not None and part.start == which.start == 0
                    found = differentiate(model, noisy, repeat(classes, n), first=first, whole=target)
                if found.shape != noisy.shape:
                    raise InputError(f"method gave maps {tuple(found.shape)} for inputs {tuple(noisy.shape)}")
                found = found.to(total.dtype).unflatten(0, (n, -1))
                total += (found.abs() if reduce == "abs" else found).sum(0)
                squares += found.square().sum(0)
            maps.append(_reduced(total / n_samples, squares / n_samples, reduce).to(x.dtype))
        maps = torch.cat(maps)
        warn_of_holes(maps)
        return maps


def _noise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Of one copy; in another dtype the same seed would draw other numbers."""
    return torch.randn(x.shape[1:], generator=generator, dtype=torch.float32)


def _reduced(mean: Tensor, mean_square: Tensor, reduce: str) -> Tensor:
    if reduce == "square":
        return mean_square
    if reduce == "var":
        return (mean_square - mean.square()).clamp(min=0)
    return mean


def _scale(x: Tensor, noise_level: float) -> Tensor:
    """Standard deviation for each sample, shaped to multiply the inputs."""
    flat = x.flatten(1)
    spread = noise_level * (flat.amax(1) - flat.amin(1))
    return spread.reshape(-1, *[1] * (x.ndim - 1))


def _check(n_samples, noise_level, sigma, reduce) -> None:
    require("n_samples", n_samples, isinstance(n_samples, int) and n_samples >= 1, "an int of at least 1")
    for name, value in (("noise_level", noise_level), ("sigma", sigma)):
        fits = value is None or (isinstance(value, Real) and 0 <= value < float("inf"))
        require(name, value, fits, "a number that is not negative")
    require("reduce", reduce, reduce in REDUCTIONS, f"one of {', '.join(REDUCTIONS)}")
