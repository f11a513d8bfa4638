"""What a learner is told, in words that help: stubs, errors, useless types, and how an answer differs."""

from __future__ import annotations

import dis
import inspect
import math
import operator
import traceback
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .calling import as_tensor

OTHER_ANSWER = (
    "A second call with the same arguments gives another answer: random numbers are drawn, or something is left over "
    "from one call to the next, such as a gradient that is added to."
)
ATTACHED = "It still hangs on the graph of the network, which keeps memory: .detach() would let go of it."

_STUB = "The function is still to be written: replace the line that raises NotImplementedError."
# Messages that say little to somebody who meets them for the first time.
_ERRORS = (
    ("OutOfTime", "It takes too long, and was stopped: does a loop of yours end?"),
    ("SystemExit", "It ended the program, with exit() or sys.exit(): end the function with return."),
    (
        "does not require grad",
        "The gradient can't be taken: call requires_grad_() on your copy of the images before they enter the network, "
        "and don't compute under torch.no_grad().",
    ),
    (
        "grad can be implicitly created only for scalar",
        "One gradient needs one number: add the scores of the batch up with .sum(). "
        "No image's score depends on another image, so each still gets its own gradient.",
    ),
    (
        "appears to not have been used in the graph",
        "The gradient doesn't reach the images: compute the logits from the same tensor that you differentiate by.",
    ),
    (
        "Can't call numpy() on Tensor that requires grad",
        "The result still hangs on the graph of the network: call .detach() before .numpy().",
    ),
    ("could not infer output dtype", "A truth value or a whole number has no mean in torch: .float().mean()."),
    ("std and var only support floating", "Truth values and whole numbers have no deviation in torch: .float() first."),
    ("with a bool tensor is not supported", "For the pixels that are not on a mask take ~mask, not 1 - mask."),
    ("on a bool tensor is not supported", "For the pixels that are not on a mask take ~mask, not -mask."),
    ("with two bool tensors is not supported", "Truth values can't be subtracted: .float() first, or & and ~."),
    (" not implemented for 'Bool'", "torch can't do that with truth values: .float() first."),
    (" not implemented for 'Long'", "torch can't do that with whole numbers: .float() first."),
    (" not implemented for 'Byte'", "torch can't do that with bytes: .float() first."),
    ("Expected a floating point or complex", "Truth values and whole numbers have no norm in torch: .float() first."),
    ("backward through the graph a second time", "A graph serves one gradient: compute the logits again for the next."),
    (
        "a leaf Variable that requires grad",
        "A tensor whose gradient is wanted can't be changed in place: make a new one, or .detach().clone() first.",
    ),
    ("Boolean value of Tensor with more than one value", "`if` needs one truth value: for a tensor use torch.where."),
)  # fmt: skip


def unfit(function, case: tuple) -> str:
    """Why this can't be checked on such arguments; empty when it can."""
    if function is None or function is ...:
        return "There is no function yet."
    if not callable(function):
        return "Pass the function itself, without calling it: its name, and no brackets."
    try:
        inspect.signature(function).bind(*case)
    except ValueError:  # some built-in functions have no signature
        return ""
    except TypeError:
        return f"The function is called with {len(case)} arguments, and yours takes {inspect.signature(function)}."
    return ""


def no_answer(error: BaseException | None, function: Callable, case: tuple, number: int = 1) -> str:
    """What an error means; empty when there was none."""
    if error is None:
        return ""
    message = " ".join(str(error).split())
    if isinstance(error, NotImplementedError) and (not message or _raised_by(error, function)):
        return _STUB
    line, text = _line_of(error, function), f"{type(error).__name__}: {message}"
    known = next((hint for fragment, hint in _ERRORS if fragment in text), "")
    hint = f"{known}{line and f' It fails{line}.'}" if known else f"It raised {type(error).__name__}{line}: {message}"
    return hint if number == 1 else f"{hint.rstrip('.')}. It did so in case {number}, with {arguments(function, case)}."


def _raised_by(error: BaseException, function: Callable) -> bool:
    """Whether a ``raise`` in the learner's own file made this error, and not something that was called there."""
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    code = last.tb_frame.f_code
    own = getattr(inspect.unwrap(function), "__code__", code).co_filename == code.co_filename
    return own and code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _line_of(error: BaseException, function: Callable) -> str:
    """`` in the line `...` `` for the last line of the learner's own file that the error passed through."""
    code = getattr(function, "__code__", None)
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if code and f.filename == code.co_filename]
    return f" in the line `{lines[-1]}`" if lines and lines[-1] else ""


def is_whole(value) -> bool:
    """Whether Python takes it for a size or a count: 16, not 16.0, nor a tensor of floats."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def useless(value, expected) -> str:
    """Why an answer can't be compared with the expected one; empty when it can."""
    if value is None:
        return "It returned None: does its last line say return?"
    if value is ...:
        return "It returned the placeholder ...: replace that by your code."
    if isinstance(value, tuple) and len(value) == 1:
        return "It returned a tuple with one entry, as torch.autograd.grad does: take [0]."
    answer, wanted = as_tensor(value), as_tensor(expected)
    if answer is None:
        kind = f"{value.dtype} tensor that can't be read" if isinstance(value, Tensor) else type(value).__name__
        return f"It returned a {kind}, where {'a tensor' if wanted.ndim else 'a number'} is expected."
    if isinstance(expected, int) and answer.shape == wanted.shape and not is_whole(value):
        right = "The value is right, but " if answer == wanted else ""
        kind = f"tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        return f"{right}{value} is a {kind} and a whole number is expected: divide with //, or take int()."
    return ""


def constant(answers: list[Tensor]) -> str:
    """That all cases have one and the same value, which says nothing about how it came about; else empty."""
    values = torch.cat([answer.flatten() for answer in answers])
    if values.isnan().all():
        return (
            f"All {len(values)} values are NaN: is there a division by zero?" if len(values) else "The result is empty."
        )
    if (values != values[0]).any():
        return ""
    return (
        f"In every case every value is {values[0]:g}, whatever the arguments are."
        if values[0]
        else "Every value is zero."
    )


def names(function: Callable, case: tuple) -> list[str]:
    """What the learner calls the arguments."""
    try:
        found = [name for name, p in inspect.signature(function).parameters.items() if p.kind != p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        found = []
    return [*found, *(f"argument {i + 1}" for i in range(len(found), len(case)))][: len(case)]


def arguments(function: Callable, case: tuple) -> str:
    """The sizes of the arguments: ``images (1, 3, 9, 7), stride 2``."""
    shown = [tuple(v.shape) if isinstance(v, Tensor) else v for v in case]
    pairs = zip(names(function, case), shown, strict=True)
    return ", ".join(name if isinstance(value, nn.Module) else f"{name} {value}" for name, value in pairs)


def difference(pairs: list, right: list[bool], function: Callable, trace: str) -> str:
    """How far the first wrong answer is off, and in which of the cases."""
    number = right.index(False)
    answer, expected, case = pairs[number]
    if answer.shape != expected.shape:
        found = f"The result has shape {tuple(answer.shape)}, where {tuple(expected.shape)} is expected"
    elif answer.isnan().any() and not expected.isnan().any():
        found = f"{int(answer.isnan().sum())} of {answer.numel()} values are NaN (is there a division by zero?)"
    elif not expected.ndim:
        found = f"In one case the result was {answer.item():g}, where {expected.item():g} is expected"
    else:
        gap = (answer - expected).abs().nan_to_num(math.inf)
        where = tuple(int(i) for i in torch.unravel_index(gap.argmax(), gap.shape))
        found = (
            f"The shape is right and the values are not: the largest difference is at {list(where)}, "
            f"{answer[where]:.4g} where {expected[where]:.4g} is expected"
        )
    given = arguments(function, case)
    if any(right):
        hint = f"{found}. {sum(right)} of {len(right)} cases are right: what is special about {given}?"
    else:
        hint = f"{found}, with {given}."
    return f"{hint} Besides, {trace}" if trace else hint
