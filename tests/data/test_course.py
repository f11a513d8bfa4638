"""Each profile gets its own images, of the same ten classes."""

import pytest
import torch

import salkit.data
from salkit.data import CIFAR10_CLASSES, ImageSet, course, for_course
from salkit.errors import InputError


def images(per_class, value=0):
    n = 10 * per_class
    pixels = torch.full((n, 3, 32, 32), value, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(n)
    return ImageSet(pixels, torch.arange(n) // per_class, CIFAR10_CLASSES)


@pytest.fixture
def full(monkeypatch):
    sets = {"train": images(6, 1), "test": images(3, 2)}
    monkeypatch.setattr(course, "cifar10", sets.__getitem__)
    return sets


def test_full_is_the_whole_split(full):
    assert for_course("train", profile="full") is full["train"]
    assert for_course("test", profile="full", n=30).digest() == full["test"].digest()


def test_full_draws_a_balanced_subset(full):
    subset = for_course("train", profile="full", n=20)
    assert torch.bincount(subset.labels).tolist() == [2] * 10
    assert subset.digest() == for_course("train", profile="full", n=20).digest()
    assert subset.digest() != for_course("train", profile="full", n=20, seed=1).digest()


def test_fast_draws_scenes_that_never_repeat_between_splits(monkeypatch):
    asked = []
    monkeypatch.setattr(salkit.data, "scenes", lambda n, seed: asked.append((n, seed)), raising=False)
    for seed in range(3):
        for_course("train", profile="fast", seed=seed)
        for_course("test", profile="fast", n=30, seed=seed)
    assert [n for n, _ in asked] == [course.FAST_IMAGES["train"], 30] * 3
    assert len({seed for _, seed in asked}) == 6


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"split": "val", "profile": "full"}, "'train' or 'test'"),
        ({"split": "train", "profile": "slow"}, "'full' or 'fast'"),
        ({"split": "train", "profile": "full", "n": 0}, "at least 1"),
        ({"split": "train", "profile": "full", "n": 61}, "at most 60"),
    ],
)
def test_bad_arguments(full, arguments, message):
    with pytest.raises(InputError, match=message):
        for_course(**arguments)
