"""A device that isn't there, so that a machine without one can see what code does with it.

Within ``pretended("cuda")`` or ``pretended("mps")`` a tensor can be moved to that device. It says that it is there, its
values stay in the memory of the CPU, and it is as particular as the real ones: it isn't mixed with tensors of
another device, it can't become a NumPy array, the CPU's random number generators draw nothing for it, and on ``mps``
there is no float64. How fast it is, and how it rounds, it can't say.
"""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
import torch._dynamo  # which looks at what is replaced below, once
from torch import Tensor
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

COPIES = ("aten._to_copy.", "aten.copy_.")
READS, WRITES = ("aten.index.",), ("aten.index_put", "aten._index_put")  # by indices


class Pretended(Tensor):
    """A tensor on the pretended device, around the one that holds its values."""

    @staticmethod
    def __new__(cls, real: Tensor, device: torch.device):
        if device.type == "mps" and real.dtype in (torch.float64, torch.complex128):
            raise TypeError("the MPS framework doesn't support float64")
        # "meta" is for what is inside of torch, where a device without a driver would be asked for its streams.
        made = torch.Tensor._make_wrapper_subclass(
            cls, real.shape, strides=real.stride(), dtype=real.dtype, layout=real.layout, device="meta"
        )
        made._real, made._device = real, device
        return made

    device = property(lambda self: self._device)
    is_cuda = property(lambda self: self._device.type == "cuda")
    is_mps = property(lambda self: self._device.type == "mps")
    is_cpu = is_meta = property(lambda self: False)

    def _replace(self, other):
        self._real = other._real

    data = property(lambda self: self.detach(), _replace)

    def numpy(self, *args, **kwargs):
        raise TypeError(f"can't convert {self._device} device type tensor to numpy. Use Tensor.cpu() first.")

    __array__ = numpy

    def tolist(self):
        return self._real.tolist()

    def __repr__(self):
        return f"Pretended({self._real!r}, device='{self._device}')"

    def __format__(self, spec):
        return format(self.item(), spec) if self.ndim == 0 else repr(self)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            copy = self.detach().clone().requires_grad_(self.requires_grad)
            memo[id(self)] = Parameter(copy, copy.requires_grad) if isinstance(self, Parameter) else copy
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        device = next(x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Pretended))._device
        return _computed(function, args, kwargs or {}, device)


def _computed(function, args, kwargs, pretended: torch.device):
    """What the function makes of the real tensors, on the device where it would be."""
    inputs = tree_flatten((args, kwargs))[0]
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    if kwargs.get("device"):
        is_there = kwargs["device"].type != "cpu"
        on_cpu = kwargs | {"device": torch.device("cpu")}
    else:
        decides = tensors[:1] if str(function).startswith(COPIES + READS + WRITES) else tensors
        is_there = any(isinstance(x, Pretended) for x in decides)
        on_cpu = kwargs
    _check(str(function), inputs, tensors, is_there, pretended)

    known = {id(x._real) if isinstance(x, Pretended) else id(x): x for x in tensors}
    args, kwargs = tree_map(lambda x: x._real if isinstance(x, Pretended) else x, (args, on_cpu))
    found = function(*args, **kwargs)
    if function is torch.ops.aten._local_scalar_dense.default:
        return found

    def placed(x):
        if not isinstance(x, Tensor):
            return x
        if id(x) in known:  # a function in place gives back what it was given
            return known[id(x)]
        return Pretended(x, pretended) if is_there else x

    return tree_map(placed, found)


def _check(name, inputs, tensors, is_there, pretended) -> None:
    together = tensors
    if name.startswith(COPIES + READS):  # indices may stay on the CPU
        together = []
    elif name.startswith(WRITES):
        together = [tensors[0], tensors[-1]]
    places = {isinstance(x, Pretended) for x in together if isinstance(x, Pretended) or x.ndim}
    if len(places) > 1:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, but found {pretended} and cpu")
    if name.startswith(READS + WRITES) and not is_there and any(isinstance(x, Pretended) for x in tensors):
        raise RuntimeError(f"{name}: indices should be on the same device as the indexed tensor (cpu)")
    if is_there and any(isinstance(x, torch.Generator) for x in inputs):
        raise RuntimeError(f"{name}: expected a {pretended} device type for generator but found cpu")


class _Computing(TorchDispatchMode):
    """For functions that make tensors on the device from nothing, or from tensors of the CPU."""

    def __init__(self, device: torch.device):
        super().__init__()
        self.pretended = device

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {}, self.pretended)


class _Calling(TorchFunctionMode):
    """What torch does before a function can be intercepted, and with the real device only."""

    def __init__(self, device: torch.device):
        super().__init__()
        self.pretended = device

    def __torch_function__(self, function, types, args=(), kwargs=None):
        def numbered(x):  # torch would ask the driver for the number
            return self.pretended if isinstance(x, str | torch.device) and str(x) == self.pretended.type else x

        def as_tensor(index):
            return torch.tensor(index) if isinstance(index, list) else index

        if function is torch.device and args == (self.pretended.type, self.pretended.index):
            return self.pretended
        args, kwargs = tuple(map(numbered, args)), {key: numbered(value) for key, value in (kwargs or {}).items()}
        if function in (torch.tensor, torch.as_tensor, torch.asarray) and kwargs.get("device") == self.pretended:
            del kwargs["device"]
            return function(*args, **kwargs).to(self.pretended)
        if function in (Tensor.__getitem__, Tensor.__setitem__):
            index = tuple(map(as_tensor, args[1])) if isinstance(args[1], tuple) else as_tensor(args[1])
            args = (args[0], index, *args[2:])
        return function(*args, **kwargs)


@contextmanager
def pretended(kind: str):
    """As if there were a device of this kind, ``cuda`` or ``mps``, and only one."""
    device = torch.device(kind, 0)
    answers = {
        torch.optim.Optimizer: {"_accelerator_graph_capture_health_check": lambda self: None},
        torch.backends.mps: {"is_available": lambda: kind == "mps"},
        torch.cuda: {
            "is_available": lambda: kind == "cuda",
            "device_count": lambda: int(kind == "cuda"),
            "_lazy_init": lambda: None,
            "get_device_name": lambda device=None: "a pretended GPU",
            "is_bf16_supported": lambda including_emulation=True: False,
            "get_rng_state": lambda device=None: torch.get_rng_state(),
            "set_rng_state": lambda state, device=None: None,
        },
    }
    with ExitStack() as stack:
        for owner, functions in answers.items():
            for name, answer in functions.items():
                stack.enter_context(patch.object(owner, name, answer))
        stack.enter_context(_Computing(device))
        stack.enter_context(_Calling(device))
        yield device
