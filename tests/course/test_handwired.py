"""The hand-wired network does what it says, and its closed form is what the definition gives."""

import pytest
import torch

from salkit.course.handwired import HandWired, colour_tiles
from salkit.errors import InputError


def gradient(model, images, target):
    images = images.clone().requires_grad_()
    return torch.autograd.grad(model(images)[:, target].sum(), images)[0]


def integrated_gradients(model, images, target, steps):
    """The definition with the midpoint rule, from black, one step after the other."""
    total = sum(gradient(model, images * (k + 0.5) / steps, target) for k in range(steps))
    return images * total / steps


@pytest.fixture(scope="module")
def pictures():
    """Two by two: the red count over the cap or under it, the blue count over it or under it."""
    images = torch.full((4, 3, 8, 8), 0.5)
    red, blue = torch.tensor([0.9, 0.1, 0.2]), torch.tensor([0.1, 0.3, 0.8])
    images[:, :, 1, 1] = red
    images[:, :, 2, 6] = blue
    images[1::2, :, 2:6, :3] = red[:, None, None]
    images[2:, :, 3:7, 5:] = blue[:, None, None]
    images[:, :, 7, 7] = red  # red on the right and blue on the left are not counted
    images[:, :, 0, 0] = blue
    return images


@pytest.fixture(scope="module")
def wired():
    return HandWired(size=8, cap=0.1)


def test_by_hand(wired, pictures):
    redness, blueness = 0.9 - 0.15, 0.8 - 0.2
    torch.testing.assert_close(wired.counts(pictures[:1]), torch.tensor([[redness / 32, blueness / 32]]))
    expected = (redness - blueness) / 32
    torch.testing.assert_close(wired(pictures[:1]), torch.tensor([[expected, -expected]]))
    # picture 1: twelve more red pixels, 13 * 0.75 / 32 = 0.30 > cap
    torch.testing.assert_close(wired(pictures[1:2])[0, 0].item(), 0.1 - blueness / 32)


def test_the_pictures_cover_the_four_cases(wired, pictures):
    saturated = wired.counts(pictures) > wired.cap
    assert saturated.tolist() == [[False, False], [True, False], [False, True], [True, True]]


def test_used_pixels_are_those_that_change_the_score(wired, pictures):
    """Each pixel of an unsaturated picture is turned grey in turn; the score moves exactly on the mask."""
    image = pictures[:1]
    moved = torch.zeros(8, 8, dtype=torch.bool)
    for row in range(8):
        for column in range(8):
            changed = image.clone()
            changed[:, :, row, column] = 0.5
            moved[row, column] = (wired(changed) - wired(image)).abs().max() > 1e-6
    assert torch.equal(moved, wired.used_pixels(image)[0])
    assert moved.sum() == 2


@pytest.mark.parametrize("target", [0, 1])
def test_the_closed_form_is_the_integral(wired, pictures, target):
    exact = wired.exact_attribution(pictures, target)
    steps = 2000
    numeric = integrated_gradients(wired, pictures, target, steps)
    torch.testing.assert_close(exact, numeric, atol=exact.abs().max().item() * 2 / steps, rtol=1e-5)
    torch.testing.assert_close(exact.sum((1, 2, 3)), wired(pictures)[:, target])


def test_input_x_gradient_is_exact_where_nothing_is_saturated_and_fails_elsewhere(wired, pictures):
    exact = wired.exact_attribution(pictures)
    product = pictures * gradient(wired, pictures, 0)
    torch.testing.assert_close(product[0], exact[0])
    torch.testing.assert_close(integrated_gradients(wired, pictures, 0, 1)[0], exact[0])  # any number of steps
    for i in (1, 2, 3):
        assert (product[i] - exact[i]).abs().max() > 0.1 * exact[i].abs().max()


def test_the_methods_of_salkit_are_exact_where_theory_says_so(wired, pictures):
    from salkit import attribution

    exact = wired.exact_attribution(pictures)
    path = attribution.integrated_gradients(wired, pictures, 0, n_steps=256, baseline=0.0)
    torch.testing.assert_close(path, exact, atol=exact.abs().max().item() / 100, rtol=0)
    product = attribution.input_x_gradient(wired, pictures, 0)
    torch.testing.assert_close(product[0], exact[0])
    plain = attribution.gradient(wired, pictures, 0)
    for i in (1, 2, 3):  # a saturated unit
        assert (product[i] - exact[i]).abs().max() > 0.1 * exact[i].abs().max()
        half = slice(0, 4) if i == 1 else slice(4, 8)
        assert (plain[i, :, :, half] == 0).all() and (exact[i, :, :, half] != 0).any()


def test_the_plain_gradient_is_blind_to_a_saturated_unit(wired, pictures):
    maps = gradient(wired, pictures, 0)
    assert (maps[1, :, :, :4] == 0).all() and (wired.exact_attribution(pictures)[1, :, :, :4] != 0).any()
    assert (maps[2, :, :, 4:] == 0).all() and (maps[2, :, :, :4] != 0).any()
    assert (maps[3] == 0).all()


def test_the_attribution_lies_on_the_used_pixels_with_the_right_sign(wired):
    images = colour_tiles(20, size=8, tiles=4)
    maps, used = wired.exact_attribution(images), wired.used_pixels(images)
    assert torch.equal((maps != 0).any(1), used)
    per_pixel = maps.sum(1)
    assert (per_pixel[:, :, :4] >= 0).all() and (per_pixel[:, :, 4:] <= 0).all()
    assert torch.equal(wired.exact_attribution(images, 1), -maps)


def test_black_grey_and_white_count_as_nothing(wired):
    for value in (0.0, 0.5, 1.0):
        image = torch.full((1, 3, 8, 8), value)
        assert wired(image).tolist() == [[0, 0]] and not wired.used_pixels(image).any()
        assert (wired.exact_attribution(image) == 0).all()


def test_double_precision(wired, pictures):
    double = HandWired(size=8, cap=0.1).double()
    exact = double.exact_attribution(pictures.double())
    assert exact.dtype == torch.float64
    torch.testing.assert_close(exact.sum((1, 2, 3)), double(pictures.double())[:, 0], atol=1e-8, rtol=0)


def test_tiles_saturate_about_half_the_time_and_repeat_with_the_seed():
    images = colour_tiles(200)
    assert images.shape == (200, 3, 32, 32) and images.min() >= 0 and images.max() <= 1
    assert torch.equal(images, colour_tiles(200)) and not torch.equal(images, colour_tiles(200, seed=1))
    saturated = (HandWired().counts(images) > HandWired().cap).float().mean()
    assert 0.2 < saturated < 0.8


def test_bad_arguments_are_refused(wired):
    with pytest.raises(InputError, match="even"):
        HandWired(size=9)
    with pytest.raises(InputError, match="cap"):
        HandWired(cap=0)
    with pytest.raises(InputError, match="images must be"):
        wired.counts(torch.rand(1, 3, 9, 9))
    with pytest.raises(InputError, match="multiple"):
        colour_tiles(1, size=30)
