"""Pictures, overlays and thresholds."""

import matplotlib
import numpy as np
import pytest
import torch

from salkit.display import overlay, pictures, threshold
from salkit.errors import InputError

BYTES = torch.randint(0, 256, (2, 3, 4, 6), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
HEAT = torch.linspace(0, 1, 24).view(1, 4, 6).repeat(2, 1, 1)


def test_every_layout_gives_the_same_picture():
    expected = BYTES.permute(0, 2, 3, 1).numpy() / np.float32(255)
    for images in (BYTES, BYTES.float() / 255, BYTES.permute(0, 2, 3, 1), BYTES.numpy(), BYTES.double() / 255):
        picture = pictures(images)
        assert picture.dtype == np.float32 and picture.shape == (2, 4, 6, 3)
        np.testing.assert_allclose(picture, expected, atol=1e-7)


def test_one_channel_is_grey():
    picture = pictures(BYTES[:, :1])
    assert (picture[..., 0] == picture[..., 1]).all() and (picture[..., 1] == picture[..., 2]).all()


def test_rounding_errors_outside_of_the_range_are_cut_off():
    picture = pictures(torch.tensor([-1e-6, 0.5, 1 + 1e-6]).view(1, 3, 1, 1))
    assert picture.min() == 0 and picture.max() == 1


def test_no_heat_and_no_alpha_leave_the_image():
    np.testing.assert_allclose(overlay(BYTES, torch.zeros(2, 4, 6), grey=False), pictures(BYTES), atol=1e-6)
    np.testing.assert_allclose(overlay(BYTES, HEAT, alpha=0, grey=False), pictures(BYTES), atol=1e-6)


def test_full_heat_and_full_alpha_are_the_colour():
    painted = overlay(BYTES, torch.ones(2, 4, 6), alpha=1, cmap="viridis")
    np.testing.assert_allclose(painted, np.broadcast_to(matplotlib.colormaps["viridis"](1.0)[:3], painted.shape))


def test_half_heat_is_half_opaque():
    white = torch.ones(1, 3, 1, 1)
    painted = overlay(white, torch.full((1, 1, 1), 0.5), alpha=0.8, cmap="gray")  # 0.6 * 1 + 0.4 * 0.5
    assert painted[0, 0, 0, 0] == pytest.approx(0.8, abs=0.01)


def test_signed_heat_has_one_colour_for_each_sign():
    grey = torch.full((1, 3, 1, 3), 0.5)
    negative, zero, positive = overlay(grey, torch.tensor([[[-1.0, 0.0, 1.0]]]))[0, 0]
    assert negative[2] > negative[0] + 0.2 and positive[0] > positive[2] + 0.2  # blue, red
    np.testing.assert_allclose(zero, 0.5, atol=1e-6)


def test_signed_can_be_told_of_a_map_without_negative_values():
    grey = torch.full((1, 3, 1, 1), 0.5)
    red = overlay(grey, torch.ones(1, 1, 1), signed=True, alpha=1)[0, 0, 0]
    np.testing.assert_allclose(red, matplotlib.colormaps["RdBu_r"](1.0)[:3], atol=1e-6)


def test_grey_takes_the_colour_out():
    picture = overlay(BYTES, torch.zeros(2, 4, 6))
    assert np.ptp(picture, axis=-1).max() < 1e-6
    red = overlay(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.zeros(1, 1, 1))
    assert red[0, 0, 0, 0] == pytest.approx(0.299, abs=1e-4)


def test_a_coarse_grid_is_enlarged_as_align_corners_false_does():
    """Two cells over four pixels: the outer pixels lie beyond the cells' centres, the inner ones a quarter between."""
    images = torch.ones(1, 3, 1, 4)
    painted = overlay(images, torch.tensor([[[0.0, 1.0]]]), alpha=1, cmap="gray")[0, 0, :, 0]
    for value, heat in zip(painted, [0, 0.25, 0.75, 1], strict=True):
        assert value == pytest.approx(1 - heat + heat * heat, abs=0.01)


def test_threshold_keeps_what_reaches_the_level():
    heat = torch.tensor([[[0.49, 0.5, 1.0]]])
    result = threshold(torch.ones(1, 3, 1, 3), heat, dim=0.25)
    assert result.mask.tolist() == [[[False, True, True]]]
    np.testing.assert_allclose(result.images[0, 0, :, 0], [0.25, 1, 1])
    assert threshold(torch.ones(1, 3, 1, 3), heat, level=0.9).mask.tolist() == [[[False, False, True]]]


def test_threshold_of_a_signed_map_counts_positive_evidence():
    assert threshold(torch.ones(1, 3, 1, 2), torch.tensor([[[-1.0, 1.0]]])).mask.tolist() == [[[False, True]]]


def test_one_map_channel_is_fine():
    assert np.array_equal(threshold(BYTES, HEAT[:, None]).mask, threshold(BYTES, HEAT).mask)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pictures(torch.zeros(3, 4, 4)), r"\(N, 3, H, W\)"),
        (lambda: pictures(torch.zeros(1, 2, 4, 4)), r"\(N, 3, H, W\)"),
        (lambda: pictures(torch.zeros(1, 3, 4, 4, dtype=torch.int64)), "uint8"),
        (lambda: pictures(torch.full((1, 3, 4, 4), 2.0)), "undo the network's normalisation"),
        (lambda: pictures(torch.full((1, 3, 4, 4), -0.5)), "undo the network's normalisation"),
        (lambda: pictures(torch.full((1, 3, 4, 4), float("nan"))), r"in \[0, 1\]"),
        (lambda: overlay(BYTES, HEAT * 3), "use heatmap"),
        (lambda: overlay(BYTES, HEAT * float("nan")), "use heatmap"),
        (lambda: overlay(BYTES, HEAT[:1]), "one map for each image"),
        (lambda: overlay(BYTES, HEAT[0]), "one map for each image"),
        (lambda: overlay(BYTES, torch.zeros(2, 3, 4, 6)), "one map for each image"),
        (lambda: overlay(BYTES, torch.zeros(2, 8, 8)), "finer"),
        (lambda: overlay(BYTES, HEAT, alpha=1.5), "alpha"),
        (lambda: overlay(BYTES, HEAT, cmap="rainbows"), "no colour map 'rainbows'"),
        (lambda: threshold(BYTES, HEAT, level=0), "level"),
        (lambda: threshold(BYTES, HEAT, level=128), "level"),
        (lambda: threshold(BYTES, HEAT, dim=-1), "dim"),
    ],
)
def test_errors_say_what_to_do(call, words):
    with pytest.raises(InputError, match=words):
        call()
