"""Scores by hand, by brute force, by scikit-learn; and what must not change them."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from salkit.errors import InputError
from salkit.evaluation import mask_auc, pointing_game, relevance_mass, relevance_rank

SCORES = [relevance_mass, relevance_rank, pointing_game, mask_auc]
each_score = pytest.mark.parametrize("score", SCORES, ids=lambda f: f.__name__)

MAP = torch.tensor([[[4.0, -3.0, 0.0], [2.0, 1.0, 0.0]]])
MASK = torch.tensor([[[True, False, False], [True, True, False]]])


def sample(n=6, size=7, seed=0, levels=None):
    """Maps (with ties when ``levels`` is given) and masks that are neither empty nor full."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(n, size, size, generator=generator)
    if levels:
        maps = (maps * levels / 4).round()
    masks = torch.rand(n, size, size, generator=generator) < 0.3
    masks[:, 0, 0], masks[:, 0, 1] = True, False
    return maps, masks


def test_by_hand():
    assert relevance_mass(MAP, MASK).item() == pytest.approx(7 / 10)
    assert relevance_rank(MAP, MASK).item() == pytest.approx(2 / 3)  # 4, 3, 2 are the top three
    assert pointing_game(MAP, MASK).item() == 1
    # pairs on > off: 4 beats 3, 0, 0; 2 and 1 each beat 0, 0
    assert mask_auc(MAP, MASK).item() == pytest.approx(7 / 9)


def test_positive_part_by_hand():
    flipped = -MAP
    assert relevance_mass(flipped, MASK, signed="positive").item() == 0
    assert relevance_rank(flipped, MASK, signed="positive").item() == pytest.approx(2 * 3 / 5 / 3)  # 3 off, then ties
    assert pointing_game(flipped, MASK, signed="positive").item() == 0
    assert mask_auc(flipped, MASK, signed="positive").item() == pytest.approx((3 * 2 * 0.5) / 9)


@pytest.mark.parametrize("levels", [None, 3, 8])
def test_auc_equals_scikit_learn_and_brute_force(levels):
    maps, masks = sample(levels=levels)
    for got, m, mask in zip(mask_auc(maps, masks), maps.abs(), masks, strict=True):
        assert got.item() == pytest.approx(roc_auc_score(mask.flatten(), m.flatten()))
        pairs = [(a > b) + 0.5 * (a == b) for a, b in itertools.product(m[mask].tolist(), m[~mask].tolist())]
        assert got.item() == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("levels", [None, 3])
def test_rank_and_pointing_are_means_over_every_way_to_break_ties(levels):
    maps, masks = sample(n=2, levels=levels)
    generator = np.random.default_rng(0)
    for i, (m, mask) in enumerate(zip(maps.abs().flatten(1).numpy(), masks.flatten(1).numpy(), strict=True)):
        tops, hits = [], []
        for _ in range(3000):
            order = np.lexsort((generator.random(m.size), -m))
            tops.append(mask[order[: mask.sum()]].mean())
            hits.append(mask[order[0]])
        assert relevance_rank(maps, masks)[i].item() == pytest.approx(np.mean(tops), abs=0.02)
        assert pointing_game(maps, masks)[i].item() == pytest.approx(np.mean(hits), abs=0.04)


def test_a_constant_map_scores_as_chance():
    masks = torch.zeros(1, 4, 5, dtype=torch.bool)
    masks[:, :2, :3] = True
    constant = torch.full((1, 4, 5), 0.7)
    for score, chance in zip(SCORES, (0.3, 0.3, 0.3, 0.5), strict=True):
        assert score(constant, masks).item() == pytest.approx(chance)


@each_score
def test_a_tie_does_not_favour_a_place(score):
    maps, masks = sample(levels=2)
    torch.testing.assert_close(score(maps, masks), score(maps.flip(1, 2), masks.flip(1, 2)))


@each_score
@pytest.mark.parametrize("signed", ["absolute", "positive"])
def test_perfect_and_opposite_maps(score, signed):
    _, masks = sample()
    on, off = masks.float(), (~masks).float()
    assert score(on, masks, signed=signed).tolist() == [1] * 6
    assert score(off, masks, signed=signed).tolist() == [0] * 6


@each_score
def test_undefined_scores_are_nan_and_the_neighbours_are_not_touched(score):
    maps, masks = sample()
    expected = score(maps, masks)
    maps[0], masks[1], maps[2, 3, 3], maps[3, 0, 0] = 0, False, math.nan, math.inf
    got = score(maps, masks)
    assert got[:4].isnan().all()
    assert torch.equal(got[4:], expected[4:]) and not got[4:].isnan().any()


def test_full_mask():
    maps, _ = sample()
    full = torch.ones(6, 7, 7, dtype=torch.bool)
    assert mask_auc(maps, full).isnan().all()
    assert relevance_mass(maps, full).tolist() == pytest.approx([1] * 6)
    assert relevance_rank(maps, full).tolist() == [1] * 6


@each_score
def test_negative_relevance_alone_is_a_zero_map_where_only_positive_counts(score):
    maps, masks = sample()
    assert score(-maps.abs() - 1, masks, signed="positive").isnan().all()


@each_score
def test_channels_are_added_after_the_sign_is_taken(score):
    maps, masks = sample()
    channels = torch.stack([maps, -maps], dim=1)
    torch.testing.assert_close(score(channels, masks), score(maps, masks))
    torch.testing.assert_close(score(channels, masks, signed="positive"), score(maps, masks))
    torch.testing.assert_close(score(maps[:, None], masks), score(maps, masks))


@each_score
def test_series_are_scored_like_pictures_one_pixel_high(score):
    maps, masks = sample()
    rows, row_masks = maps[:, 0], masks[:, 0]
    torch.testing.assert_close(score(rows, row_masks), score(rows[:, None], row_masks[:, None]))
    torch.testing.assert_close(score(rows[:, None], row_masks), score(rows, row_masks))
    assert pointing_game(rows, row_masks, tolerance=2).shape == (6,)


@each_score
def test_scores_have_64_bits(score):
    assert score(*sample()).dtype == torch.float64


@each_score
def test_one_by_one_in_chunks_and_all_at_once_agree(score, monkeypatch):
    maps, masks = sample(levels=4)
    whole = score(maps, masks)
    assert torch.equal(whole, torch.cat([score(maps[i : i + 1], masks[i : i + 1]) for i in range(6)]))
    monkeypatch.setattr("salkit.evaluation.ground_truth._CHUNK", 100)
    assert torch.equal(whole, score(maps, masks))
    assert score(maps[:0], masks[:0]).shape == (0,)


@each_score
@settings(deadline=None, max_examples=40)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_the_scale_of_a_map_does_not_matter(score, scale, seed):
    maps, masks = sample(n=3, size=5, seed=seed)
    torch.testing.assert_close(score(maps * scale, masks), score(maps, masks), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", [relevance_rank, pointing_game, mask_auc], ids=lambda f: f.__name__)
@settings(deadline=None, max_examples=40)
@given(power=st.sampled_from([1 / 3, 3, 5]), seed=st.integers(0, 99))
def test_only_the_order_matters_for_rank_pointing_and_auc(score, power, seed):
    maps, masks = sample(n=3, size=5, seed=seed)
    maps = maps.double().abs()
    assert torch.equal(score(maps**power, masks), score(maps, masks))
    assert not torch.allclose(relevance_mass(maps**power, masks), relevance_mass(maps, masks))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 99))
def test_masses_of_a_mask_and_its_complement_add_up_to_one(seed):
    maps, masks = sample(n=3, size=5, seed=seed)
    torch.testing.assert_close(
        relevance_mass(maps, masks) + relevance_mass(maps, ~masks), torch.ones(3, dtype=torch.float64)
    )


def test_tolerance_is_a_disc():
    mask = torch.zeros(1, 11, 11, dtype=torch.bool)
    mask[0, 5, 5] = True
    for row, column in itertools.product(range(11), repeat=2):
        point = torch.zeros(1, 11, 11)
        point[0, row, column] = 1
        for tolerance in (0, 1, 3, 5):
            inside = (row - 5) ** 2 + (column - 5) ** 2 <= tolerance**2
            assert pointing_game(point, mask, tolerance=tolerance).item() == inside


def test_tolerance_does_not_make_an_empty_mask_defined():
    assert pointing_game(torch.ones(1, 5, 5), torch.zeros(1, 5, 5, dtype=torch.bool), tolerance=3).isnan().all()


@each_score
def test_bad_arguments_are_refused(score):
    maps, masks = sample()
    with pytest.raises(InputError, match="signed"):
        score(maps, masks, signed="both")
    with pytest.raises(InputError, match="don't fit"):
        score(maps[:, ::2, ::2], masks)
    with pytest.raises(InputError, match="don't fit"):
        score(maps[:3], masks)
    with pytest.raises(InputError, match="bool"):
        score(maps, masks.float())
    with pytest.raises(InputError, match="floating"):
        score(maps.long(), masks)
    with pytest.raises(InputError, match="tolerance"):
        pointing_game(maps, masks, tolerance=-1)


@each_score
def test_arguments_are_left_alone(score):
    maps, masks = sample()
    maps.requires_grad_()
    before = maps.detach().clone(), masks.clone()
    assert not score(maps, masks).requires_grad
    assert torch.equal(maps.detach(), before[0]) and torch.equal(masks, before[1])


@pytest.mark.parametrize("score", SCORES)
def test_a_dictionary_of_masks_names_its_entries(score):
    masks = {"object": torch.ones(1, 4, 4, dtype=torch.bool)}
    with pytest.raises(InputError, match="masks must be a tensor, not a dict: pick one of 'object'"):
        score(torch.rand(1, 4, 4), masks)
    with pytest.raises(InputError, match="maps must be a tensor, not a ndarray"):
        score(np.ones((1, 4, 4)), masks["object"])
