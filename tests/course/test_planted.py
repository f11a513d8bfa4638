"""Painted objects: where the paint is, what it follows, and what it leaves alone."""

import pytest
import torch

from salkit.course import tint_objects
from salkit.data import ImageSet, scenes
from salkit.errors import InputError

SCENES = scenes(300, classes=("deer", "dog", "frog"), seed=0, noise=0, cache=False)


def colours(painted):
    """Which class's colour each object has, by the wheel: red, green, blue."""
    mask = painted.masks["object"][:, None]
    mean = (painted.images * mask).sum((2, 3)).float() / mask.sum((2, 3))
    return mean.argmax(1)


def test_the_paint_covers_the_object_and_nothing_else():
    painted = tint_objects(SCENES, 1, strength=0.5)
    changed = (painted.images != SCENES.images).any(1)
    assert not (changed & ~SCENES.masks["object"]).any()
    assert changed.sum() > 0.95 * SCENES.masks["object"].sum()
    assert torch.equal(painted.labels, SCENES.labels) and painted.masks is not None


def test_by_hand():
    pixels = torch.tensor([100, 100, 100], dtype=torch.uint8).view(1, 3, 1, 1).repeat(2, 1, 2, 2)
    mask = torch.zeros(2, 2, 2, dtype=torch.bool)
    mask[:, 0, 0] = True
    grey = ImageSet(pixels, torch.tensor([0, 1]), ("a", "b"), {"object": mask})
    painted = tint_objects(grey, 1, strength=0.4)
    # 0.6 * 100 + 0.4 * (255, 25.5, 25.5), and the same with cyan
    assert painted.images[0, :, 0, 0].tolist() == [162, 70, 70]
    assert painted.images[1, :, 0, 0].tolist() == [70, 162, 162]
    assert (painted.images[:, :, 1] == 100).all()


def test_the_dial_is_a_dose():
    for bias in (0.0, 0.5, 1.0):
        followed = (colours(tint_objects(SCENES, bias, strength=1)) == SCENES.labels).float().mean()
        assert abs(followed - (bias + (1 - bias) / 3)) < 0.08


def test_the_counter_stereotype_is_never_the_own_colour_and_always_that_of_a_class():
    assert (colours(tint_objects(SCENES, 1, strength=1, counter=True)) != SCENES.labels).all()


def test_a_dial_changes_only_what_it_names():
    half, more = (tint_objects(SCENES, bias, seed=3) for bias in (0.5, 0.6))
    differ = (half.images != more.images).flatten(1).any(1)
    assert 0 < differ.float().mean() < 0.2
    assert torch.equal(half.images, tint_objects(SCENES, 0.5, seed=3).images)
    assert not torch.equal(half.images, tint_objects(SCENES, 0.5, seed=4).images)
    assert torch.equal(tint_objects(SCENES, 0.7, strength=0).images, SCENES.images)


def test_the_global_random_state_stays():
    state = torch.get_rng_state()
    tint_objects(SCENES, 0.5)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    "images, options, words",
    [
        (SCENES, {"bias": 1.1}, "bias must be a number between 0 and 1"),
        (SCENES, {"bias": 1, "strength": -0.1}, "strength"),
        (ImageSet(SCENES.images, SCENES.labels, SCENES.classes), {"bias": 1}, "mask 'object'"),
        (scenes(2, classes=["cat"]), {"bias": 1}, "two classes"),
    ],
)
def test_what_can_not_be_painted_is_refused(images, options, words):
    with pytest.raises(InputError, match=words):
        tint_objects(images, **options)
