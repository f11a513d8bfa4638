"""The masks say the truth: what lies in the event decides the class, and nothing else does."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from salkit.course.known_events import EVENT_CLASSES, events
from salkit.errors import InputError
from salkit.evaluation import relevance_mass


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 20), distractors=st.integers(0, 4), extra=st.integers(0, 70), seed=st.integers(0, 999))
def test_masks_are_disjoint_complete_and_whole(n, distractors, extra, seed):
    data = events(n, length=16 * (1 + distractors) + extra, distractors=distractors, seed=seed)
    event, distractor, background = (data.masks[name].int() for name in ("event", "distractor", "background"))
    assert (event + distractor + background == 1).all()
    runs = (F.pad(event[:, 0], (1, 1)).diff(dim=1) == 1).sum(1)
    assert (runs == 1).all()  # one event, in one piece
    if not distractors:
        assert not distractor.any()


def test_shapes_and_classes():
    data = events(90, length=100)
    assert data.images.shape == (90, 1, 1, 100) and data.masks["event"].shape == (90, 1, 100)
    assert data.labels.bincount().tolist() == [30, 30, 30] and data.classes == EVENT_CLASSES
    assert not torch.equal(data.labels, torch.arange(90) % 3)


def test_same_seed_same_series_on_every_machine():
    data = events(50)
    assert data.digest() == events(50).digest() != events(50, seed=1).digest()
    assert data.digest()[:16] == "8b39b94b32c10d41"


def test_without_noise_the_background_is_the_drift_alone():
    data = events(40, noise=0)
    values, background = data.pixels()[:, 0, 0], data.masks["background"][:, 0]
    assert ((values - 0.5).abs()[background] < 0.085).all()
    inside = data.masks["event"][:, 0]
    assert all((values[i][inside[i]].max() - values[i][inside[i]].min()) > 0.1 for i in range(40))


def test_a_bump_rises_a_dip_falls_and_a_ripple_does_both():
    data = events(300, noise=0)
    values, inside = data.pixels()[:, 0, 0] - 0.5, data.masks["event"][:, 0]
    mean = (values * inside).sum(1) / inside.sum(1)
    bump, dip, ripple = (mean[data.labels == k] for k in range(3))
    assert bump.min() > 0 > dip.max()
    assert ripple.abs().mean() < 0.06


def aligned_features(values, mask):
    """The masked stretch of each series, stretched to 12 points: what a classifier could know from it alone."""
    rows = []
    for series, inside in zip(values, mask, strict=True):
        stretch = series[inside]
        rows.append(np.interp(np.linspace(0, 1, 12), np.linspace(0, 1, len(stretch)), stretch))
    return np.stack(rows)


def test_the_event_decides_the_class_and_a_distractor_says_nothing():
    from sklearn.linear_model import LogisticRegression

    data = events(1200, distractors=1)
    values = data.pixels()[:, 0, 0].numpy()
    accuracy = {}
    for name in ("event", "distractor"):
        features = aligned_features(values, data.masks[name][:, 0].numpy())
        model = LogisticRegression(max_iter=300).fit(features[:800], data.labels[:800])
        accuracy[name] = model.score(features[800:], data.labels[800:])
    assert accuracy["event"] > 0.95
    assert accuracy["distractor"] < 0.42


def test_place_and_height_do_not_give_the_class_away():
    data = events(3000)
    centre = (data.masks["event"][:, 0] * torch.arange(128.0)).sum(1) / data.masks["event"][:, 0].sum(1)
    means = torch.stack([centre[data.labels == k].mean() for k in range(3)])
    assert means.max() - means.min() < 6


def test_a_small_network_learns_it_and_its_map_can_be_scored():
    torch.manual_seed(0)
    data = events(600, seed=1)
    model = nn.Sequential(
        nn.Flatten(1, 2), nn.Conv1d(1, 8, 15, padding=7), nn.ReLU(), nn.Conv1d(8, 8, 9, padding=4), nn.ReLU(),
        nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(200):
        optimiser.zero_grad()
        F.cross_entropy(model(data.pixels()), data.labels).backward()
        optimiser.step()
    test = events(100, seed=2)
    images = test.pixels().requires_grad_()
    logits = model(images)
    assert (logits.argmax(1) == test.labels).float().mean() > 0.85
    maps = torch.autograd.grad(logits.gather(1, test.labels[:, None]).sum(), images)[0]
    mass = relevance_mass(maps, test.masks["event"])
    assert mass.mean() > 1.3 * test.masks["event"].float().mean()


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="length"):
        events(3, length=40, distractors=2)
    with pytest.raises(InputError, match="n must"):
        events(0)
    with pytest.raises(InputError, match="noise"):
        events(3, noise=-1)
