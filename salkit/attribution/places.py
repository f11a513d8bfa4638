"""Where a network still knows places: the last tensor whose positions are those of the inputs, and how it lies.

One pass is watched where functions are called, as the rectifiers are, so that ``nn.ReLU``, ``F.relu`` and ``x.relu_()``
are one thing. What lies where is known from the functions: convolutions, their pools and norms take and give
``(N, channels, *grid)``; linear layers, layer norms and recurrent layers ``(N, *grid, channels)``, or
``(N, tokens, channels)`` with the grid as tokens, perhaps behind a few others such as a class token. Elementwise
functions keep what they get.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .. import targets
from ..errors import NoTargetLayerError
from .core import call, flat, gradient_of, layers_of, wide

_CONVOLUTIONS = {f"conv{transposed}{n}d" for transposed in ("", "_transpose") for n in (1, 2, 3)}
_MAX_POOLS = {f"max_pool{n}d{end}" for n in (1, 2, 3) for end in ("", "_with_indices")}
_POOLS = _MAX_POOLS | {f"{kind}avg_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2, 3)}
_POOLS |= {f"adaptive_max_pool{n}d{end}" for n in (1, 2, 3) for end in ("", "_with_indices")}
_CHANNELS_FIRST = _CONVOLUTIONS | _POOLS | {"batch_norm", "instance_norm", "group_norm"}
_CHANNELS_LAST = {"linear", "layer_norm", "rms_norm", "lstm", "gru", "rnn_tanh", "rnn_relu"}
# Their results may have the shape of what they got, but not its order.
_MIXERS = set(
    "transpose permute swapaxes swapdims movedim moveaxis t adjoint matmul __matmul__ __rmatmul__ bmm baddbmm einsum "
    "scaled_dot_product_attention multi_head_attention_forward roll flip gather index_select sort".split()
)
# Done to the inputs themselves, they leave no axis and no place where it was.
_TURNS = set("transpose permute swapaxes swapdims movedim moveaxis t adjoint flip fliplr flipud rot90 roll".split())
_MOST_PREFIX_TOKENS = 5  # a class token, and one to distil from or four registers


@dataclass(frozen=True)
class Place:
    """A tensor of a pass that holds values at places.

    Attributes:
        call: it is the result of the call of this number, among those that give tensors.
        item: which of the results, where there are several.
        function: the name of the function.
        shape: of the tensor, for one sample.
        order: ``"first"``: ``(N, channels, *positions)``; ``"last"``: ``(N, *positions, channels)``; ``"sequence"``:
            ``(positions, N, channels)``.
        prefix: so many positions come before those of the grid.
        grid: their sizes on the axes of the inputs.
        bare: the result of a linear layer, which may be the queries, keys or values of an attention.
    """

    call: int
    item: int
    function: str
    shape: tuple[int, ...]
    order: str
    prefix: int
    grid: tuple[int, ...]
    bare: bool = False

    @property
    def certain(self) -> bool:
        """The layout follows from the function, and after such layers come only those that keep places."""
        return self.order == "first" and len(self.shape) == len(self.grid) + 2

    def to_grid(self, values: Tensor, rows: int) -> Tensor:
        """``(rows, channels, *grid)`` from the tensor or its gradient."""
        return self.tokens(values, rows)[..., self.prefix :].unflatten(2, self.grid)

    def tokens(self, values: Tensor, rows: int) -> Tensor:
        """``(rows, channels, positions)``, those before the grid among them."""
        values = _channels_first(values, self.order)
        if values.shape[0] != rows:
            raise UnsteadyError
        return values.flatten(2)


class UnsteadyError(NoTargetLayerError):
    """The model takes other steps in one pass than in the other."""

    def __init__(self):
        super().__init__("the model takes other steps on a batch than on its first sample: pass layer=")


def twice_if_unsteady(function: Callable) -> Callable:
    """Once more where the steps differ: some models fill a cache in their first pass."""

    @wraps(function)
    def steady(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except UnsteadyError:
            return function(*args, **kwargs)

    return steady


def _channels_first(values: Tensor, order: str) -> Tensor:
    if order == "sequence":
        return values.permute(1, 2, 0)
    return values if order == "first" else values.movedim(-1, 1)


class _Calls(TorchFunctionMode):
    """While open, in this thread only, counts the calls that give tensors, and passes each result through ``after``."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = function(*args, **kwargs)
        if isinstance(out, Tensor) or (isinstance(out, (tuple, list)) and not isinstance(out, torch.Size)):
            name = getattr(function, "__name__", "")
            if "." in name:  # exported models call "relu.default" and the like
                name = name[: name.index(".")]
            out = self.after(name, args, kwargs, out)
            self.calls += 1
        return out

    def after(self, name: str, args: tuple, kwargs: dict, out):
        raise NotImplementedError


class Taken(_Calls):
    """Takes tensors out of a pass: ``tensors[place]``, for a new pass each.

    Args:
        cut: start the graph anew there: the tensors are leaves that require a gradient.
    """

    def __init__(self, places: list[Place], *, cut: bool = False):
        super().__init__()
        self.places = {place.call: place for place in places}
        self.cut = cut
        self.tensors: dict[Place, Tensor] = {}

    def after(self, name, args, kwargs, out):
        place = self.places.get(self.calls)
        if place is None:
            return out
        mine = out if isinstance(out, Tensor) else out[place.item]
        if name != place.function or mine.ndim != len(place.shape):
            raise UnsteadyError
        return self.take(place, mine, args, out)

    def take(self, place: Place, mine: Tensor, args: tuple, out):
        in_place = bool(args) and out is args[0]
        kept = mine.detach() if self.cut else mine
        kept = kept.clone() if in_place else kept
        self.tensors[place] = kept.requires_grad_() if self.cut else kept
        if in_place:
            return out.copy_(kept)  # everybody who holds it goes on from there
        on = kept.clone()  # as the next layer may work in place
        return on if isinstance(out, Tensor) else type(out)((*out[: place.item], on, *out[place.item + 1 :]))


class _Mattering(Taken):
    """Starts the graph where it comes to the first places, and notes in the backward pass which have a gradient."""

    def __init__(self, places: list[Place]):
        super().__init__(places, cut=True)
        self.matter: list[Place] = []
        self.read_off: Tensor | None = None  # what the last linear layer on vectors gets

    def after(self, name, args, kwargs, out):
        if name == "linear" and args and args[0].ndim == 2:
            self.read_off = args[0]
        return super().after(name, args, kwargs, out)

    def take(self, place, mine, args, out):
        if not mine.requires_grad:
            out = super().take(place, mine, args, out)
            mine = self.tensors[place]
        # Holds for the values as they are now, also where the next layer works in place.
        mine.register_hook(lambda slope: self.note(place, slope))
        return out

    def note(self, place: Place, slope: Tensor) -> None:
        if place.to_grid(slope, 1).flatten(2).ne(0).any(1).sum() > 1:
            self.matter.append(place)


class Trace(_Calls):
    """Notes how the tensors of a pass on one sample lie.

    Attributes:
        head: where asked for, the input, the weights and the result of the last linear layer on vectors.
        turned: axes or places of the inputs were exchanged before the first layer with weights.
    """

    def __init__(self, x: Tensor, *, with_means: bool = False):
        super().__init__()
        self._sums: dict[int, tuple[Tensor, Tensor]] | None = {} if with_means else None
        self.head: tuple[Tensor, tuple, Tensor] | None = None
        self._around = tuple(x.shape[2:])
        self.turned = False
        self._inputs = x
        self._weighted = False
        self._known: dict[int, _Known] = {}
        self._noted: dict[int, tuple[_Known, tuple[int, ...], str, bool]] = {}

    def find(self, value) -> _Known | None:
        """What is known of a tensor of this pass."""
        known = self._known.get(id(value))
        return known if known is not None and known.tensor() is value else None

    def run(self, model: nn.Module, x: Tensor):
        """One pass; the model's outputs."""
        with torch.no_grad(), self:
            return call(model, x)

    def last_certain(self) -> Place | None:
        """The last place, if there is no doubt about it: a short way for convolutional networks."""
        for _, (known, shape, order, bare) in sorted(self._noted.items(), key=lambda item: item[0], reverse=True):
            batch, positions = _positions(shape, order)
            if batch == 1 and math.prod(positions) > 1:
                if order != "first" or len(positions) != len(self._around):
                    return None
                return Place(known.call, known.item, known.function, shape, order, 0, positions, bare)
        return None

    def places(self) -> tuple[list[Place], dict[int, tuple[int, ...]]]:
        """All places in their order; and by number of the call the shapes of tokens whose grid is not to be told."""
        found, unclear = [], {}
        seen: list[tuple[int, ...]] = [self._around] if len(self._around) == 1 else []
        foreign = []  # grids with more axes than the inputs
        for number, (known, shape, order, bare) in sorted(self._noted.items(), key=lambda item: item[0]):
            batch, positions = _positions(shape, order)
            n = math.prod(positions)
            if sum(size > 1 for size in positions) > len(self._around):
                foreign.append(positions)
            if batch != 1 or n == 1 or any(_before(n, grid) is not None for grid in foreign):
                continue
            grids = [one for one in _grids(positions, order, self._around, seen) if math.prod(one[1]) > 1]
            if len(grids) > 1:
                unclear[number] = shape
            if len(grids) != 1:
                continue
            place = Place(number, known.item, known.function, shape, order, *grids[0], bare)
            found.append(place)
            if place.certain and place.grid not in seen:
                seen.append(place.grid)
        return found, unclear

    def mean(self, place: Place) -> Tensor:
        """``(1, channels)``, over the grid of a place."""
        whole, first = (self._sums or {})[place.call]
        return (whole - first[..., : place.prefix].sum(2)) / math.prod(place.grid)

    def after(self, name, args, kwargs, out):
        given = args[0] if args else kwargs.get("input")
        if isinstance(out, Tensor):
            first = out
            raw = self._is_raw(given) and name not in _CHANNELS_FIRST | _CHANNELS_LAST
            self.turned |= raw and name in _TURNS
            self._known[id(out)] = _Known(
                weakref.ref(out), self.calls, 0, name, getattr(self.find(out), "order", None), raw
            )
        else:
            tensors = [(item, one) for item, one in enumerate(out) if isinstance(one, Tensor)]
            first = tensors[0][1] if tensors else None
            for item, one in tensors:
                self._known[id(one)] = _Known(weakref.ref(one), self.calls, item, name, None)
        if name in _CHANNELS_FIRST:
            self._note(given, "first")
            self._weighted |= name not in _POOLS
            if name not in _POOLS or name in _MAX_POOLS:
                self._note(first, "first")
        elif name in _CHANNELS_LAST and not _over_several_axes(name, args, kwargs):
            order = _order_of(given)
            self._note(given, order)
            self._weighted = True
            self._note(first, order, bare=name == "linear")
            if name == "linear" and self._sums is not None and given.ndim == 2:
                parts = tuple(part for part in (*args[1:], *kwargs.values()) if part is not None)
                self.head = given.clone(), parts, out.clone()
        elif name not in _MIXERS and first is not None and first.ndim > 2:
            self._inherit((*args, *kwargs.values()), first)
        return out

    def _is_raw(self, value) -> bool:
        """Whether it is the inputs, or what functions without weights made of them."""
        known = self.find(value)
        return value is self._inputs or (known is not None and known.raw)

    def _note(self, tensor, order: str, *, bare: bool = False) -> None:
        known = self.find(tensor)
        if known is None or tensor.ndim < 3:
            return
        known.order = order
        if self._weighted and (known.call not in self._noted or self._noted[known.call][3]):
            self._noted[known.call] = known, tuple(tensor.shape), order, bare
            if self._sums is not None:
                flat = _channels_first(tensor, order).flatten(2).to(wide(tensor.dtype))
                self._sums[known.call] = flat.sum(2), flat[..., :_MOST_PREFIX_TOKENS].clone()

    def _inherit(self, given: tuple, out: Tensor) -> None:
        """The order of what a function got, where it leaves the positions as they are."""
        for value in flat(given):
            known = self.find(value)
            if known is None or known.order is None or value.ndim != out.ndim:
                continue
            order = known.order
            if value.shape != out.shape:
                channels = 1 if order == "first" else -1
                if _positions(value.shape, order) != _positions(out.shape, order) or out.shape[channels] == 1:
                    continue
            self._note(out, order)
            return


@dataclass(slots=True)
class _Known:
    """A tensor of the pass, without keeping it: which result of which call it is, and how it lies."""

    tensor: weakref.ref
    call: int
    item: int
    function: str
    order: str | None
    raw: bool = False


@twice_if_unsteady
def last_place(model: nn.Module, x: Tensor, target=None, *, short: bool = True) -> Place:
    """The last place whose positions still matter to the score. Must run inside ``untouched``, on one sample.

    Where the last is the output of a convolution, or of what follows it, that takes one forward pass. Else, as in
    transformers, the class may be read off one token, and a backward pass tells which places matter; a further
    forward pass tells where each half of the inputs is felt, and with that whether the positions are theirs.

    Args:
        short: believe that more than one position of a convolution's output matters.

    Raises:
        NoTargetLayerError: there is none, or its layout is not to be told.
    """
    trace = Trace(x)
    trace.run(model, x)
    if short and not trace.turned and (place := trace.last_certain()) is not None:
        return place
    places, unclear = trace.places()
    if not places and not unclear:
        raise NoTargetLayerError(why_none(model))
    matter = _that_matter(model, x, target, places) if places else []
    matter.sort(key=lambda place: (not place.bare, place.call))
    newest = matter[-1].call if matter else -1
    if (last := max(unclear, default=-1)) > newest:
        raise NoTargetLayerError(_which_to_pass(model, x, last, unclear[last]))
    doubtful = [place for place in matter if trace.turned or not place.certain]
    found = set(matter) - set(doubtful) | that_lie_so(model, x, doubtful)
    for place in reversed(matter):
        if place in found:
            return place
    if matter:
        raise NoTargetLayerError(_which_to_pass(model, x, newest, matter[-1].shape))
    raise NoTargetLayerError(
        "no layer has a grid of which more than one place matters to the score: use a method without a layer"
    )


def named_place(model: nn.Module, x: Tensor, name: str, module: nn.Module) -> Place | None:
    """Where the output of a layer lies, whose shape does not tell; ``None``: its layout is not to be told.

    Takes one sample, and two forward passes.
    """
    trace, ended = Trace(x), []
    with module.register_forward_hook(lambda _m, _i, output: ended.append(getattr(trace.find(output), "call", None))):
        trace.run(model, x)
    place = next((place for place in trace.places()[0] if ended and place.call == ended[0]), None)
    if place is None or (place.certain and not trace.turned) or that_lie_so(model, x, [place]):
        return place
    return None


def is_first(shape: tuple[int, ...], x: Tensor) -> bool:
    """Whether an output of so many axes as the inputs can only be ``(N, channels, *grid)``."""
    around = tuple(x.shape[2:])
    return len(shape) == x.ndim > 3 and _alike(shape[2:], around) and not _alike(shape[1:-1], around)


def _positions(shape, order: str) -> tuple[int, tuple[int, ...]]:
    """The size of the batch and of the axes of positions."""
    if order == "sequence":
        return shape[1], tuple(shape[:1])
    return shape[0], tuple(shape[2:] if order == "first" else shape[1:-1])


def _order_of(given: Tensor) -> str:
    """Channels come last; in series of three axes the batch may be the second."""
    if given.ndim == 3 and given.shape[0] != 1 and given.shape[1] == 1:
        return "sequence"
    return "last"


def _over_several_axes(name: str, args: tuple, kwargs: dict) -> bool:
    return name in ("layer_norm", "rms_norm") and len(kwargs.get("normalized_shape", args[1:2] and args[1])) > 1


def _grids(positions, order: str, around, seen) -> list[tuple[int, tuple[int, ...]]]:
    """What the positions may be: how many come before the grid, and the grid's sizes."""
    if len(positions) > len(around):
        positions = tuple(size for size in positions if size > 1)
    if len(positions) == len(around) > 1:
        return [(0, positions)] if order == "first" or positions in seen or _alike(positions, around) else []
    if len(positions) != 1 or not around:
        return []
    if len(around) == 1 and order == "first":
        return [(0, positions)]
    n = positions[0]
    if known := [(before, grid) for grid in seen if (before := _before(n, grid)) is not None]:
        return [min(known)]
    if len(around) == 1:
        return [(0, positions)] if n <= 2 * around[0] else []
    return _factors(n, around) if len(around) == 2 else []


def _before(n: int, grid: tuple[int, ...]) -> int | None:
    """How many of ``n`` tokens would stand before those of the grid; ``None``: these are not the grid's tokens."""
    before = n - math.prod(grid)
    return before if 0 <= before <= _MOST_PREFIX_TOKENS else None


def _factors(n: int, around: tuple[int, int]) -> list[tuple[int, tuple[int, ...]]]:
    """All grids of the inputs' proportions, exactly, or else rounded, with a few tokens before them."""
    pairs: list[tuple[int, tuple[int, ...]]] = [
        (prefix, (h, (n - prefix) // h))
        for prefix in range(min(_MOST_PREFIX_TOKENS, n - 2) + 1)
        for h in range(1, n - prefix + 1)
        if (n - prefix) % h == 0 and n - prefix > 1
    ]
    height, width = around
    exact = [pair for pair in pairs if pair[1][0] * width == pair[1][1] * height]
    if exact:
        return exact
    return [pair for pair in pairs if abs(pair[1][0] - pair[1][1] * height / width) < 1]


def _alike(grid, around) -> bool:
    """Whether the axes are those of the inputs, made smaller by about the same factor each."""
    factors = [size / small for size, small in zip(around, grid)]
    return min(factors) >= 0.5 and max(factors) <= 2.5 * min(factors)


def _that_matter(model: nn.Module, x: Tensor, target, places: list[Place]) -> list[Place]:
    """Those of which the score depends on more than one position."""

    def found(score: Callable[..., Tensor]) -> list[Place]:
        mode = _Mattering(places)
        with mode:
            outputs = call(model, x)
        gradient_of(score(outputs, mode), list(mode.tensors.values()))
        return mode.matter

    matter = found(lambda outputs, _: targets.score(outputs, target))
    # A head of zeros is not trained yet: what does it get?
    return matter or found(lambda outputs, mode: outputs if mode.read_off is None else mode.read_off.square())


def that_lie_so(model: nn.Module, x: Tensor, places: list[Place]) -> set[Place]:
    """Those whose positions are those of the inputs: a change of one half of the inputs is felt more in that half.

    The other axes and the channels stand as a control, for which the half that is changed makes no difference. Where
    other tokens come before the grid, the first and the last cell are changed as well: they may come behind it.
    """
    if not places:
        return set()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(x)
    noise = noise * (x.std() if x.std() > 0 else 1)

    def changed(*parts: slice) -> Tensor:
        copy = x.clone()
        copy[(..., *parts)] += noise[(..., *parts)]
        return copy

    axes, anywhere = range(x.ndim - 2), slice(None)
    halves = [
        changed(*(part if axis == one else anywhere for one in axes))
        for axis in axes
        for part in (slice(x.shape[2 + axis] // 2), slice(x.shape[2 + axis] // 2, None))
    ]
    grid = max(places, key=lambda place: place.prefix).grid
    cell = [max(1, size // n) for size, n in zip(x.shape[2:], grid)]
    corners = [changed(*(slice(size) for size in cell)), changed(*(slice(-size, None) for size in cell))]
    corners = corners if any(place.prefix for place in places) else []
    rows, taken = torch.cat([x, *halves, *corners]), Taken(places)
    with torch.no_grad(), taken:
        call(model, rows)
    felt = {place: place.tokens(taken.tensors[place], len(rows)).to(wide(x.dtype)) for place in places}
    return {place for place, tokens in felt.items() if _lies_so(place, tokens)}


def _lies_so(place: Place, tokens: Tensor) -> bool:
    """From the tokens ``(rows, channels, positions)`` of the inputs, two for each axis, and perhaps two corners."""
    change = (tokens[1:] - tokens[:1]).abs()
    if place.prefix:
        first, last = change[-2:].mean(1)
        if not first[place.prefix] + last[-1] > first[0] + last[-1 - place.prefix]:
            return False
    halves = change[: 2 * len(place.grid), :, place.prefix :].unflatten(2, place.grid)
    for axis, size in enumerate(place.grid):
        pair = halves[2 * axis : 2 * axis + 2]
        if size > 1:
            felt = [_nearer(pair.flatten(2).mean(2)), *(_nearer(_along(pair, one)) for one in range(len(place.grid)))]
            mine = felt.pop(1 + axis)
            if not (mine > 0.1 and mine > 2 * max(map(abs, felt))):
                return False
    return True


def _along(pair: Tensor, axis: int) -> Tensor:
    """``(2, n)``: the mean of ``(2, channels, *grid)`` over all but one axis of the grid."""
    return pair.mean([one for one in range(1, pair.ndim) if one != 2 + axis])


def _nearer(change: Tensor) -> float:
    """How much more the first half of an axis changes when the beginning does than when the end does, -1 to 1."""
    half = change.shape[1] // 2
    first, second = change[:, :half].sum(1), change[:, change.shape[1] - half :].sum(1)
    begin, end = ((first - second) / (first + second).clamp(min=1e-30)).tolist()
    return (begin - end) / 2


def why_none(model: nn.Module) -> str:
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        return "TorchScript hides where its functions are called: explain the model that was scripted"
    return (
        "no layer puts out a grid of more than one place on the axes of the inputs (N, channels, *grid): pass larger "
        "inputs, or use a method without a layer"
    )


def _which_to_pass(model: nn.Module, x: Tensor, number: int, shape: tuple[int, ...]) -> str:
    """Names the first module that ends after the call of this number."""
    trace, ended = Trace(x), []
    with ExitStack() as hooks:
        for name, module in layers_of(model).items():
            hooks.enter_context(
                module.register_forward_hook(lambda _m, _i, _o, name=name: ended.append((name, trace.calls)))
            )
        trace.run(model, x)
    name = next((name for name, calls in ended if calls > number), "")
    example = "t.transpose(1, 2)" if x.ndim == 3 else "t[:, 1:].transpose(1, 2).unflatten(2, (height, width))"
    return (
        f"the last layer with positions, {name!r}, puts out {shape}, and which axes are the grid of the inputs "
        f"{tuple(x.shape)} is not to be told: pass layer={name!r} (where a class token is read, the norm before the "
        f"last attention) and a reshape= to (N, channels, *grid), such as lambda t: {example}"
    )
