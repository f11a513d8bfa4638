import warnings

import pytest
import torch
from small_nets import images, small_net
from torch import nn

from salkit.attribution import deeplift, integrated_gradients, layer_attribution
from salkit.attribution.path import RULES, points
from salkit.errors import InputError, SalkitWarning


class Example(nn.Module):
    """5 x + y^2 + sin z, the network of PAIR's test, beside a class that is always 0."""

    def forward(self, x):
        score = 5 * x[:, 0] + x[:, 1] ** 2 + torch.sin(x[:, 2])
        return torch.stack([score, 0 * score], 1)


POINT = torch.tensor([[1.0, 3.0, 2.0], [-2.0, 0.5, 0.0]], dtype=torch.float64)


def test_values_worked_out_by_hand():
    found = integrated_gradients(Example(), POINT, 0, n_steps=20)
    torch.testing.assert_close(found, torch.stack([5 * POINT[:, 0], POINT[:, 1] ** 2, POINT[:, 2].sin()], 1))


def test_from_another_baseline():
    start = torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64)
    found = integrated_gradients(Example(), POINT, 0, baseline=start, n_steps=20)
    expected = torch.stack([5 * (POINT[:, 0] - 1), POINT[:, 1] ** 2 - 1, POINT[:, 2].sin() - start[2].sin()], 1)
    torch.testing.assert_close(found, expected)


def test_several_baselines_are_averaged():
    found, delta = integrated_gradients(Example(), POINT, 0, baseline=[0.0, 1.0, POINT - 2], return_delta=True)
    parts = [integrated_gradients(Example(), POINT, 0, baseline=b) for b in (0.0, 1.0, POINT - 2)]
    torch.testing.assert_close(found, sum(parts) / 3)
    assert delta.abs().max() < 1e-9


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n", [2, 3, 10])
def test_rules(rule, n):
    places, weights = points(rule, n)
    assert len(places) == len(weights) == n
    assert abs(weights.sum() - 1) < 1e-12 and abs((weights * places).sum() - 0.5) < 1e-12
    assert places.min() >= 0 and places.max() <= 1 and (places.diff() > 0).all()
    if rule == "gauss_legendre":  # exact up to degree 2 n - 1
        assert abs((weights * places ** (2 * n - 1)).sum() - 1 / (2 * n)) < 1e-12


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_steps", [2, 3, 10])
def test_completeness_of_a_quadratic_score_is_exact(rule, n_steps):
    class Quadratic(nn.Module):
        def forward(self, x):
            return torch.stack([x.flatten(1).square().sum(1) - x.flatten(1).prod(1).mul(0), x.flatten(1).sum(1)], 1)

    x = images(dtype=torch.float64)
    found, delta = integrated_gradients(Quadratic(), x, 0, baseline=0.3, rule=rule, n_steps=n_steps, return_delta=True)
    torch.testing.assert_close(found.flatten(1).sum(1), (x**2 - 0.09).flatten(1).sum(1))
    assert delta.abs().max() < 1e-9


@pytest.mark.filterwarnings("ignore:integrated gradients miss")
@pytest.mark.parametrize("rule", RULES)
def test_completeness_of_a_network_improves_with_steps(rule):
    net, x = small_net().double().eval(), images(dtype=torch.float64)
    with torch.no_grad():
        change = net(x)[:, 2] - net(0 * x)[:, 2]
    gaps = []
    for n_steps in (4, 256):
        found, delta = integrated_gradients(net, x, 2, rule=rule, n_steps=n_steps, return_delta=True)
        torch.testing.assert_close(found.flatten(1).sum(1) - change, delta)
        gaps.append(delta.abs().max())
    assert gaps[1] < 1e-2 * change.abs().max() and gaps[1] < gaps[0]


def test_the_path_runs_from_the_baseline_to_the_input():
    class Spy(nn.Module):
        def forward(self, x):
            seen.append(x.detach())
            return x

    seen = []
    x, start = torch.tensor([[1.0, 5.0]]), torch.tensor([0.0, 3.0])
    integrated_gradients(Spy(), x, 0, baseline=start, n_steps=3, rule="trapezoid")
    ends, path = [[0, 3], [1, 5]], [[0, 3], [0.5, 4], [1, 5]]
    assert torch.cat(seen).tolist() == ends + path


def test_a_slope_without_bound_at_an_end_does_no_harm():
    class Root(nn.Module):
        def forward(self, x):
            return x.sqrt()

    x = torch.tensor([[4.0, 9.0]], dtype=torch.float64)
    found, delta = integrated_gradients(Root(), x, 1, n_steps=400, return_delta=True)
    torch.testing.assert_close(found, torch.tensor([[0.0, 3.0]], dtype=torch.float64), atol=0.01, rtol=0)
    torch.testing.assert_close(delta, found.sum(1) - 3)


@pytest.mark.parametrize("batch_size", [1, 4, 1000])
def test_never_more_rows_in_a_pass_than_asked(batch_size):
    class Spy(nn.Module):
        def forward(self, x):
            seen.append(len(x))
            return x.flatten(1)

    seen = []
    integrated_gradients(Spy(), images(n=3), 0, n_steps=7, batch_size=batch_size)
    assert max(seen) <= batch_size


def test_a_large_gap_warns_once_and_a_small_one_does_not():
    class Step(nn.Module):
        def forward(self, x):
            return torch.cat([100 * (x - 0.9).relu(), 0 * x], 1)

    with pytest.warns(SalkitWarning, match="completeness") as caught:
        integrated_gradients(Step(), torch.tensor([[1.0]]), 0, n_steps=2)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        integrated_gradients(Step(), torch.tensor([[1.0]]), 0, n_steps=200)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 1}, "at least 2"),
        ({"n_steps": 2.0}, "at least 2"),
        ({"rule": "simpson"}, "gauss_legendre, midpoint, trapezoid"),
        ({"baseline": torch.zeros(2, 5)}, r"baseline \(2, 5\) does not broadcast"),
        ({"baseline": "black"}, "'black' does not broadcast"),
        ({"baseline": []}, "empty"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        integrated_gradients(small_net(), images(), **options)


def test_a_number_as_baseline_keeps_the_digits_of_double_precision():
    net = nn.Linear(1, 1, bias=False).double()
    x = torch.tensor([[1.0]], dtype=torch.float64)
    found = integrated_gradients(net, x, baseline=0.1) / net.weight.detach()
    torch.testing.assert_close(found, x - 0.1, rtol=0, atol=1e-14)  # 0.1 in single precision is 1.5e-9 off


def test_expected_gradients_add_up_to_the_mean_change():
    net, x = small_net().double().eval(), images().double()
    references = list(images(n=4, seed=5).double())
    found, delta = integrated_gradients(net, x, 1, baseline=references, n_steps=200, return_delta=True)
    with torch.no_grad():
        change = net(x)[:, 1] - net(torch.stack(references))[:, 1].mean()
    torch.testing.assert_close(found.flatten(1).sum(1) - delta, change)
    torch.testing.assert_close(found.flatten(1).sum(1), change, rtol=0.02, atol=0.02 * change.abs().max().item())


class Jump(nn.Module):
    """Two large terms that cancel, and a jump of 1 that no gradient knows."""

    def __init__(self):
        super().__init__()
        self.first = nn.Identity()

    def forward(self, x):
        x = self.first(x)
        return (40 * x[:, 0] - 40 * x[:, 1] + (x[:, 2] > 0.5).to(x.dtype))[:, None]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift", "conductance", "layer deeplift"])
def test_what_is_missing_is_told_in_every_precision(method, dtype):
    layers = dict(layer="first", method=method.removeprefix("layer "))
    calls = {"integrated_gradients": integrated_gradients, "deeplift": deeplift}
    x = torch.ones(1, 3, dtype=dtype)
    with pytest.warns(SalkitWarning, match="completeness by up to 100% of the change of the score in 1 of 1"):
        calls[method](Jump(), x) if method in calls else layer_attribution(Jump(), x, **layers)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SalkitWarning)
        x[0, 2] = 0.25  # before the jump, and the two scores are rounded
        calls[method](Jump(), x) if method in calls else layer_attribution(Jump(), x, **layers)
