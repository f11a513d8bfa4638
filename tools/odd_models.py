"""The page of what is not supported: ``python -m tools.odd_models`` writes it.

What is refused stands in tests/attribution/odd_models.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.attribution.odd_models import (
    BY_GRADIENT,
    CALLS,
    LAYER_CALLS,
    NEURON_CALLS,
    ODD,
    ON_INPUTS,
    RUNNING,
    Odd,
)

PAGE = Path(__file__).resolve().parents[1] / "book" / "not-supported.md"

TEMPLATE = """\
<!-- Written by python -m tools.odd_models: edit that, not this. -->
# What is not supported

On any `torch.nn.Module` a method should be right, or warn with a figure, or refuse with an error of `salkit.errors`
that says what to do. What we know to escape this stands at the end of the page. The tests try every call on {kinds}
kinds of models and inputs: {cells} calls, of which {right} are
right, {warned} warn and {refused} are refused. Right means: a gradient equals finite differences in 64 bits,
integrated gradients and DeepLift add up to the change of the score, occlusion equals the scores of the hidden copies,
and all else equals the map of a plain network that computes the same. The model is left as it was, also after an error.

## What is refused

{refusals}

`layer_attribution` and `neuron_attribution` are meant with all their methods, unless one is named.

## What warns

{warnings}

## What no call can see

These are right for the model as PyTorch differentiates it, or as it runs, which may not be what you mean:

- A branch that is detached, beside one that is not: the gradient is that of the other branch. Integrated gradients and
  DeepLift warn of what is missing.
- Random numbers that are drawn in evaluation mode too: a map is that of the numbers drawn, and occlusion and RISE hold
  their noise.
- Samples of a batch that change each other's scores by other means than a batch normalisation: pass `batch_size=1` to
  methods with one pass a sample.
- For guided backprop and deconvnet a rectifier is ReLU or ReLU6. `clamp(min=0)` keeps its gradient.
- A map of a layer shows one place of the network. Of branches that meet behind their pools it shows the last, and of
  two inputs in one tensor that of the last; a crop or a border that the model itself takes off or adds shifts it.
- DeepLift's sums are complete or warned of, but where a function without a rule (`where`, `maximum`, `amax`) gives two
  pixels errors that cancel, the sum is right and the pixels are not.
- Outputs `(K, N)` are refused, unless there are as many samples as classes.
- Recurrent networks run without cuDNN while they are explained, as its cells have a gradient in training mode only.
  That was not yet run on a GPU.
"""


def page() -> str:
    refusals = [
        f"| {kind} | {_calls(refusal.calls, odd)} | `{refusal.error}` | {refusal.instead} |"
        for kind, odd in ODD.items()
        for refusal in odd.refusals
    ]
    told = [f"| {kind} | {_calls(tuple(odd.warned), odd)} | {' / '.join(dict.fromkeys(odd.warned.values()))} |"
            for kind, odd in ODD.items() if odd.warned]  # fmt: skip
    outcomes = [
        "refused" if odd.refusal(call) else "warned" if call in odd.warned else "right"
        for odd in ODD.values()
        for call in odd.calls
    ]
    return TEMPLATE.format(
        kinds=len(ODD),
        cells=len(outcomes),
        **{outcome: outcomes.count(outcome) for outcome in ("right", "warned", "refused")},
        refusals="\n".join(["| model or inputs | calls | error | what to do |", "|---|---|---|---|", *refusals]),
        warnings="\n".join(["| model or inputs | calls | words of the warning |", "|---|---|---|", *told]),
    )


# Groups of calls by a name that is shorter than the list, the largest first.
_GROUPS = {
    "all": CALLS,
    "all that take inputs": ON_INPUTS,
    "all that run the model": RUNNING,
    "all with a gradient": BY_GRADIENT,
    "`layer_attribution`": LAYER_CALLS,
    "`neuron_attribution`": NEURON_CALLS,
}


def _calls(calls: tuple[str, ...], odd: Odd) -> str:
    """The calls in words, those that have no meaning here left aside."""
    left, words = {call: None for call in calls if call in odd.calls}, []
    for name, group in _GROUPS.items():
        group = [call for call in group if call in odd.calls]
        missing = [call for call in group if call not in left]
        if group and len(missing) <= len(group) // 3 and len(group) - len(missing) > 1:
            words.append(name + (f" but {_calls(tuple(missing), odd)}" if missing else ""))
            left = {call: None for call in left if call not in group}
    return ", ".join([*words, *(f"`{call}`" for call in left)])


def main() -> int:
    temporary = PAGE.with_name(f".{PAGE.name}.new")
    temporary.write_text(page(), encoding="utf-8")
    os.replace(temporary, PAGE)
    print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
