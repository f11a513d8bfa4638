import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_nets import images, small_net
from torch import nn

from salkit.attribution import occlusion, rise
from salkit.errors import InputError, SalkitWarning, TargetError
from salkit.targets import against


class Total(nn.Module):
    """The sum of all values, and its negative."""

    def forward(self, x):
        total = x.flatten(1).sum(1)
        return torch.stack([total, -total], 1)


def by_definition(net, x, target, window, stride, baseline):
    """Occlusion of one image by nested loops: for every pixel, the mean drop over the windows that cover it."""
    _, _, height, width = x.shape
    drops = torch.zeros(height, width)
    counts = torch.zeros(height, width)
    top = 0
    while True:
        left = 0
        while True:
            hidden = x.clone()
            hidden[:, :, top : top + window[0], left : left + window[1]] = baseline
            drops[top : top + window[0], left : left + window[1]] += (net(x) - net(hidden))[0, target].item()
            counts[top : top + window[0], left : left + window[1]] += 1
            if left + window[1] >= width:
                break
            left += stride[1]
        if top + window[0] >= height:
            return drops / counts
        top += stride[0]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_occlusion_equals_its_definition(data):
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    window = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    stride = data.draw(st.integers(1, window[0])), data.draw(st.integers(1, window[1]))
    batch_size = data.draw(st.one_of(st.none(), st.integers(1, 20)))
    baseline = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    net, x = small_net().eval(), images(n=1, height=height, width=width)
    found = occlusion(net, x, 2, window=window, stride=stride, baseline=baseline, batch_size=batch_size)
    expected = by_definition(net, x, 2, window, stride, baseline)
    torch.testing.assert_close(found[0], expected.expand(3, -1, -1), atol=1e-5, rtol=1e-3)


def test_one_pixel_windows_of_a_sum_give_the_pixel_itself():
    x = images()
    found = occlusion(Total(), x, 0, window=1, stride=1, baseline=0.0)
    torch.testing.assert_close(found, x.sum(1, keepdim=True).expand_as(x), atol=1e-4, rtol=1e-4)


def test_series_and_features():
    series = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    assert occlusion(Total(), series, 0, window=2, stride=2, baseline=0.0).tolist() == [[[3, 3, 7, 7]]]
    # Windows at 0 and 3 of width 3 over 4 values: the second is cut off at the edge.
    assert occlusion(Total(), series, 0, window=3, stride=3, baseline=0.0).tolist() == [[[6, 6, 6, 4]]]
    features = torch.tensor([[1.0, 2.0], [3.0, -4.0]])
    assert occlusion(Total(), features, 0, baseline=0.0).tolist() == features.tolist()
    assert occlusion(Total(), features, 0, window=1, baseline=torch.tensor([1.0, 0.0])).tolist() == [[0, 2], [2, -4]]


def test_default_windows_cost_the_same_at_any_size():
    def count(size):
        calls.clear()
        occlusion(net, images(n=1, height=size, width=size), 0, batch_size=1)
        return len(calls) - 1

    calls = []
    net = small_net()
    net.register_forward_hook(lambda *_: calls.append(1))
    assert count(16) == count(32) == 15 * 15


def test_probability():
    net, x = small_net().eval(), images(n=1)
    found = occlusion(net, x, 1, window=(6, 9), stride=1, baseline=0.2, probability=True)
    drop = (net(x).softmax(1) - net(torch.full_like(x, 0.2)).softmax(1))[0, 1]
    torch.testing.assert_close(found, drop.detach().expand_as(x))
    single = small_net(classes=1).eval()
    found = occlusion(single, x, against, window=(6, 9), stride=1, baseline=0.2, probability=True)
    drop = ((-single(x)).sigmoid() - (-single(torch.full_like(x, 0.2))).sigmoid())[0, 0]
    torch.testing.assert_close(found, drop.detach().expand_as(x))
    with pytest.raises(TargetError, match="already the score"):
        occlusion(net, x, lambda outputs: outputs[:, 0], probability=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 7}, "window of 7 does not fit into an axis of 6"),
        ({"window": 2, "stride": 3}, "gaps"),
        ({"window": 0}, "window must be"),
        ({"window": (2, 2, 2)}, "2 axes"),
        ({"stride": 0, "window": 2}, "stride must be"),
        ({"window": 2.0}, "window must be"),
        ({"baseline": torch.zeros(7)}, "broadcast"),
    ],
)
def test_bad_occlusion(options, message):
    with pytest.raises(InputError, match=message):
        occlusion(small_net(), images(), **options)


def test_rise_equals_its_definition():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(x.clone())
            return Total()(x)

    x = torch.ones(1, 1, 6, 9)  # so that what the network sees is the mask itself
    found = rise(Spy(), x, 0, n_masks=5, cells=3, keep=0.4, batch_size=2)
    masks = torch.cat(seen)
    assert masks.shape == (5, 1, 6, 9) and masks.min() >= 0 and masks.max() <= 1
    assert len(torch.unique(masks, dim=0)) == 5
    scores = masks.flatten(1).sum(1)
    weights = (scores - scores.mean())[:, None, None, None]
    torch.testing.assert_close(found[0], (weights * masks).sum(0) / (5 * 0.4))

    seen.clear()
    found = rise(Spy(), x, 0, n_masks=5, cells=3, keep=0.4, probability=True)
    weights = torch.sigmoid(scores)[:, None, None, None]
    torch.testing.assert_close(found[0], (weights * masks).sum(0) / (5 * 0.4), msg="eq. 6 of the paper")


def test_the_level_of_the_logits_does_not_matter_to_rise():
    net, x = small_net().double().eval(), images(dtype=torch.float64)
    higher = rise(lambda_net(lambda x: net(x) + 100), x, 2, n_masks=20, cells=3)
    torch.testing.assert_close(higher, rise(net, x, 2, n_masks=20, cells=3))


def lambda_net(function):
    class Lambda(nn.Module):
        def forward(self, x):
            return function(x)

    return Lambda().eval()


def test_rise_finds_the_pixels_that_matter():
    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([5 * x[:, :, :4, :4].mean((1, 2, 3)), 0 * x[:, 0, 0, 0]], 1)

    found = rise(Corner(), torch.ones(1, 3, 16, 16), 0, n_masks=500, cells=4)[0, 0]
    assert found[:4, :4].mean() > 1.1 * found[8:, 8:].mean()


def test_rise_masks_keep_the_share_that_they_should():
    class Mean(nn.Module):
        def forward(self, x):
            means.append(x.mean((1, 2, 3)))
            return x.flatten(1)[:, :2]

    means = []
    rise(Mean(), torch.ones(1, 1, 20, 20), 0, n_masks=2000, cells=5, keep=0.3)
    assert abs(torch.cat(means).mean() - 0.3) < 0.01


def test_rise_seeds_and_series():
    net, x = small_net(), images()
    a, b, c = (rise(net, x, n_masks=4, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.allclose(a, c)
    assert rise(Total(), torch.rand(2, 1, 10), 0, n_masks=4).shape == (2, 1, 10)


@pytest.mark.parametrize("options", [{"n_masks": 0}, {"cells": 0}, {"keep": 0.0}, {"keep": 1.5}, {"n_masks": 1.5}])
def test_bad_rise(options):
    with pytest.raises(InputError, match=next(iter(options))):
        rise(small_net(), images(), **options)


def test_rise_on_volumes_finds_the_octant_that_matters():
    class Octant(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, :, :3, :3, :3].sum((1, 2, 3, 4)), x[:, 0, 0, 0, 0] * 0], 1)

    x = torch.ones(1, 1, 6, 6, 6)
    found = rise(Octant(), x, 0, n_masks=400, cells=2)
    assert found.shape == x.shape
    assert found[..., :3, :3, :3].mean() > 3 * found[..., 3:, 3:, 3:].abs().mean()


def test_rise_needs_spatial_axes():
    with pytest.raises(InputError, match="RISE needs"):
        rise(Total(), torch.rand(2, 5), 0)


class Level(nn.Module):
    """A linear score on a level that means nothing."""

    def __init__(self, level):
        super().__init__()
        self.level = level

    def forward(self, x):
        return x.flatten(1).cumsum(1)[:, -2:] + self.level


@pytest.mark.parametrize("level", [0.0, 1000.0])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_rise_keeps_its_digits_on_a_high_level(level, batch_size):
    x = images(n=2, height=8, width=8) / 10
    options = dict(n_masks=300, cells=3, batch_size=batch_size)
    exact = rise(Level(0.0), x.double(), 0, **options)
    found = rise(Level(level), x, 0, **options)
    assert (found - exact).abs().max() < (1e-3 if level else 1e-5) * exact.abs().max()


def test_rise_by_probability_does_not_depend_on_the_batch_size():
    net, x = small_net().eval(), images()
    whole = rise(net, x, 1, n_masks=20, cells=3, probability=True)
    torch.testing.assert_close(rise(net, x, 1, n_masks=20, cells=3, probability=True, batch_size=6), whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_drops_that_half_precision_loses_are_told(dtype):
    x = images(n=2, height=8, width=8) / 100
    with pytest.warns(
        SalkitWarning, match=r"at most .* in 2 of 2 samples, and torch\..*float16 rounds"
    ) as caught:
        occlusion(Level(1000.0), x.to(dtype), 0, baseline=0.0)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", SalkitWarning)
        assert occlusion(Level(1000.0), x, 0, baseline=0.0).any()
        occlusion(Level(1000.0), 0 * x.to(dtype), 0, baseline=0.0)  # nothing is hidden


@pytest.mark.parametrize("baseline", [torch.nan, torch.inf, torch.full((1, 1, 1, 1), torch.nan)])
@pytest.mark.parametrize("method", [occlusion, rise])
def test_a_baseline_that_is_not_finite(method, baseline):
    with pytest.raises(InputError, match="baseline holds NaN or infinity"):
        method(small_net(), images(), 0, baseline=baseline)


def test_a_seed_that_is_none():
    with pytest.raises(InputError, match="seed must be an int"):
        rise(small_net(), images(), 0, seed=None)
