"""Randomised networks: independent of each other, of the original, and of the global random state."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from salkit.data import ImageSet
from salkit.errors import InputError
from salkit.sanity import cascade, default_layers, independent, permute_labels

INITS = ["normal", "own", "permute"]
each_init = pytest.mark.parametrize("init", INITS)
each_mode = pytest.mark.parametrize("mode", [cascade, independent], ids=lambda f: f.__name__)


class Net(nn.Module):
    """Registered in another order than it is used, with a batch normalisation and equal-shaped layers."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3))
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.head(self.block(F.relu(self.conv1(x))).mean((2, 3)))


ORDER = ["head", "block.3", "block.1", "block.0", "conv1"]


@pytest.fixture
def net():
    torch.manual_seed(3)
    net = Net()
    net(torch.rand(8, 1, 12, 12))  # moves the running statistics
    net.block[1].weight.data.uniform_(0.5, 2)
    net.head.requires_grad_(False)
    return net.eval()


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before, after):
    """Names of the layers in which a tensor differs (the count of seen batches aside)."""
    return {
        name.rpartition(".")[0]
        for name in before
        if not torch.equal(before[name], after[name]) and not name.endswith("num_batches_tracked")
    }


@each_init
def test_cascade_randomises_from_the_output_down_and_keeps_the_rest(net, init):
    before = state(net)
    done = set()
    for (name, copy), expected in zip(cascade(net, ORDER, init=init), ORDER, strict=True):
        done.add(name)
        assert name == expected
        assert changed(before, state(copy)) == done


@each_init
def test_independent_randomises_one_layer_at_a_time(net, init):
    before = state(net)
    copies = list(independent(net, ORDER, init=init))
    assert [name for name, _ in copies] == ORDER
    for name, copy in copies:
        assert changed(before, state(copy)) == {name}


@each_init
def test_what_is_random_stays_so_further_down(net, init):
    copies = dict(cascade(net, ORDER, init=init))
    for name in ORDER:
        first = state(copies[name].get_submodule(name))
        last = state(copies["conv1"].get_submodule(name))
        assert all(torch.equal(first[key], last[key]) for key in first)


@each_mode
@each_init
def test_the_original_and_the_global_random_state_do_not_move(net, mode, init):
    before, flags = state(net), [p.requires_grad for p in net.parameters()]
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    copies = [copy for _, copy in mode(net, ORDER, init=init)]
    assert torch.equal(torch.rand(3), expected)
    after = state(net)
    assert all(torch.equal(before[key], after[key]) for key in before)
    for copy in copies:
        assert [p.requires_grad for p in copy.parameters()] == flags and not copy.training
        theirs, ours = ({t.data_ptr() for t in model.state_dict().values()} for model in (copy, net))
        assert not theirs & ours


@each_mode
def test_copies_share_nothing_with_each_other(net, mode):
    (_, first), (_, second) = list(mode(net, ORDER))[:2]
    expected = state(second)
    for parameter in first.parameters():
        parameter.data.zero_()
    assert all(torch.equal(expected[k], v) for k, v in second.state_dict().items())


def test_changing_a_copy_does_not_change_the_next_ones(net):
    expected = [state(copy) for _, copy in cascade(net, ORDER)]
    for (_, copy), should in zip(cascade(net, ORDER), expected, strict=True):
        assert all(torch.equal(should[k], v) for k, v in copy.state_dict().items())
        for parameter in copy.parameters():
            parameter.data.zero_()


@each_mode
@each_init
def test_equal_shaped_layers_get_different_weights(net, mode, init):
    """Reseeding for each layer would give block.0 and block.3 the same draws."""
    net.block[3].load_state_dict(net.block[0].state_dict())
    copies = dict(mode(net, ORDER, init=init))
    upper, lower = copies["block.3"].block[3].weight, copies["block.0"].block[0].weight
    correlation = torch.corrcoef(torch.stack([upper.flatten(), lower.flatten()]))[0, 1]
    assert abs(correlation) < 0.4


@each_init
def test_the_seed_decides(net, init):
    one, same, other = (dict(cascade(net, ["head"], init=init, seed=s))["head"].head.weight for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_normal_has_the_stated_spread():
    big = nn.Sequential(nn.Linear(300, 300))
    for std in (0.01, 0.5):
        weight = dict(cascade(big, ["0"], std=std))["0"][0].weight
        assert weight.std().item() == pytest.approx(std, rel=0.02) and abs(weight.mean().item()) < 0.02 * std


def test_own_has_the_layers_own_spread():
    big = nn.Sequential(nn.Linear(300, 300))
    big[0].weight.data.fill_(7)
    weight = dict(cascade(big, ["0"], init="own"))["0"][0].weight
    assert weight.abs().max() <= 300**-0.5 and weight.std().item() == pytest.approx(300**-0.5 / 3**0.5, rel=0.02)


def test_permute_keeps_the_values(net):
    for name, copy in independent(net, ORDER, init="permute"):
        for old, new in zip(net.get_submodule(name).parameters(), copy.get_submodule(name).parameters(), strict=True):
            assert torch.equal(old.flatten().sort().values, new.flatten().sort().values)


@each_init
def test_the_fate_of_batch_normalisation(net, init):
    assert net.block[1].running_mean.abs().max() > 0.001
    copies = dict(independent(net, ORDER, init=init))
    norm = copies["block.1"].block[1]
    assert torch.equal(norm.running_mean, torch.zeros(4)) and torch.equal(norm.running_var, torch.ones(4))
    if init == "permute":
        assert torch.equal(norm.weight.sort().values, net.block[1].weight.sort().values)
    else:
        assert torch.equal(norm.weight, torch.ones(4)) and torch.equal(norm.bias, torch.zeros(4))
    untouched = copies["block.0"].block[1]
    assert torch.equal(untouched.running_mean, net.block[1].running_mean)


@each_init
def test_a_name_stands_for_all_inside(net, init):
    ((_, copy),) = cascade(net, ["block"], init=init)
    assert changed(state(net), state(copy)) == {"block.0", "block.1", "block.3"}


def test_default_layers_follow_the_forward_pass(net):
    assert default_layers(net, torch.rand(2, 1, 12, 12)) == ORDER
    assert default_layers(net) == ["unused", "block.3", "block.1", "block.0", "conv1", "head"]
    assert [name for name, _ in cascade(net)] == default_layers(net)
    assert not net._forward_hooks and not net.head._forward_hooks and not net.training


def test_default_layers_of_a_residual_network():
    from torchvision.models import resnet18

    layers = default_layers(resnet18(num_classes=10), torch.rand(1, 3, 32, 32))
    assert layers[0] == "fc" and layers[-2:] == ["bn1", "conv1"] and len(layers) == 41


@each_init
def test_a_randomised_residual_network_still_computes(init):
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18(num_classes=10).eval()
    blocks = ["fc", "layer4", "layer3", "layer2", "layer1", "bn1", "conv1"]
    *_, (_, last) = cascade(model, blocks, init=init)
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    gradient = torch.autograd.grad(last(images)[:, 0].sum(), images)[0]
    assert gradient.isfinite().all() and (gradient != 0).any()


def test_attention_holds_weights_of_its_own():
    model = nn.TransformerEncoderLayer(8, 2, 16)
    for init in INITS:
        ((_, copy),) = cascade(model, ["self_attn"], init=init)
        assert not torch.equal(copy.self_attn.in_proj_weight, model.self_attn.in_proj_weight)
        assert not torch.equal(copy.self_attn.out_proj.weight, model.self_attn.out_proj.weight)


@each_mode
def test_errors_come_at_the_call(net, mode):
    with pytest.raises(InputError, match="no layer 'fc'.*head"):
        mode(net, ["fc"])
    with pytest.raises(InputError, match="no weights"):
        mode(net, ["block.2"])
    with pytest.raises(InputError, match="once"):
        mode(net, ["head", "head"])
    with pytest.raises(InputError, match="init"):
        mode(net, init="zeros")
    with pytest.raises(InputError, match="std"):
        mode(net, std=0)

    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

    with pytest.raises(InputError, match="no reset_parameters"):
        mode(nn.Sequential(Scale()), init="own")
    assert dict(mode(nn.Sequential(Scale())))["0"][0].scale.abs().max() < 0.1


def test_permuted_labels():
    labels = torch.arange(300) % 3
    data = ImageSet(torch.zeros(300, 1, 2, 2, dtype=torch.uint8), labels, ("a", "b", "c"), source="zeros")
    permuted = permute_labels(data)
    assert torch.equal(permuted.labels.bincount(), labels.bincount())
    assert 0.2 < (permuted.labels == labels).float().mean() < 0.47
    assert torch.equal(permute_labels(data).labels, permuted.labels)
    assert not torch.equal(permute_labels(data, seed=1).labels, permuted.labels)
    assert torch.equal(data.labels, labels) and torch.equal(permuted.images, data.images)
    assert "permuted" in permuted.source


@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm", "pruned"])
@pytest.mark.filterwarnings("ignore")
def test_weights_that_are_computed_from_others(norm):
    """They carry a graph after a training step, which can't be copied as it is."""
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    if norm == "pruned":
        prune.l1_unstructured(net[0], "weight", 0.5)
    else:
        getattr(nn.utils, norm)(net[0])
    x = torch.rand(5, 4)
    expected = net(x)
    assert net[0].weight.grad_fn is not None
    copies = dict(cascade(net))
    assert not torch.equal(copies["0"](x), expected)
    assert torch.equal(net(x), expected) if norm != "spectral_norm" else True


@pytest.mark.filterwarnings("ignore")
def test_models_that_hide_their_weights_are_refused():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    quantised = torch.ao.quantization.quantize_dynamic(net, {nn.Linear})
    for model in (torch.jit.trace(net, torch.rand(1, 4)), quantised):
        with pytest.raises(InputError, match="hide weights"):
            cascade(model)
    with pytest.raises(InputError, match="holds no weights"):
        cascade(nn.ReLU())


class OwnNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((4,), 3.0))

    def forward(self, x):
        return self.weight * x / x.square().mean(1, keepdim=True).sqrt()


@pytest.mark.parametrize("build", [lambda: nn.RMSNorm(4), OwnNorm])
def test_scales_of_every_kind_of_norm_go_back_to_1(build):
    model = nn.Sequential(nn.Linear(4, 4), build(), nn.Linear(4, 2))
    nn.init.constant_(model[1].weight, 3.0)
    *_, (_, last) = cascade(model)
    assert last[1].weight.eq(1).all() and not last[0].weight.eq(model[0].weight).any()
