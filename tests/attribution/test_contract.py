"""What every method promises, whatever it computes. A new method joins by its line in the registry."""

import copy
import gc
import threading
import warnings

import numpy as np
import pytest
import torch
from small_nets import images, options_of, small_net
from torch import nn

import salkit
from salkit import targets
from salkit.errors import InputError, SalkitError, SalkitWarning, TargetError

CONTROLS = [name for name, method in salkit.METHODS.items() if method.control]
pytestmark = pytest.mark.filterwarnings("ignore:.*maps are all zero", "ignore:integrated gradients miss")
every_method = pytest.mark.parametrize("name", salkit.METHODS)
methods = pytest.mark.parametrize("name", [name for name in salkit.METHODS if name not in CONTROLS])
any_score = pytest.mark.parametrize(
    "name", [name for name, method in salkit.METHODS.items() if method.any_score and not method.control]
)


def explain(name, model, inputs, target=None, **options):
    return getattr(salkit, name)(model, inputs, target, **{**options_of(name), **options})


def mixed_mode_net():
    """Some submodules in training mode, some not; a gradient on some parameters; one parameter frozen."""
    net = small_net().train()
    net.norm.eval()
    net.head.eval()
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)
    net.conv1.weight.grad = None
    net.head.bias.requires_grad_(False)
    return net


def snapshot(net):
    """Everything that a call could change, in a form that compares with ==."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "modules": [(name, id(module), type(module), module.training) for name, module in net.named_modules()],
        "hooks": [[list(getattr(module, kind).items()) for kind in hooks] for module in net.modules()],
        "attributes": [sorted(module.__dict__) for module in net.modules()],
        "forwards": [module.__dict__.get("forward") for module in net.modules()],
        "inplace": [getattr(module, "inplace", None) for module in net.modules()],
        "values": [(name, tensor.tolist()) for name, tensor in net.state_dict().items()],
        "parameters": [(id(p), p.requires_grad, id(p.grad), p._version) for p in net.parameters()],
        "grads": [None if p.grad is None else p.grad.tolist() for p in net.parameters()],
        "random": torch.get_rng_state().tolist(),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "functions": (torch.relu, torch.nn.functional.relu, torch.Tensor.relu, torch.relu_),
    }


@every_method
def test_no_trace(name):
    net, x = mixed_mode_net(), images().requires_grad_()
    x.grad = torch.ones_like(x)
    calls = []
    net.relu.register_forward_hook(lambda *_: calls.append("forward"))
    before, values = snapshot(net), x.tolist()
    result = explain(name, net, x)
    assert snapshot(net) == before
    assert x.requires_grad and x.grad.eq(1).all() and x.tolist() == values
    assert not result.requires_grad and result.dtype == x.dtype and result.isfinite().all()
    assert calls or name in CONTROLS, "the user's own hook should be alive"


class Trap(nn.Module):
    """The wrapped network, failing in the n-th forward, or in the backward of it."""

    def __init__(self, net, where):
        super().__init__()
        self.net, self.where = net, where

    def forward(self, x):
        if self.where == "forward":
            self.net(x)
            raise ZeroDivisionError("in forward")
        y = self.net(x)
        if y.requires_grad:
            y.register_hook(self.fail)
        return y

    def fail(self, _):
        raise ZeroDivisionError("in backward")


@methods
@pytest.mark.parametrize("where", ["forward", "backward"])
def test_no_trace_after_an_exception(name, where):
    net = Trap(mixed_mode_net(), where)
    x = images().requires_grad_()
    before = snapshot(net)
    if where == "backward" and "backward" not in salkit.METHODS[name].passes:
        pytest.skip("the method has no backward pass")
    with pytest.raises(InputError if where == "forward" else ZeroDivisionError, match=f"in {where}"):
        explain(name, net, x)
    assert snapshot(net) == before
    assert x.requires_grad and x.grad is None


@every_method
def test_many_calls_leave_no_tensor_behind(name):
    net, x = small_net(), images(n=1)

    def live():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    explain(name, net, x)
    before = live()
    for _ in range(25):
        explain(name, net, x)
    assert live() <= before


@methods
@pytest.mark.parametrize("target", [None, 2, torch.tensor([3, 0, 1]), lambda outputs: outputs[:, 0] - outputs[:, 1]])
def test_batch_equals_singles_and_chunks(name, target):
    if callable(target) and not salkit.METHODS[name].any_score:
        pytest.skip("reads the weights of a class")
    net, x = small_net(), images()
    whole = explain(name, net, x, target)
    singles = [
        explain(name, net, x[i : i + 1], target[i : i + 1] if isinstance(target, torch.Tensor) else target)
        for i in range(len(x))
    ]
    torch.testing.assert_close(whole, torch.cat(singles), atol=1e-5, rtol=1e-4)
    for batch_size in (1, 2, 7):
        torch.testing.assert_close(explain(name, net, x, target, batch_size=batch_size), whole, atol=1e-5, rtol=1e-4)


@methods
def test_none_means_each_samples_own_prediction(name):
    net, x = small_net(), images(n=6)
    with torch.no_grad():  # so that the predictions differ
        net.head.bias -= net.eval()(x).mean(0)
        predicted = net(x).argmax(1)
    assert len(predicted.unique()) > 1
    torch.testing.assert_close(explain(name, net, x), explain(name, net, x, predicted))


@methods
def test_single_logit_heads(name):
    net, x = small_net(classes=1), images()
    flat = nn.Sequential(net, nn.Flatten(0))
    two = nn.Sequential(net, TwoLogits())  # the same score as one of two classes
    for model in (net, flat):
        for target in (0, 1):
            with pytest.raises(TargetError, match="targets.against"):
                explain(name, model, x, target)
        if name != "cam":  # which reads the weights of a class, and the wrapped head has none
            torch.testing.assert_close(explain(name, model, x), explain(name, two, x, 1))
            torch.testing.assert_close(explain(name, model, x, targets.against), explain(name, two, x, 0))


class TwoLogits(nn.Module):
    def forward(self, y):
        return torch.cat([-y, y], 1)


class NeverRun(nn.Module):
    def forward(self, x):
        raise AssertionError("the model must not run")


@every_method
@pytest.mark.parametrize("target", [torch.tensor([1, 2]), -1, "cat", torch.tensor([0.5, 1.0, 2.0])])
def test_bad_target_is_refused_before_the_forward(name, target):
    with pytest.raises(TargetError):
        explain(name, NeverRun(), images(), target)


@methods
def test_class_out_of_range_is_refused_before_any_gradient(name):
    net = Trap(small_net(), "backward")
    with pytest.raises(TargetError, match="class 4 is out of range"):
        explain(name, net, images(), torch.tensor([0, 1, 4]), batch_size=1)


class Dense(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.net, self.wrap = small_net(), wrap

    def forward(self, x):
        return self.wrap(self.net(x))


@any_score
@pytest.mark.parametrize("wrap", [lambda y: (y, y), lambda y: {"out": y}, lambda y: y[:, :, None, None]])
def test_outputs_without_plain_classes(name, wrap):
    net, x = Dense(wrap), images()
    with pytest.raises(TargetError, match="callable"):
        explain(name, net, x, 1)

    def reducer(outputs):
        logits = outputs["out"] if isinstance(outputs, dict) else outputs[0] if isinstance(outputs, tuple) else outputs
        return logits.flatten(1)[:, 1]

    torch.testing.assert_close(explain(name, net, x, reducer), explain(name, net.net, x, 1))


@any_score
def test_softmax_outputs_warn_once(name):
    net = nn.Sequential(small_net(), nn.Softmax(1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explain(name, net, images(), 1, batch_size=1)
    # DeepLift also warns of the gap that a softmax leaves.
    assert [w.category for w in caught if "softmax" in str(w.message) and "no rule" not in str(w.message)] == [
        SalkitWarning
    ]


@every_method
@pytest.mark.parametrize("bad", [torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(0, 3, 8, 8), torch.zeros(3)])
def test_bad_inputs_are_refused_before_the_forward(name, bad):
    with pytest.raises(InputError):
        explain(name, NeverRun(), bad)


@every_method
@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True])
def test_bad_batch_size(name, batch_size):
    with pytest.raises(InputError, match="batch_size"):
        explain(name, NeverRun(), images(), 1, batch_size=batch_size)


@every_method
def test_model_must_be_a_module(name):
    with pytest.raises(InputError, match="torch.nn.Module"):
        explain(name, lambda x: x, images())


@methods
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_keeps_the_dtype(name, dtype):
    net, x = small_net(), images().to(dtype)
    reference = explain(name, net.double(), x.double(), 1)
    result = explain(name, net.to(dtype), x, 1)
    assert result.dtype == dtype and result.isfinite().all()
    if name in ("occlusion", "rise") and dtype != torch.float64:
        return  # small differences of large scores: half precision leaves few digits
    tolerance = 1e-6 if dtype == torch.float64 else 0.2  # a rectifier near zero may switch
    assert (result.double() - reference).norm() <= tolerance * reference.norm()


@every_method
def test_works_inside_no_grad_and_inference_mode(name):
    net, x = small_net(), images()
    expected = explain(name, net, x)
    with torch.no_grad():
        torch.testing.assert_close(explain(name, net, x), expected)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        inference = x.clone()
        torch.testing.assert_close(explain(name, net, inference), expected)
        assert torch.is_inference_mode_enabled()
    torch.testing.assert_close(explain(name, net, inference), expected)


@methods
def test_model_made_in_inference_mode_is_a_clear_error(name):
    with torch.inference_mode():
        net = small_net()
    with pytest.raises(InputError, match="inference_mode"):
        explain(name, net, images())


@methods
def test_frozen_parameters(name):
    net, x = small_net(), images()
    expected = explain(name, net, x)
    net.requires_grad_(False)
    torch.testing.assert_close(explain(name, net, x), expected)
    assert not any(p.requires_grad for p in net.parameters())


@every_method
def test_channels_last_and_non_contiguous_inputs(name):
    net, x = small_net(), images()
    expected = explain(name, net, x)
    torch.testing.assert_close(explain(name, net, x.contiguous(memory_format=torch.channels_last)), expected)
    wide = torch.empty(*x.shape[:-1], 2 * x.shape[-1])
    wide[..., ::2] = x
    torch.testing.assert_close(explain(name, net, wide[..., ::2]), expected)


@every_method
def test_one_channel(name):
    result = explain(name, small_net(channels=1), images(channels=1))
    assert result.shape == (3, 1, 6, 9) and result.isfinite().all()


@methods
def test_compiled_model_equals_the_eager_one(name):
    net, x = small_net().eval(), images()
    expected = explain(name, net, x, 1)
    compiled = torch.compile(net, backend="eager")
    compiled(x)
    torch.testing.assert_close(explain(name, compiled, x, 1), expected)
    torch.testing.assert_close(compiled(x), net(x))


@methods
def test_model_that_works_in_place_on_its_input(name):
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small_net()

        def forward(self, x):
            return self.net(x.sub_(0.5))

    x = images()
    values = x.clone()
    model = InPlace()
    explain(name, model, x, 1)
    assert torch.equal(x, values)


@every_method
def test_two_calls_on_one_model_in_threads(name):
    net, x = mixed_mode_net(), images()
    expected = explain(name, net, x)
    before = snapshot(net)
    results = {}
    threads = [threading.Thread(target=lambda i=i: results.update({i: explain(name, net, x)})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results.values():
        torch.testing.assert_close(result, expected)
    assert snapshot(net) == before


@every_method
def test_copies_agree(name):
    """The result depends on the weights and the inputs alone, not on calls before."""
    net, x = small_net(), images()
    first = explain(name, copy.deepcopy(net), x)
    torch.rand(5)
    assert torch.equal(explain(name, net, x), first)
    assert torch.equal(explain(name, net, x), first)


def test_errors_share_a_parent():
    assert issubclass(TargetError, SalkitError) and issubclass(InputError, ValueError)


class Blocks(nn.Module):
    """The sum of squares of the first value of each 4 x 4 block, taken from memory in the plain order."""

    def forward(self, x):
        assert x.is_contiguous()
        n, c, h, w = x.shape
        strides = (c * h * w, h * w, 4 * w, 4, w, 1)
        return x.as_strided((n, c, h // 4, w // 4, 4, 4), strides)[:, :, 0, 0].square().sum((2, 3))


def test_large_batches_are_reordered_in_memory_for_models_that_read_them_alike():
    x = torch.rand(4, 3, 224, 224)
    expected = torch.zeros_like(x)
    expected[:, 0, :4, :4] = 2 * x[:, 0, :4, :4]
    assert torch.equal(salkit.gradient(Blocks(), x, 0), expected)
    conv, place = nn.Conv2d(3, 2, 1), torch.zeros_like(x)
    place[..., 0, 5] = conv.weight.detach()[0, :, 0, 0]
    torch.testing.assert_close(salkit.gradient(conv, x, lambda outputs: outputs.view(len(outputs), -1)[:, 5]), place)
    orders = []
    conv.register_forward_hook(lambda _, inputs, outputs: orders.append(inputs[0].stride(1)))
    salkit.gradient(conv, x, lambda outputs: outputs[:, 0, 0, 5])
    assert orders == [1], "channels last, and tried only once for a model"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_method
def test_cuda_equals_cpu(name):
    net, x = small_net(), images()
    expected = explain(name, net, x, 1)
    result = explain(name, net.cuda(), x.cuda(), 1)
    assert result.is_cuda
    torch.testing.assert_close(result.cpu(), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("cell", "expected"), [(nn.LSTM, False), (nn.GRU, False), (nn.Linear, True)])
def test_recurrent_networks_run_without_cudnn(cell, expected):
    """Its cells have a gradient in training mode only; not yet run on a GPU."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell(2, 3)

        def forward(self, x):
            seen.append(torch.backends.cudnn.enabled)
            found = self.cell(x)
            return (found if isinstance(found, torch.Tensor) else found[0])[:, -1]

    seen, before = [], torch.backends.cudnn.enabled
    salkit.gradient(Net(), torch.rand(2, 4, 2), 1)
    assert seen == [expected] and torch.backends.cudnn.enabled is before


def test_samples_that_change_each_others_scores_are_refused():
    net = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), nn.Linear(3, 2))
    with pytest.raises(InputError, match="running statistics"):
        salkit.gradient(net, torch.rand(4, 3), 1)


@every_method
def test_inputs_of_no_use_are_refused_and_frozen_models_are_not(name):
    dense = torch.rand(2, 3, 6, 9)
    nested = torch.nested.nested_tensor([torch.rand(3, 6, 9), torch.rand(3, 6, 8)])
    for bad in (dense.to_sparse(), dense[0, 0].to_sparse_csr(), dense.to_mkldnn(), nested, dense.to(torch.float8_e5m2)):
        with pytest.raises(InputError, match="dense|bits"):
            explain(name, NeverRun(), bad)
    frozen = torch.jit.freeze(torch.jit.script(nn.Linear(6, 3).eval()))
    try:
        explain(name, frozen, torch.rand(2, 6))
    except SalkitError as error:
        assert "no attribute" not in str(error)


@any_score
def test_targets_that_fail_are_told_as_such(name):
    with pytest.raises(TargetError, match="callable target fails.*IndexError"):
        explain(name, small_net(), images(), lambda outputs: outputs[:, 7])


@pytest.mark.parametrize("name", ["smoothgrad", "rise", "random_map"])
def test_the_default_dtype_changes_no_draw(name):
    net, x = small_net(), images()
    expected = explain(name, net, x, 1)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(explain(name, net, x, 1), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "call",
    [
        lambda net, x: salkit.rise(net, x, 1, keep="a"),
        lambda net, x: salkit.rise(net, x, 1, keep=None),
        lambda net, x: salkit.smoothgrad(net, x, 1, method="gradient"),
        lambda net, x: salkit.gradcam(net, x, 1, reshape=5),
        lambda net, x: salkit.gradcam(net, x, 1, layer="conv1", reshape=lambda t: 1),
        lambda net, x: salkit.gradcam(net, x, 1, layer="conv1", reshape=lambda t: t.view(7, 7)),
        lambda net, x: salkit.guided_gradcam(net, x, 1, layer=["conv1", "conv2"]),
        lambda net, x: salkit.METHODS["rise"].why_not(net, "a"),
        lambda net, x: salkit.METHODS["edge_map"].why_not(net, "a"),
        lambda net, x: salkit.attribution.neuron_attribution(net, x, layer="conv1", neuron="a"),
    ],
)
def test_options_of_no_sense_are_typed_errors(call):
    with pytest.raises(SalkitError, match="must|fails|takes one layer"):
        call(small_net(), images())


def test_whole_numbers_of_numpy_and_sparse_classes_are_taken():
    net, x = small_net(), images()
    expected = salkit.gradient(net, x, 1)
    for target in (np.uint64(1), torch.ones(3, dtype=torch.long).to_sparse()):
        assert torch.equal(salkit.gradient(net, x, target), expected)
    neuron = salkit.attribution.neuron_attribution
    found = neuron(net, x, layer="head", neuron=np.uint64(1), method="gradient")
    torch.testing.assert_close(found, expected)
