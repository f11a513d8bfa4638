import pytest
import torch
from torch import nn

from salkit.attack import fgsm, pgd, transfer_matrix
from salkit.errors import InputError, TargetError


def linear(weights, bias=(0.0, 0.0)):
    layer = nn.Linear(len(weights[0]), len(weights))
    layer.weight.data = torch.tensor(weights)
    layer.bias.data = torch.tensor(bias)
    return layer


LINEAR = linear([[1.0, -2.0, 0.0], [0.0, 1.0, 0.0]])
X = torch.tensor([[0.5, 0.2, 0.9], [0.05, 0.97, 0.3]])


def loss(model, x, y):
    return nn.functional.cross_entropy(model(x), y, reduction="none")


def test_fgsm_by_hand():
    # The loss of class 0 falls along w0 - w1 = (1, -3, 0); it rises along (-1, 1, 0); the third value does not matter.
    moved = fgsm(LINEAR, X, 0, eps=0.1)
    torch.testing.assert_close(moved, torch.tensor([[0.4, 0.3, 0.9], [0.0, 1.0, 0.3]]))  # clipped at 0 and 1
    back = fgsm(LINEAR, X, 0, eps=0.1, targeted=True)
    torch.testing.assert_close(back, torch.tensor([[0.6, 0.1, 0.9], [0.15, 0.87, 0.3]]))


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_stays_inside_the_budget_and_the_bounds(attack):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 5))
    x = torch.rand(6, 3, 4, 4)
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    moved = attack(net, x, labels, eps=4 / 255)
    assert (moved - x).abs().max() <= 4 / 255 + 1e-7
    assert 0 <= moved.min() and moved.max() <= 1
    assert (moved != x).any() and not moved.requires_grad and moved.dtype == x.dtype
    torch.testing.assert_close(attack(net, x, labels, eps=4 / 255, batch_size=4), moved)
    singles = [attack(net, x[i : i + 1], labels[i : i + 1], eps=4 / 255) for i in range(6)]
    torch.testing.assert_close(torch.cat(singles), moved)
    assert torch.equal(attack(net, x, labels, eps=0.0), x)


def test_on_a_linear_model_the_loss_never_falls():
    labels = torch.tensor([0, 1])
    for attack in (fgsm, pgd):
        moved = attack(LINEAR, X, labels, eps=0.05)
        assert (loss(LINEAR, moved, labels) >= loss(LINEAR, X, labels)).all()
    ends = [attack(LINEAR, X, labels, eps=0.05)[:, :2] for attack in (fgsm, pgd)]  # the third value does not matter
    torch.testing.assert_close(*ends)


def test_zero_gradient_changes_nothing():
    model = linear([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    assert torch.equal(fgsm(model, X, 0, eps=0.1), X)
    assert torch.equal(pgd(model, X, 0, eps=0.1, seed=None), X)


def test_pgd_beats_fgsm_on_a_curved_loss():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    for p in net.parameters():
        p.data *= 2
    x = torch.rand(32, 20)
    labels = net(x).argmax(1)
    gain = {a: loss(net, a(net, x, labels, eps=0.1), labels).mean() for a in (fgsm, pgd)}
    assert gain[pgd] > gain[fgsm]


def test_none_means_the_predicted_class():
    assert torch.equal(fgsm(LINEAR, X, eps=0.1), fgsm(LINEAR, X, LINEAR(X).argmax(1), eps=0.1))


def test_single_logit_head():
    model = linear([[1.0, -1.0, 0.0]], (0.0,))
    torch.testing.assert_close(fgsm(model, X[:1], 1, eps=0.1), torch.tensor([[0.4, 0.3, 0.9]]))
    torch.testing.assert_close(fgsm(model, X[:1], 0, eps=0.1), torch.tensor([[0.6, 0.1, 0.9]]))


def test_no_trace():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3), nn.Linear(3, 2)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    x = X.clone()
    for attack in (fgsm, pgd):
        attack(model, x, 0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(x, X)
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (InputError, "outside of bounds", {"bounds": (0.0, 0.5)}),
        (InputError, "negative", {"eps": -0.1}),
        (TargetError, "out of range", {"labels": 2}),
        (TargetError, "2 samples", {"labels": torch.tensor([1])}),
        (TargetError, "callable", {"labels": lambda y: y[:, 0]}),
        (TargetError, "classes to move to", {"targeted": True}),
    ],
)
def test_bad_calls(error, message, options):
    with pytest.raises(error, match=message):
        fgsm(LINEAR, X, **options)


def test_pgd_steps():
    with pytest.raises(InputError, match="steps"):
        pgd(LINEAR, X, 0, steps=0)


def test_transfer_by_hand():
    # a looks at the first value, b at the second; both say class 0 above a half.
    a = linear([[1.0, 0.0], [-1.0, 0.0]], (-0.5, 0.5))
    b = linear([[0.0, 1.0], [0.0, -1.0]], (-0.5, 0.5))
    x = torch.tensor([[0.55, 0.9], [0.9, 0.55], [0.55, 0.2]])
    result = transfer_matrix({"a": a, "b": b}, x, torch.zeros(3, dtype=torch.long), eps=0.1)
    assert result.names == ("a", "b")
    assert result.correct.tolist() == [[True, True, True], [True, True, False]]
    assert result.fooled[0].tolist() == [[True, False, True], [False, False, False]]
    assert result.fooled[1].tolist() == [[False, False, False], [False, True, False]]
    torch.testing.assert_close(result.rates, torch.tensor([[2 / 3, 0.0], [0.0, 1 / 2]]))


def test_transfer_needs_models_and_labels():
    with pytest.raises(InputError, match="at least one model"):
        transfer_matrix({}, X, torch.tensor([0, 1]))
    with pytest.raises(TargetError, match="true classes"):
        transfer_matrix({"a": LINEAR}, X, None)


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_rounding_just_outside_of_the_bounds_is_clipped(attack):
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]) - 3e-8
    x = (x - mean) / std * std + mean
    assert x.min() < 0, "normalising and its inverse leave this"
    moved = attack(LINEAR, x, 0, eps=0.1)
    assert moved.min() >= 0 and moved.max() <= 1
    torch.testing.assert_close(moved, attack(LINEAR, x.clamp(0, 1), 0, eps=0.1))
    with pytest.raises(InputError, match="outside of bounds"):
        attack(LINEAR, x - 0.001, 0)


@pytest.mark.parametrize("attack", [fgsm, pgd])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_inputs_without_a_value_are_refused(attack, bad):
    with pytest.raises(InputError, match="NaN or infinity"):
        attack(LINEAR, torch.full_like(X, bad), 0)


def test_logits_of_an_output_object():
    class Wrapped(nn.Module):
        def forward(self, x):
            return {"logits": LINEAR(x)}

    assert torch.equal(fgsm(Wrapped(), X, eps=0.1), fgsm(LINEAR, X, eps=0.1))


@pytest.mark.parametrize("attack", [fgsm, pgd])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 2.5}, "batch_size must be a positive int"),
        ({"eps": None}, "eps must be a number"),
        ({"eps": torch.ones(3)}, "eps must be a number"),
        ({"bounds": torch.rand(2, 3)}, "bounds must be two numbers"),
        ({"bounds": 1.0}, "bounds must be two numbers"),
    ],
)
def test_options_of_another_type(attack, options, message):
    with pytest.raises(InputError, match=message):
        attack(LINEAR, torch.rand(2, 3), 0, **options)


def test_bounds_as_a_tensor():
    x = torch.rand(2, 3)
    assert torch.equal(fgsm(LINEAR, x, 0, bounds=torch.tensor([0.0, 1.0])), fgsm(LINEAR, x, 0))
