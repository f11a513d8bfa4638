"""Channel reduction and per-sample scaling: worked numbers, then properties for arbitrary maps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from salkit.display import heatmap, raw_range, reduce_channels
from salkit.errors import InputError

ONE_PIXEL = torch.tensor([3.0, -4.0, 0.0]).view(1, 3, 1, 1)

finite = st.floats(allow_nan=False, allow_infinity=False)
batches = arrays(np.float64, array_shapes(min_dims=3, max_dims=3, max_side=5), elements=finite)


@pytest.mark.parametrize(
    ("channel", "value"), [("max_abs", 4.0), ("mean_abs", 7 / 3), ("norm", 5.0), ("max", 3.0), ("sum", -1.0)]
)
def test_reductions_by_hand(channel, value):
    assert reduce_channels(ONE_PIXEL, channel).item() == pytest.approx(value)


def test_unsigned_is_min_max_for_each_map():
    maps = torch.tensor([[[1.0, 2.0], [3.0, 5.0]], [[100.0, 200.0], [300.0, 500.0]]])
    expected = torch.tensor([[0.0, 0.25], [0.5, 1.0]])
    assert torch.equal(heatmap(maps), torch.stack([expected, expected]))


def test_default_is_the_map_of_simonyan():
    gradient = torch.tensor([[[[1.0, -2.0]], [[-5.0, 0.0]], [[2.0, 1.0]]]])  # magnitudes 5 and 2
    assert heatmap(gradient).tolist() == [[[1.0, 0.0]]]
    assert heatmap(gradient, "max").tolist() == [[[1.0, 0.0]]]  # largest signed values 2 and 1
    assert heatmap(-gradient, "max").tolist() == [[[1.0, 0.0]]]  # 5 and 2


def test_reduced_maps_are_scaled_as_they_are():
    gradient = torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    for channel in ("max_abs", "max", "sum", "norm"):
        assert torch.equal(heatmap(reduce_channels(gradient, channel)), heatmap(gradient, channel))


def test_an_explicit_rule_also_counts_for_a_map_without_channels():
    assert heatmap(torch.tensor([[[-4.0, 1.0, 0.0]]]), "max_abs").tolist() == [[[1.0, 0.25, 0.0]]]


def test_signed_keeps_zero_at_zero():
    maps = torch.tensor([[[-1.0, 0.0, 4.0]], [[-8.0, 0.0, 2.0]]])
    assert heatmap(maps, signed=True).tolist() == [[[-0.25, 0.0, 1.0]], [[-1.0, 0.0, 0.25]]]


def test_signed_sums_the_channels():
    assert heatmap(torch.tensor([[[[1.0, -3.0]], [[1.0, -1.0]]]]), signed=True).tolist() == [[[0.5, -1.0]]]


@pytest.mark.parametrize("value", [0.0, 7.0, -7.0])
def test_constant_maps_become_zeros_beside_others(value):
    maps = torch.stack([torch.full((2, 2), value), torch.tensor([[0.0, 1.0], [2.0, 4.0]])])
    heat = heatmap(maps)
    assert heat[0].tolist() == [[0, 0], [0, 0]]
    assert heat[1].tolist() == [[0, 0.25], [0.5, 1]]


def test_a_zero_map_stays_zero_when_signed():
    assert heatmap(torch.zeros(1, 2, 2), signed=True).tolist() == [[[0, 0], [0, 0]]]


def test_percentile_cuts_the_outlier():
    maps = torch.arange(101.0).view(1, 1, 101)
    maps[0, 0, 100] = 1e6
    heat = heatmap(maps, percentile=90)[0, 0]
    assert heat[45].item() == pytest.approx(0.5)
    assert (heat[90:] == 1).all() and heat[89] < 1
    assert heatmap(maps)[0, 0, 99] < 1e-3
    assert torch.equal(heatmap(maps, percentile=100), heatmap(maps))


def test_percentile_of_a_signed_map_is_of_the_magnitudes():
    maps = torch.cat([torch.linspace(-10, 0, 11)[:-1], torch.zeros(1), torch.tensor([1000.0])]).view(1, 1, 12)
    heat = heatmap(maps, signed=True, percentile=91)[0, 0]  # rank round(0.91 * 11) = 10 of the magnitudes: 10
    assert heat[:10].tolist() == pytest.approx([-(10 - i) / 10 for i in range(10)])
    assert heat[11] == 1


def test_percentile_never_erases_a_sparse_map():
    maps = torch.zeros(1, 10, 10)
    maps[0, 3, 4] = 2.0
    for signed in (False, True):
        assert heatmap(maps, percentile=90, signed=signed)[0, 3, 4] == 1


def test_raw_range():
    maps = torch.tensor([[[[-1.0, 2.0]], [[0.0, 5.0]]], [[[3.0, 3.0]], [[3.0, 3.0]]]])
    assert raw_range(maps).tolist() == [[-1.0, 5.0], [3.0, 3.0]]


def test_result_and_input_types():
    gradient = torch.randn(2, 3, 4, 5, dtype=torch.float16, requires_grad=True)
    heat = heatmap(gradient)
    assert heat.shape == (2, 4, 5) and heat.dtype == torch.float32 and not heat.requires_grad
    assert torch.equal(heatmap(gradient.detach().numpy()), heat)
    assert heatmap(torch.zeros(0, 3, 4, 4)).shape == (0, 4, 4)


def test_input_is_not_changed():
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    before = maps.clone()
    heatmap(maps, percentile=90), heatmap(maps, signed=True), reduce_channels(maps), raw_range(maps)
    assert torch.equal(maps, before)


@settings(deadline=None)
@given(batches)
def test_unsigned_fills_0_to_1(maps):
    heat = heatmap(maps).flatten(1)
    for one, raw in zip(heat, maps.reshape(len(maps), -1), strict=True):
        if raw.min() == raw.max():
            assert (one == 0).all()
        else:
            assert one.min() == 0 and one.max() == 1


@settings(deadline=None)
@given(batches)
def test_signed_fills_up_to_1_and_keeps_signs(maps):
    heat = heatmap(maps, signed=True)
    largest = heat.flatten(1).abs().amax(1)
    assert torch.equal(largest, torch.from_numpy(maps).flatten(1).abs().amax(1).gt(0).float())
    # A value too small for float32 beside the largest one may become zero, but never change sides.
    assert (heat.double() * torch.from_numpy(np.sign(maps)) >= 0).all()


@settings(deadline=None)
@given(batches, st.booleans(), st.sampled_from([None, 50.0, 99.0]))
def test_a_batch_is_scaled_as_its_maps_one_by_one(maps, signed, percentile):
    options = dict(signed=signed, percentile=percentile)
    singles = torch.cat([heatmap(maps[i : i + 1], **options) for i in range(len(maps))])
    assert torch.equal(heatmap(maps, **options), singles)


@settings(deadline=None)
@given(batches, st.sampled_from([2.0**-20, 0.5, 4.0, 2.0**20]))
def test_scale_does_not_matter(maps, factor):
    maps = np.where(np.abs(maps) > 1e250, 1.0, maps)
    maps[np.abs(maps) < 1e-250] = 0
    for signed in (False, True):
        assert torch.equal(heatmap(maps * factor, signed=signed), heatmap(maps, signed=signed))


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_name_the_map(broken):
    maps = torch.zeros(3, 1, 2, 2)
    maps[1, 0, 1, 1] = broken
    for function in (heatmap, reduce_channels, raw_range):
        with pytest.raises(InputError, match="map 1 .*NaN or infinity"):
            function(maps)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: heatmap(torch.zeros(4, 4)), r"\(N, C, H, W\) or \(N, H, W\)"),
        (lambda: heatmap(torch.zeros(1, 1, 1, 4, 4)), r"\(N, C, H, W\) or"),
        (lambda: heatmap(ONE_PIXEL, "abs"), "one of max_abs"),
        (lambda: heatmap(ONE_PIXEL, "norm", signed=True), "drops the sign"),
        (lambda: heatmap(ONE_PIXEL, percentile=0), "percentile"),
        (lambda: heatmap(ONE_PIXEL, percentile=101), "percentile"),
        (lambda: heatmap(ONE_PIXEL.to(torch.complex64)), "real"),
        (lambda: reduce_channels(torch.zeros(2, 4, 4)), r"\(N, C, H, W\)"),
        (lambda: reduce_channels(torch.zeros(2, 0, 4, 4)), r"\(N, C, H, W\)"),
        (lambda: raw_range(torch.zeros(3)), "at least one value"),
        (lambda: raw_range(torch.zeros(3, 0)), "at least one value"),
    ],
)
def test_errors_say_what_to_do(call, words):
    with pytest.raises(InputError, match=words):
        call()
