"""Every call on every kind of model that people bring: right, or warned of, or refused, and the model as it was.

The kinds and what is expected of them stand in odd_models.py, from which book/not-supported.md is made.
"""

import itertools
import warnings
from functools import cache

import pytest
import torch
from odd_models import CALLS, ODD, Odd
from small_nets import options_of

import salkit
from salkit import errors, targets
from salkit.attack import fgsm, pgd
from salkit.attribution import layer_attribution, neuron_attribution
from salkit.sanity import cascade
from salkit.synthesis import class_image

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks gain nothing by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(call, model, x, odd):
    """One call, as its user writes it, with options that keep it quick."""
    name, _, method = call.partition(" ")
    if name == "layer_attribution":
        return layer_attribution(model, x, odd.target, layer=odd.layer, method=method, n_steps=4)
    if name == "neuron_attribution":
        return neuron_attribution(model, x, layer=odd.layer, neuron=odd.neuron, method=method, n_steps=4)
    if name in ("fgsm", "pgd"):
        return {"fgsm": fgsm, "pgd": pgd}[name](model, x, odd.target)
    if name == "class_image":
        target = (lambda outputs: targets.score(outputs)) if odd.target is None else odd.target
        return class_image(model, target, shape=tuple(x.shape[1:]), steps=2)
    if name == "cascade":
        copies = [(layer, net.state_dict()) for layer, net in cascade(model)]
        values = [value for _, state in copies for value in state.values() if torch.is_tensor(value)]
        return torch.cat([value.double().flatten() for value in values])
    return salkit.METHODS[name](model, x, odd.target, **options_of(name))


def outcome(call, model, x, odd):
    """What a call returns or raises, and what it warned of."""
    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = make(call, model, x, odd)
        except Exception as error:
            found = error
    return found, [str(w.message) for w in caught if w.category is errors.SalkitWarning]


def state(model):
    """What must be as before, in a form that compares with ==."""
    modules = [] if isinstance(model, torch.jit.ScriptModule) else list(model.named_modules())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return {
        "modules": [(name, id(module), module.training) for name, module in modules],
        "hooks": [[list(getattr(module, kind)) for kind in hooks] for _, module in modules],
        "parameters": [(name, p.requires_grad, p.grad) for name, p in model.named_parameters()],
        "values": {k: v.tolist() for k, v in model.state_dict().items() if isinstance(v, torch.Tensor)},
        "random": torch.get_rng_state().tolist(),
    }


@pytest.mark.parametrize("kind", ODD)
def test_right_or_warned_of_or_refused(kind):
    odd = ODD[kind]
    wrong = {}
    with torch.random.fork_rng():
        model, x = odd.build(), odd.inputs()
        given = x.clone()
        torch.manual_seed(0)
        before = state(model)
        for call in odd.calls:
            found, told = outcome(call, model, x, odd)
            if problem := _problem(odd, call, found, told):
                wrong[call] = problem
            torch.manual_seed(0)
            if state(model) != before:
                wrong[call] = "it left a trace on the model"
    assert torch.equal(x.nan_to_num(), given.nan_to_num())
    assert not wrong, wrong


def kind_ends_in_softmax(odd):
    return "softmax" in odd.warned.get("deeplift", "")


def _problem(odd, call, found, told):
    refusal = odd.refusal(call)
    if isinstance(found, Exception):
        if refusal is None or not isinstance(found, getattr(errors, refusal.error)):
            return f"{type(found).__name__}: {found}"
        return None
    if refusal:
        return f"it should raise {refusal.error}"
    wanted = odd.warned.get(call)
    if wanted and not any(wanted in text for text in told):
        return f"no warning of {wanted!r}, but {told}"
    known = [wanted, *USUAL, *(["DeepLift misses"] if kind_ends_in_softmax(odd) else [])]
    unwanted = [text for text in told if not any(part and part in text for part in known)]
    if unwanted:
        return f"it warns: {unwanted}"
    if not found.isfinite().all():
        return "it is not finite"
    if odd.twin is not None and "deeplift" not in odd.warned:
        return _compare(call, found, _by_twin(odd, call), odd.tolerance)
    return None


# What integrates with 4 steps; and the plain network's Grad-CAM.
USUAL = ("integrated gradients miss", "integrated gradients of layer", "conductance of layer", "Grad-CAM")


def _by_twin(odd, call):
    return _cached(odd.twin, call, odd.target, odd.inputs)


@cache
def _cached(twin, call, target, inputs):
    plain = Odd(twin, target=target)
    found, _ = outcome(call, twin(), inputs().double().contiguous(), plain)
    return found


def _compare(call, found, expected, tolerance):
    if tolerance > 1e-3 and call in ("fgsm", "pgd", "class_image", "cascade", "random_map"):
        return None  # signs of small numbers, and draws
    if call in ("cascade", "random_map"):
        return None  # other weights, other noise
    if found.shape != expected.shape:
        return f"{tuple(found.shape)}, not {tuple(expected.shape)}"
    gap = (found.double() - expected).abs().max() / expected.abs().max()
    return None if gap <= tolerance else f"off by {gap:.2g} of the largest value"


# ------------------------------------------------------------------------------------------------- by their definition


def differentiable(kind):
    odd = ODD[kind]
    return not odd.refusal("gradient") and odd.tolerance == 1e-6


def slopes_of(model, x, target, step=1e-6):
    """The gradient of each sample's score by central differences."""
    found = torch.zeros_like(x)
    with torch.no_grad():
        for i in range(len(x)):
            shifts = step * torch.eye(x[0].numel(), dtype=x.dtype).view(-1, *x.shape[1:])
            fixed = targets.check(target, len(shifts))
            up, down = (targets.score(model(x[i : i + 1] + sign * shifts), fixed) for sign in (1, -1))
            found[i] = ((up - down) / (2 * step)).view_as(x[i])
    return found


@pytest.mark.parametrize("kind", [kind for kind in ODD if differentiable(kind)])
def test_gradient_by_finite_differences_and_sums_by_completeness(kind):
    odd = ODD[kind]
    model, x = odd.build(), odd.inputs()
    found = salkit.gradient(model, x, odd.target)
    by_input = salkit.input_x_gradient(model, x, odd.target)
    shift = 0.3
    path, by_path = salkit.integrated_gradients(model, x, odd.target, baseline=shift, n_steps=64, return_delta=True)
    model.eval() if kind == "in training mode" else None
    expected = slopes_of(model, x.clone(), odd.target)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7 * expected.abs().max().item())
    torch.testing.assert_close(by_input, x * expected, rtol=1e-5, atol=1e-7 * expected.abs().max().item())
    fixed = targets.check(odd.target, len(x))
    with torch.no_grad():
        ends = [targets.score(model(point), fixed) for point in (x.clone(), torch.full_like(x, shift))]
    change = ends[0] - ends[1]
    assert change.abs().max() > 1e-9
    torch.testing.assert_close(path.flatten(1).sum(1) - by_path, change)
    assert (by_path.abs() <= 0.02 * path.abs().flatten(1).sum(1)).all()  # the rectifiers have corners
    if odd.refusal("deeplift"):
        return
    map_, gap = salkit.deeplift(model, x, odd.target, baseline=shift, return_delta=True)
    torch.testing.assert_close(map_.flatten(1).sum(1) - gap, change)
    if "deeplift" not in odd.warned:
        torch.testing.assert_close(gap, torch.zeros_like(gap), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", [kind for kind in ODD if not ODD[kind].refusal("occlusion")])
def test_occlusion_by_hiding(kind):
    odd = ODD[kind]
    model, x = odd.build(), odd.inputs()
    grid = tuple(x.shape[2:] or x.shape[1:])
    found = salkit.occlusion(model, x, odd.target, window=3, stride=3, baseline=0.1)
    model.eval() if kind == "in training mode" else None
    fixed = targets.check(odd.target, len(x))
    with torch.no_grad():
        whole = targets.score(model(x.clone()), fixed)
        for start in itertools.product(*(range(0, size, 3) for size in grid)):
            place = (..., *(slice(first, first + 3) for first in start))
            hidden = x.clone()
            hidden[place] = 0.1
            drop = (whole - targets.score(model(hidden), fixed)).double()
            drop = drop.view(-1, *[1] * (x.ndim - 1)).expand_as(x[place])
            atol = max(1e-9, 2 * torch.finfo(x.dtype).eps * whole.abs().max().item())
            if odd.tolerance >= 0.01:  # few digits inside
                atol = 0.1 * odd.tolerance
            torch.testing.assert_close(found[place].double(), drop, rtol=1e-3, atol=atol)


def test_every_call_is_in_the_sweep():
    assert set(salkit.METHODS) < set(CALLS) and len(ODD) >= 40
    assert all(set(refusal.calls) <= set(CALLS) for odd in ODD.values() for refusal in odd.refusals)
