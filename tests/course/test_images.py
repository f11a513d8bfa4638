"""Each profile gets its own images, of the same ten classes."""

import pytest
import torch

from salkit.course import Run, session
from salkit.data import CIFAR10_CLASSES, ImageSet
from salkit.errors import InputError


def images(per_class, value=0):
    n = 10 * per_class
    pixels = torch.full((n, 3, 32, 32), value, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(n)
    return ImageSet(pixels, torch.arange(n) // per_class, CIFAR10_CLASSES)


def run(profile):
    return Run(profile, torch.device("cpu"), seed=0)


@pytest.fixture
def full(monkeypatch):
    sets = {"train": images(6, 1), "test": images(3, 2)}
    monkeypatch.setattr(session, "cifar10", sets.__getitem__)
    return sets


def test_full_is_the_whole_split(full):
    assert run("full").images("train") is full["train"]
    assert run("full").images("test", n=30).digest() == full["test"].digest()


def test_full_draws_a_balanced_subset(full):
    subset = run("full").images("train", n=20)
    assert torch.bincount(subset.labels).tolist() == [2] * 10
    assert subset.digest() == run("full").images("train", n=20).digest()
    assert subset.digest() != run("full").images("train", n=20, seed=1).digest()


def test_fast_draws_scenes_that_never_repeat_between_splits(monkeypatch):
    asked = []
    monkeypatch.setattr(session, "scenes", lambda n, seed: asked.append((n, seed)))
    for seed in range(3):
        run("fast").images("train", seed=seed)
        run("fast").images("test", n=30, seed=seed)
    assert [n for n, _ in asked] == [session.FAST_IMAGES["train"], 30] * 3
    assert len({seed for _, seed in asked}) == 6


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"split": "val"}, "'train' or 'test'"),
        ({"split": "train", "n": 0}, "at least 1"),
        ({"split": "train", "n": 61}, "at most 60"),
    ],
)
def test_bad_arguments(full, arguments, message):
    with pytest.raises(InputError, match=message):
        run("full").images(**arguments)
