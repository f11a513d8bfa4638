"""Similarities agree with scipy and scikit-image, and each known pitfall is caught."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.feature import hog
from skimage.metrics import structural_similarity

from salkit.errors import InputError
from salkit.sanity import hog_similarity, midranks, spearman, spearman_by_rank_difference, ssim


def planes(a, b):
    return zip(a.double().numpy(), b.double().numpy(), strict=True)


MEASURES = {
    "spearman": spearman,
    "spearman_by_rank_difference": spearman_by_rank_difference,
    "ssim": lambda a, b: ssim(a, b, data_range=2.0),
    "hog_similarity": lambda a, b: hog_similarity(a, b, pixels_per_cell=4),
}
each_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def pair(n=4, height=14, width=17, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(n, height, width, generator=generator)
    return a, a + torch.randn(n, height, width, generator=generator)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("levels", [None, 2, 6], ids=["no ties", "many ties", "some ties"])
def test_spearman_equals_scipy(absolute, levels):
    a, b = (x if levels is None else (x * levels / 4).round() for x in pair())
    expected = [
        scipy.stats.spearmanr(*(np.abs(m) if absolute else m for m in (x, y))).statistic
        for x, y in zip(a.flatten(1).numpy(), b.flatten(1).numpy(), strict=True)
    ]
    assert spearman(a, b, absolute=absolute).tolist() == pytest.approx(expected, abs=1e-12)


def test_the_sign_matters_unless_told_otherwise():
    a, _ = pair()
    assert spearman(a, -a).tolist() == pytest.approx([-1] * 4)
    assert spearman(a, -a, absolute=True).tolist() == pytest.approx([1] * 4)


def test_the_textbook_shortcut_is_right_without_ties_and_wrong_with_them():
    a, b = pair()
    torch.testing.assert_close(spearman_by_rank_difference(a, b), spearman(a, b))
    a, b = a.clamp(min=0), b.clamp(min=0)  # half of the pixels tie at zero, as after a ReLU
    assert (spearman_by_rank_difference(a, b) - spearman(a, b)).abs().min() > 0.01


@pytest.mark.parametrize("data_range", [1.0, 2.0, 10.0])
def test_ssim_equals_scikit_image(data_range):
    a, b = pair()
    expected = [structural_similarity(x, y, data_range=data_range) for x, y in planes(a, b)]
    assert ssim(a, b, data_range=data_range).tolist() == pytest.approx(expected, abs=1e-9)


def test_the_data_range_decides_the_ssim():
    a, b = pair()
    assert (ssim(a, b, data_range=1.0) - ssim(a, b, data_range=20.0)).abs().min() > 0.1


def test_ssim_sees_places_and_flattened_maps_would_not():
    """SSIM of a map flattened to one dimension compares neighbours in a row only; ours refuses such maps."""
    a, b = pair()
    with pytest.raises(InputError, match=r"\(N, H, W\)"):
        ssim(a.flatten(1), b.flatten(1), data_range=1.0)
    with pytest.raises(InputError, match="reduce the channels"):
        ssim(torch.stack([a, a, a], 1), torch.stack([b, b, b], 1), data_range=1.0)
    shuffled = torch.randperm(14 * 17, generator=torch.Generator().manual_seed(0))
    a2, b2 = (x.flatten(1)[:, shuffled].view_as(x) for x in (a, b))
    torch.testing.assert_close(spearman(a, b), spearman(a2, b2))
    assert not torch.allclose(ssim(a, b, data_range=2.0), ssim(a2, b2, data_range=2.0), atol=1e-3)


def test_hog_equals_scikit_image():
    a, b = pair()
    expected = [np.corrcoef(*(hog(m, pixels_per_cell=(4, 4)) for m in (x, y)))[0, 1] for x, y in planes(a, b)]
    assert hog_similarity(a, b, pixels_per_cell=4).tolist() == pytest.approx(expected, abs=1e-9)


@each_measure
def test_a_map_is_like_itself(measure):
    a, _ = pair()
    assert measure(a, a.clone()).tolist() == pytest.approx([1] * 4)


@each_measure
def test_symmetric_and_the_same_one_by_one(measure):
    a, b = pair()
    whole = measure(a, b)
    torch.testing.assert_close(whole, measure(b, a))
    torch.testing.assert_close(whole, torch.cat([measure(a[i : i + 1], b[i : i + 1]) for i in range(4)]))
    torch.testing.assert_close(whole, measure(a[:, None], b[:, None]))
    assert ((-1 <= whole) & (whole <= 1)).all()


@each_measure
def test_chunks_change_nothing(measure, monkeypatch):
    a, b = pair()
    whole = measure(a, b)
    monkeypatch.setattr("salkit.sanity.similarity._CHUNK", 300)
    torch.testing.assert_close(measure(a, b), whole)
    assert measure(a[:0], b[:0]).shape == (0,)


@each_measure
def test_a_dead_map_is_nan_and_not_unchanged(measure):
    a, b = pair()
    expected = measure(a, b)
    a[0], b[0] = 0.0, 0.0
    a[1] = 0.3
    b[2, 4, 4] = math.nan
    got = measure(a, b)
    assert got[:3].isnan().all() and torch.equal(got[3:], expected[3:])


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 99), power=st.sampled_from([1 / 3, 3, 5]))
def test_spearman_sees_only_the_order(seed, power):
    a, b = (x.double() for x in pair(n=2, seed=seed))
    torch.testing.assert_close(spearman(a.sign() * a.abs() ** power, b), spearman(a, b))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 99), scale=st.floats(0.01, 100))
def test_ssim_changes_nothing_when_range_and_maps_are_scaled_together(seed, scale):
    a, b = (x.double() for x in pair(n=2, seed=seed))
    torch.testing.assert_close(ssim(a * scale, b * scale, data_range=2 * scale), ssim(a, b, data_range=2.0))


def test_unrelated_maps_are_near_zero():
    a, _ = pair(n=200)
    b, _ = pair(n=200, seed=1)
    assert abs(spearman(a, b).mean().item()) < 0.02
    assert abs(ssim(a, b, data_range=2.0).mean().item()) < 0.02


def test_bad_arguments_are_refused():
    a, b = pair()
    for measure in MEASURES.values():
        with pytest.raises(InputError, match="same shape"):
            measure(a, b[:2])
        with pytest.raises(InputError, match="floating"):
            measure(a.long(), b.long())
    with pytest.raises(InputError, match="data_range"):
        ssim(a, b, data_range=0)
    with pytest.raises(InputError, match="7 x 7"):
        ssim(a[:, :5], b[:, :5], data_range=1.0)
    with pytest.raises(InputError, match="no room"):
        hog_similarity(a, b)


@settings(deadline=None, max_examples=40)
@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(-3, 3)))
def test_midranks_equal_scipy(values):
    torch.testing.assert_close(
        midranks(torch.from_numpy(values)), torch.from_numpy(scipy.stats.rankdata(values, axis=1)), rtol=0, atol=0
    )
