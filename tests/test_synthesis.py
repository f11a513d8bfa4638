import pytest
import torch
from torch import nn

from salkit.errors import InputError, TargetError
from salkit.synthesis import class_image


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(),
        nn.Flatten(), nn.Linear(512, 4),
    )  # fmt: skip


SHAPE = (3, 8, 8)


def test_raises_the_score_and_stays_in_bounds():
    model = net().eval()
    image = class_image(model, 2, shape=SHAPE, steps=30)
    assert image.shape == (1, *SHAPE) and not image.requires_grad
    assert 0 <= image.min() and image.max() <= 1
    assert model(image)[0].argmax() == 2
    assert model(image)[0, 2] > model(torch.full((1, *SHAPE), 0.5))[0, 2] + 0.5


def test_linear_score_gives_the_picture_worked_out_by_hand():
    # The score is the first pixel minus the second: ascent inside [0, 1] ends at 1 and 0, and grey elsewhere stays.
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    model[1].weight.data = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    start = torch.full((1, 1, 2, 2), 0.5)
    image = class_image(model, 0, start=start, steps=100)
    assert image.tolist() == [[[[1.0, 0.0], [0.5, 0.5]]]]


def test_l2_balances_the_score():
    # Maximum of x - 4 (x - 0.5)^2 for the one pixel: x = 0.5 + 1/8.
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    model[1].weight.data = torch.tensor([[1.0], [0.0]])
    image = class_image(model, 0, shape=(1, 1, 1), l2=4.0, steps=500, lr=0.01)
    assert abs(image.item() - 0.625) < 1e-3


def test_regularisers_do_what_they_say():
    model = net()

    def roughness(image):
        return (image[:, :, 1:] - image[:, :, :-1]).abs().mean() + (image[..., 1:] - image[..., :-1]).abs().mean()

    plain = class_image(model, 1, shape=SHAPE, steps=30)
    assert roughness(class_image(model, 1, shape=SHAPE, steps=30, tv=20.0)) < 0.7 * roughness(plain)
    assert roughness(class_image(model, 1, shape=SHAPE, steps=30, blur=0.7)) < 0.7 * roughness(plain)
    grey = (class_image(model, 1, shape=SHAPE, steps=30, l2=50.0) - 0.5).square().mean()
    assert grey < 0.7 * (plain - 0.5).square().mean()
    assert not torch.equal(class_image(model, 1, shape=SHAPE, steps=3, jitter=2), plain)


def test_blur_keeps_a_constant_image():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    model[1].weight.data.zero_()
    start = torch.full((1, *SHAPE), 0.3)
    torch.testing.assert_close(class_image(model, 0, start=start, blur=1.5, steps=3), start)


def test_several_classes_equal_single_ones():
    model = net()
    both = class_image(model, torch.tensor([0, 3]), shape=SHAPE, steps=10, jitter=1)
    for i, target in enumerate((0, 3)):
        torch.testing.assert_close(both[i : i + 1], class_image(model, target, shape=SHAPE, steps=10, jitter=1))


def test_seeded_and_leaves_no_trace():
    model = net().train()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    first = class_image(model, 1, shape=SHAPE, steps=5, jitter=2, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and model[0].weight.grad.eq(1).all() and model[0].bias.grad is None
    assert all(p.requires_grad for p in model.parameters())
    assert torch.equal(class_image(model, 1, shape=SHAPE, steps=5, jitter=2, seed=3), first)
    assert not torch.equal(class_image(model, 1, shape=SHAPE, steps=5, jitter=2, seed=4), first)


@pytest.mark.parametrize(
    ("error", "message", "target", "options"),
    [
        (TargetError, "needs a class", None, {}),
        (TargetError, "out of range", 4, {}),
        (InputError, "C, H, W", 0, {"shape": (8, 8)}),
        (InputError, "steps", 0, {"steps": 0}),
        (InputError, "lr", 0, {"lr": 0.0}),
    ],
)
def test_bad_calls(error, message, target, options):
    with pytest.raises(error, match=message):
        class_image(net(), target, **{"shape": SHAPE, **options})


def test_half_precision():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    single = class_image(net, 1, shape=(3, 8, 8), steps=20)
    half = class_image(net.half(), 1, shape=(3, 8, 8), steps=20)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), single, atol=0.02, rtol=0)


@pytest.mark.parametrize("options", [{"start": [0.0]}, {"shape": 8}, {"shape": (3, 8.0, 8)}, {"seed": None}])
def test_options_of_another_type(options):
    with pytest.raises(InputError, match="must be"):
        class_image(net(), 0, **{"shape": (3, 8, 8), "steps": 1} | options)
