"""Image sets: another size."""

import pytest
import torch

from salkit.data import ImageSet, scenes
from salkit.errors import InputError


def test_resized_images_are_those_of_interpolation_and_keep_labels_and_masks():
    few = scenes(3, seed=0)
    large = few.resized(64)
    assert large.images.shape == (3, 3, 64, 64) and large.images.dtype == torch.uint8
    assert torch.equal(large.labels, few.labels) and large.classes == few.classes
    expected = torch.nn.functional.interpolate(few.images.float(), size=(64, 64), mode="bilinear")
    assert (large.images.float() - expected).abs().max() <= 0.5
    assert torch.equal(large.masks["object"][:, ::2, ::2], few.masks["object"])
    assert torch.equal(large.masks["object"][:, 1::2, 1::2], few.masks["object"])


def test_shrinking_averages_instead_of_leaving_pixels_out():
    stripes = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    stripes[..., ::2] = 200
    small = ImageSet(stripes, torch.zeros(1, dtype=torch.int64), ("a",)).resized(2)
    assert ((small.images.float() - 100).abs() < 20).all()


def test_sets_without_images_or_with_many_keep_their_number():
    few = scenes(3, seed=0)
    assert few[:0].resized(8).images.shape == (0, 3, 8, 8)
    many = few[torch.zeros(1500, dtype=torch.int64)].resized(4)
    assert many.images.shape == (1500, 3, 4, 4) and many.masks["object"].shape == (1500, 4, 4)


def test_a_size_of_nothing_is_refused():
    with pytest.raises(InputError, match="size"):
        scenes(1).resized(0)
