import pytest
import torch
from small_nets import images, small_net
from torch import nn

from salkit.attribution import gradcam, gradient, input_x_gradient, smoothgrad
from salkit.errors import InputError


class Cubic(nn.Module):
    """Scores x^3 and 0 of one value, so that the gradient at x + s e is 3 (x + s e)^2."""

    def forward(self, x):
        return torch.cat([x**3, 0 * x], 1)


def test_input_x_gradient_by_hand():
    x = torch.tensor([[2.0], [0.0], [-1.0]])
    assert input_x_gradient(Cubic(), x, 0).tolist() == [[24.0], [0.0], [-3.0]]


def test_input_x_gradient_sums_to_the_score_without_biases():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 7, 3, bias=False))
    x = images()
    torch.testing.assert_close(input_x_gradient(net, x, 1).flatten(1).sum(1), net(x)[:, 1])


def test_one_copy_without_noise_is_the_gradient():
    net, x = small_net(), images()
    for options in ({"noise_level": 0.0}, {"sigma": 0.0}):
        torch.testing.assert_close(smoothgrad(net, x, n_samples=1, **options), gradient(net, x))


def test_a_linear_model_does_not_notice_the_noise():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 9, 4))
    torch.testing.assert_close(smoothgrad(net, images(), 2, n_samples=5), gradient(net, images(), 2))
    torch.testing.assert_close(smoothgrad(net, images(), 2, reduce="var"), torch.zeros(3, 3, 6, 9), atol=1e-7, rtol=0)


def test_mean_follows_the_noise_that_the_options_ask_for():
    # E[3 (x + s e)^2] = 3 x^2 + 3 s^2, whatever x.
    x = torch.tensor([[2.0], [-1.0]])
    found = smoothgrad(Cubic(), x, 0, sigma=0.5, n_samples=20000)
    torch.testing.assert_close(found, 3 * x**2 + 3 * 0.25, atol=0.1, rtol=0)


class Spy(nn.Module):
    """A linear score that remembers its inputs."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return x.flatten(1)[:, :2]


def test_noise_is_relative_to_each_samples_own_range():
    x = torch.stack([torch.linspace(0, 1, 4000), torch.linspace(0, 10, 4000)])
    spy = Spy()
    smoothgrad(spy, x, 0, noise_level=0.2, n_samples=8, batch_size=16)
    noise = spy.seen[0].unflatten(0, (8, 2)) - x
    assert torch.allclose(noise.std((0, 2)), torch.tensor([0.2, 2.0]), rtol=0.02)
    assert abs(noise.mean()) < 0.02


def test_copies_differ_and_seeds_differ():
    spy, x = Spy(), images(n=1)
    smoothgrad(spy, x, 0, n_samples=3)
    assert len(torch.unique(spy.seen[0], dim=0)) == 3
    a, b, c = (smoothgrad(small_net(), x, n_samples=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.allclose(a, c)


def test_never_more_rows_in_a_pass_than_asked():
    spy = Spy()
    smoothgrad(spy, images(n=5), 0, n_samples=7, batch_size=3)
    assert max(map(len, spy.seen)) <= 3


def test_reductions_agree_with_their_definitions():
    net, x = small_net(), images()

    def one_by_one(model, rows, target):
        maps.append(gradient(model, rows, target))
        return maps[-1]

    maps = []
    mean = smoothgrad(net, x, 1, n_samples=4, batch_size=3, method=one_by_one)
    stack = torch.stack(maps)
    torch.testing.assert_close(mean, stack.mean(0))
    for reduce, expected in (
        ("square", stack.square().mean(0)),
        ("abs", stack.abs().mean(0)),
        ("var", stack.var(0, unbiased=False)),
    ):
        torch.testing.assert_close(smoothgrad(net, x, 1, n_samples=4, reduce=reduce), expected, rtol=1e-3, atol=1e-8)


def test_over_another_method():
    x = torch.tensor([[2.0], [-1.0]])
    # x * 3 x^2 at each copy: E[3 (x + s e)^3] = 3 x^3 + 9 x s^2.
    found = smoothgrad(Cubic(), x, 0, sigma=0.5, n_samples=20000, method=input_x_gradient)
    torch.testing.assert_close(found, 3 * x**3 + 9 * x * 0.25, atol=0.3, rtol=0)


def test_the_class_is_chosen_on_the_clean_input():
    net = nn.Linear(2, 2, bias=False)
    net.weight.data = torch.eye(2)
    assert smoothgrad(net, torch.tensor([[0.51, 0.5]]), sigma=5.0, n_samples=20).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 2.5}, "n_samples"),
        ({"noise_level": -0.1}, "noise_level"),
        ({"sigma": -1.0}, "sigma"),
        ({"reduce": "max"}, "mean, square, abs, var"),
        ({"method": gradcam}, r"gave maps \(30, 1, 6, 9\)"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        smoothgrad(small_net(), images(), **{"n_samples": 10, **options})


@pytest.mark.parametrize("options", [{"sigma": "a"}, {"noise_level": torch.ones(3)}, {"seed": None}, {"seed": 0.5}])
def test_options_of_another_type(options):
    with pytest.raises(InputError, match="must be"):
        smoothgrad(small_net(), images(), 0, **options)
