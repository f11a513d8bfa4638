"""Deletion and insertion by hand on a linear model; ties, endpoints, batching, baselines."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from torch import nn
from torchvision.transforms.functional import gaussian_blur

from salkit.errors import InputError, TargetError
from salkit.evaluation import deletion, insertion, make_baseline

each_curve = pytest.mark.parametrize("curve", [deletion, insertion], ids=lambda f: f.__name__)


def linear(weights):
    """A single-logit linear model of the given (C, H, W) weights, so that curves can be worked out by hand."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(weights.numel(), 1, bias=False))
    model[1].weight.data = weights.flatten()[None].clone()
    return model


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 4 * 5, 3))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(5, 3, 6, 7, generator=generator), torch.randn(5, 6, 7, generator=generator)


def test_by_hand():
    model = linear(torch.tensor([[[4.0, 1.0], [2.0, -3.0]]]))
    image, contributions = torch.ones(1, 1, 2, 2), torch.tensor([[[4.0, 1.0], [2.0, -3.0]]])
    removed = deletion(model, image, contributions, steps=4, baseline=0.0, logits=True)
    assert removed.fractions.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert removed.scores.tolist() == [[4, 0, -2, -3, 0]]  # 4, 2, 1 and -3 are taken away in turn
    assert removed.area.tolist() == [(2 + 0 - 2 - 3 + 0) / 4]
    added = insertion(model, image, contributions, steps=4, baseline=0.0, logits=True)
    assert added.scores.tolist() == [[0, 4, 6, 7, 4]]
    assert added.area.tolist() == [(0 + 4 + 6 + 7 + 2) / 4]
    ranked_by_size = deletion(model, image, contributions, steps=4, baseline=0.0, logits=True, absolute=True)
    assert ranked_by_size.scores.tolist() == [[4, 0, 3, 1, 0]]


def test_probability_is_the_sigmoid_or_softmax_of_the_logit(net, batch):
    images, maps = batch
    model = linear(torch.tensor([[[4.0, 1.0], [2.0, -3.0]]]))
    options = dict(steps=4, baseline=0.0)
    logit = deletion(model, torch.ones(1, 1, 2, 2), torch.rand(1, 2, 2), logits=True, **options).scores
    probability = deletion(model, torch.ones(1, 1, 2, 2), torch.rand(1, 2, 2), **options).scores
    assert probability.shape == logit.shape and ((0 < probability) & (probability < 1)).all()
    curve = deletion(net, images, maps, 1)
    net.eval()
    torch.testing.assert_close(curve.scores[:, 0], net(images).softmax(1)[:, 1].double(), check_dtype=False)


@pytest.mark.parametrize("insert", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 5, 13, 42, 100])
def test_equal_to_a_plain_loop(net, batch, insert, steps):
    images, maps = batch
    curve = (insertion if insert else deletion)(net, images, maps, 2, steps=steps, baseline=0.3, logits=True)
    net.eval()
    counts = sorted({round(42 * k / steps) for k in range(steps + 1)})
    assert curve.fractions.tolist() == [count / 42 for count in counts]
    assert curve.fractions[0] == 0 and curve.fractions[-1] == 1
    for i in range(5):
        order = np.argsort(-maps[i].flatten().numpy())
        expected = []
        for count in counts:
            changed = torch.full_like(images[i], 0.3) if insert else images[i].clone()
            for pixel in order[:count]:
                row, column = divmod(int(pixel), 7)
                changed[:, row, column] = images[i, :, row, column] if insert else 0.3
            expected.append(net(changed[None])[0, 2].item())
        assert curve.scores[i].tolist() == pytest.approx(expected, abs=1e-5)
        assert curve.area[i].item() == pytest.approx(trapezoid(expected, [c / 42 for c in counts]), abs=1e-5)


def test_all_channels_go():
    """A model that sees only the last channel notices; changing channel 0 alone would leave the curve flat."""
    weights = torch.zeros(3, 2, 2)
    weights[2] = 1
    curve = deletion(linear(weights), torch.ones(1, 3, 2, 2), torch.rand(1, 2, 2), steps=4, baseline=0.0, logits=True)
    assert curve.scores.tolist() == [[4, 3, 2, 1, 0]]


@each_curve
def test_ties_go_one_by_one_and_always_in_the_same_order(curve):
    model = linear(torch.arange(1.0, 17).view(1, 4, 4))
    images = torch.ones(3, 1, 4, 4)
    flat = torch.zeros(3, 4, 4)
    result = curve(model, images, flat, steps=16, baseline=0.0, logits=True)
    assert (result.scores.diff(dim=1) != 0).all()  # all at once would jump to the end at the first step
    assert torch.equal(result.scores[0], result.scores[1])
    again = curve(model, images, flat, steps=16, baseline=0.0, logits=True)
    assert torch.equal(result.scores, again.scores)
    # neither row after row nor backwards
    steps = result.scores[0].diff().abs().tolist()
    assert steps != sorted(steps) and steps != sorted(steps, reverse=True)
    other = curve(model, images, flat, steps=16, baseline=0.0, logits=True, seed=1)
    assert not torch.equal(result.scores, other.scores)


@each_curve
def test_batch_size_and_company_change_nothing(net, batch, curve):
    images, maps = batch
    whole = curve(net, images, maps, steps=7)
    torch.testing.assert_close(curve(net, images, maps, steps=7, batch_size=3).scores, whole.scores)
    single = torch.cat([curve(net, images[i : i + 1], maps[i : i + 1], steps=7).scores for i in range(5)])
    torch.testing.assert_close(single, whole.scores)


@each_curve
def test_the_class_is_that_of_the_untouched_input(net, batch, curve):
    images, maps = batch
    predicted = net.eval()(images).argmax(1)
    torch.testing.assert_close(curve(net, images, maps).scores, curve(net, images, maps, predicted).scores)
    assert len(predicted.unique()) > 1 or net(torch.full_like(images, 0.5)).argmax(1)[0] != predicted[0]


def test_insertion_and_deletion_share_their_ends(net, batch):
    images, maps = batch
    away, back = deletion(net, images, maps, 0), insertion(net, images, maps, 0)
    torch.testing.assert_close(away.scores[:, 0], back.scores[:, -1])
    torch.testing.assert_close(away.scores[:, -1], back.scores[:, 0])


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 99), power=st.sampled_from([1 / 3, 3]))
def test_only_the_order_of_the_map_matters(seed, power):
    generator = torch.Generator().manual_seed(seed)
    model = linear(torch.randn(1, 3, 4, generator=generator))
    image, maps = torch.rand(2, 1, 3, 4, generator=generator), torch.randn(2, 3, 4, generator=generator).double()
    stretched = maps.sign() * maps.abs() ** power
    assert torch.equal(deletion(model, image, maps).scores, deletion(model, image, stretched).scores)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 99))
def test_no_order_beats_the_exact_contributions_of_a_linear_model(seed):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(1, 3, 4, generator=generator)
    image = torch.rand(1, 1, 3, 4, generator=generator)
    options = dict(steps=12, baseline=0.0, logits=True)
    other = torch.randn(1, 3, 4, generator=generator)
    exact = (image * weights)[:, 0]
    model = linear(weights)
    assert deletion(model, image, exact, **options).area <= deletion(model, image, other, **options).area + 1e-6
    assert insertion(model, image, exact, **options).area >= insertion(model, image, other, **options).area - 1e-6


def test_channels_of_a_map_are_added_up(net, batch):
    images, maps = batch
    channels = torch.stack([maps, maps * 2, maps * -1], 1)
    torch.testing.assert_close(deletion(net, images, channels, 0).scores, deletion(net, images, maps, 0).scores)
    torch.testing.assert_close(deletion(net, images, maps[:, None], 0).scores, deletion(net, images, maps, 0).scores)


def test_baselines(batch):
    images, _ = batch
    assert torch.equal(make_baseline(images, "grey"), torch.full_like(images, 0.5))
    assert torch.equal(make_baseline(images, 0.25), torch.full_like(images, 0.25))
    mean = make_baseline(images, "mean")
    torch.testing.assert_close(mean[2], images[[0, 1, 3, 4]].mean(0))
    assert torch.equal(make_baseline(images, images[:1]), images[:1].expand_as(images))
    torch.testing.assert_close(make_baseline(images, "blur"), gaussian_blur(images, [7, 7], [0.75, 0.75]))
    large = torch.rand(1, 3, 64, 48)
    blurred = make_baseline(large, "blur")
    assert blurred.var() < 0.02 * large.var()
    torch.testing.assert_close(blurred.mean(), large.mean(), atol=0.01, rtol=0)


@pytest.mark.parametrize("baseline", ["grey", "blur", "mean", 0.0])
def test_series(baseline):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 2))
    series = torch.rand(3, 2, 20)
    curve = deletion(model, series, torch.rand(3, 20), baseline=baseline, steps=20)
    assert curve.scores.shape == (3, 21)
    as_picture = make_baseline(series[:, :, None], baseline)[:, :, 0]
    assert torch.equal(make_baseline(series, baseline), as_picture)


def test_callable_target(net, batch):
    images, maps = batch
    curve = deletion(net, images, maps, lambda outputs: outputs[:, 0] - outputs[:, 1], steps=3)
    torch.testing.assert_close(
        curve.scores[:, 0],
        deletion(net, images, maps, 0, steps=3, logits=True).scores[:, 0]
        - deletion(net, images, maps, 1, steps=3, logits=True).scores[:, 0],
    )


@each_curve
def test_no_trace_is_left(net, batch, curve):
    images, maps = batch
    images.requires_grad_()
    before = images.detach().clone()
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    result = curve(net, images, maps)
    assert torch.equal(torch.rand(2), expected)
    assert net.training and net[2].training and all(p.requires_grad and p.grad is None for p in net.parameters())
    assert torch.equal(images.detach(), before) and images.grad is None and not result.scores.requires_grad


@each_curve
def test_bad_arguments_are_refused(net, batch, curve):
    images, maps = batch
    with pytest.raises(InputError, match="shape"):
        curve(net, images, maps[:, :3])
    with pytest.raises(InputError, match="shape"):
        curve(net, images, maps[:2])
    with pytest.raises(InputError, match="finite"):
        curve(net, images, maps / 0)
    with pytest.raises(InputError, match="steps"):
        curve(net, images, maps, steps=0)
    with pytest.raises(InputError, match="baseline"):
        curve(net, images, maps, baseline="gray")
    with pytest.raises(InputError, match="broadcast"):
        curve(net, images, maps, baseline=torch.zeros(2, 6, 7))
    with pytest.raises(InputError, match="one input"):
        curve(net, images[:1], maps[:1], baseline="mean")
    with pytest.raises(TargetError, match="out of range"):
        curve(net, images, maps, 3)
