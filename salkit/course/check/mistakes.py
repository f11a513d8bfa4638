"""The mistakes gallery: published mistakes, each with the test that catches it.

Every test below takes one function, the learner's, and fails on the wrong version that the book's page shows:

    >>> from salkit import check
    >>> check.mistakes.trapezoid_weights(my_weights)
    Still broken: trapezoid_weights. The weights of 2 points sum to 0.5, not to 1: ...

The tests are written to be read: what each demands is an ``assert`` with the reason beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import hints
from .calling import call, undisturbed
from .exercise import Result

GALLERY: dict[str, Mistake] = {}


@dataclass(frozen=True)
class Mistake:
    """A test that a usual wrong version fails. Call it with a function to have that tested.

    Attributes:
        name: as it stands in the answer.
        test: takes the function, and raises ``AssertionError`` with a hint when it is wrong.
        seconds: how long one call of the function may take.
    """

    name: str
    test: Callable[[Callable], None]
    seconds: float = 10.0

    @property
    def task(self) -> str:
        """The function to write, in a sentence."""
        return self.test.__doc__ or ""

    def __call__(self, function: Callable, *, seed: int | None = None) -> Result:
        """Test ``function``. Never raises for what it does: an exception becomes the hint.

        Args:
            function: the learner's, uncalled. Arrays and float64 will do where tensors and float32 are asked for.
            seed: of the random numbers in the test; by default they are new each time.
        """
        hint = self._hint(function, secrets.randbits(32) if seed is None else seed)
        return Result(self.name, not hint, hint, words=("Repaired", "Still broken"))

    def __repr__(self) -> str:
        return f"Mistake {self.name}: {self.task}"

    def _hint(self, function, seed: int) -> str:
        if not __debug__:
            return "Python was started with -O, which takes the assertions out of every test: start it without."
        if not callable(function):
            return "Pass the function itself, without calling it: its name, and no brackets."
        traces: list[str] = []

        def called(*arguments):
            outcome = call(function, arguments, self.seconds, may_draw=True)
            if problem := hints.no_answer(outcome.error, function, arguments):
                raise AssertionError(problem)
            traces.append(outcome.trace)
            return _as_usual(outcome.value)

        with undisturbed(seed):
            try:
                self.test(called)
            except AssertionError as error:
                return str(error)
            except Exception as error:  # an answer that no assertion can be made about
                return f"It raised {type(error).__name__}: {' '.join(str(error).split())}"
        left = next(filter(None, traces), "")
        return f"The answer is right, but {left}" if left else ""


def _as_usual(value):
    """Arrays, lists and tensors as tensors without a graph, float32 where they are real numbers; the rest as it is."""
    if isinstance(value, (np.ndarray, list, tuple)):
        value = torch.as_tensor(np.asarray(value))
    if not isinstance(value, Tensor):
        return value
    return value.detach().float() if value.is_floating_point() else value.detach()


def _in_gallery(test: Callable) -> Mistake:
    GALLERY[test.__name__] = Mistake(test.__name__, test)
    return GALLERY[test.__name__]


def _linear(classes: int = 3) -> nn.Sequential:
    """A linear classifier of 3 x 4 x 5 images: the gradient of a logit is a row of its weights, whatever the image."""
    return nn.Sequential(nn.Flatten(), nn.Linear(60, classes)).eval()


def _map_of(model: nn.Sequential, labels: Tensor) -> Tensor:
    return model[1].weight.detach()[labels].view(-1, 3, 4, 5).abs().amax(1)


@_in_gallery
def wrong_class(saliency):
    """saliency(model, images (N, C, H, W), labels (N,)) -> (N, H, W): largest absolute gradient of the logit."""
    model, images = _linear(), torch.rand(6, 3, 4, 5)
    unlikely = (model(images).argmax(1) + torch.tensor([1, 2, 1, 2, 1, 2])) % 3
    maps = saliency(model, images, unlikely)
    assert not torch.allclose(maps, _map_of(model, model(images).argmax(1))), "These are maps of the predicted class."
    assert torch.allclose(maps, _map_of(model, unlikely)), "These are not the maps of the classes that were asked for."


@_in_gallery
def one_score_for_the_batch(saliency):
    """saliency(model, images (N, C, H, W)) -> (N, H, W): largest absolute gradient of each image's own best logit."""
    model = _linear()
    images = 9 * model[1].weight.detach().view(3, 3, 4, 5)  # each class likes its own weights best
    maps = saliency(model, images)
    assert maps.flatten(1).any(1).all(), "Some images of the batch have a map of zeros, though their gradient is not."
    alone = torch.cat([saliency(model, image[None]) for image in images])
    assert torch.allclose(maps, alone), "An image has another map in a batch than alone."
    assert torch.allclose(maps, _map_of(model, model(images).argmax(1))), "These are not the maps of the best logits."


@_in_gallery
def abs_before_averaging(smooth):
    """smooth(gradients (n, C, H, W)) -> (H, W): the SmoothGrad map from the gradients at n noisy copies of an image."""
    signal = torch.zeros(3, 8, 8)
    signal[:, 2, 5] = torch.tensor([0.5, -2.0, 1.0])
    noise = torch.randn(50, 3, 8, 8)
    found = smooth(torch.cat([signal + noise, signal - noise]))  # in the mean the noise cancels, exactly
    assert found.shape == (8, 8), f"The map has the shape {tuple(found.shape)}, not (8, 8)."
    elsewhere = found.flatten().abs().sort().values[:-1].max()
    assert elsewhere < 1e-5, f"The noise averages to zero, and the map shows {elsewhere:.2f} of it."
    assert torch.isclose(found[2, 5], torch.tensor(2.0)), "The one pixel that matters should be 2.0 on the map."


@_in_gallery
def tied_percentiles(top_pixels):
    """top_pixels(relevance (H, W), share) -> bool (H, W): the round(share * H * W) most relevant pixels."""
    for height, width in ((20, 20), (7, 9)):
        relevance = torch.randn(height, width).relu() * (torch.rand(height, width) < 0.3)  # as Grad-CAM leaves it
        for share in (0.05, 0.1, 0.5, 0.7, 0.9):
            chosen, size = top_pixels(relevance, share), height * width
            wanted = round(share * size)
            assert chosen.shape == relevance.shape and chosen.dtype == torch.bool, (
                "The result should be a mask, (H, W)."
            )
            taken = int(chosen.sum())
            assert taken == wanted, f"{taken} of {size} pixels were taken, where {wanted} were asked for."
            assert relevance[chosen].min() >= relevance[~chosen].max(), "A pixel was left out for a less relevant one."


@_in_gallery
def unclamped_attack(step):
    """step(images in [0, 1], gradients, eps) -> images in [0, 1], each value moved by eps along the gradient's sign."""
    images, gradients = torch.rand(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    images[0], images[1], gradients[2] = 0.0, 1.0, 0.0
    moved = step(images, gradients, 0.1)
    low, high = moved.min().item(), moved.max().item()
    assert low >= 0 and high <= 1, f"The values go from {low:.2f} to {high:.2f}: that is no image any more."
    assert (moved - images).abs().max() <= 0.1 + 1e-6, "A value moved by more than eps."
    assert torch.equal(moved[2], images[2]), "Where the gradient is zero nothing may change."
    inside = (images > 0.1) & (images < 0.9)
    assert torch.allclose((moved - images)[inside], 0.1 * gradients.sign()[inside]), "A value moved by less than eps."
    grey = 0.4 + 0.2 * images  # neither black nor white is in it
    assert torch.allclose(step(grey, gradients, 0.1), grey + 0.1 * gradients.sign()), (
        "A grey image stops before 0 and 1."
    )


@_in_gallery
def normalised_by_batch(normalise):
    """normalise(maps (N, H, W)) -> (N, H, W): each map on its own to [0, 1]; a constant map to zeros."""
    maps = torch.rand(5, 6, 8) * torch.tensor([1e-3, 1.0, 50.0, 0.0, 0.0])[:, None, None]
    maps[1], maps[4] = maps[1] - 3, 5.0  # a map below zero, and a constant one above
    shown = normalise(maps)
    assert not shown.isnan().any(), "A constant map became NaN."
    assert shown[0].max() > 0.99, f"A weak map beside a strong one reaches {shown[0].max():.3f} only: it looks empty."
    assert not shown[3:].any(), "A constant map has nothing to show: it should become zeros."
    assert torch.allclose(shown[:1], normalise(maps[:1])), "A map looks different in another batch."
    low, high = maps[:3].amin((1, 2), keepdim=True), maps[:3].amax((1, 2), keepdim=True)
    wanted = (maps[:3] - low) / (high - low)
    assert torch.allclose(shown[:3], wanted, atol=1e-4), "The lowest value should be 0, the highest 1, and all in line."


@_in_gallery
def repicked_class(map_of_randomised):
    """map_of_randomised(model, randomised, images) -> (N, H, W): maps of the randomised one for the model's class."""
    model, randomised = _linear(10), _linear(10)
    images = 9 * model[1].weight.detach().view(10, 3, 4, 5)  # each class likes its own weights best
    kept, repicked = model(images).argmax(1), randomised(images).argmax(1)
    maps = map_of_randomised(model, randomised, images)
    assert not torch.allclose(maps, _map_of(model, kept)), "These are maps of the network that is not randomised."
    assert not torch.allclose(maps, _map_of(randomised, repicked)), (
        "The class was chosen anew on the randomised network: two things changed at once."
    )
    assert torch.allclose(maps, _map_of(randomised, kept)), "These are not the maps of the class of the model."


@_in_gallery
def trapezoid_weights(weights):
    """weights(n) -> (n,): those of the trapezoid rule for n evenly spaced points on [0, 1], both ends among them."""
    for n in (2, 3, 10, 51):
        w = torch.as_tensor(weights(n), dtype=torch.float64)
        total, x = w.sum().item(), torch.linspace(0, 1, n, dtype=torch.float64)
        assert abs(total - 1) < 1e-6, f"The weights of {n} points sum to {total:.4g}, not to 1: the map loses the rest."
        assert abs(w @ x - 1 / 2) < 1e-6, "A straight line is not integrated exactly."
        assert abs(w @ x**2 - 1 / 3 - 1 / (6 * (n - 1) ** 2)) < 1e-6, "These are not the weights of the trapezoid rule."


@_in_gallery
def functional_relu(guided_backprop):
    """guided_backprop(model, images, labels) -> as images: the gradient, with the guided rule at every ReLU."""

    class Net(nn.Module):
        def __init__(self, functional):
            super().__init__()
            self.first, self.relu, self.second = nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 3)
            self.functional = functional

        def forward(self, x):
            hidden = self.first(x.flatten(1))
            return self.second(F.relu(hidden) if self.functional else self.relu(hidden))

    images, labels = torch.rand(5, 3, 2, 2), torch.tensor([0, 1, 2, 0, 1])
    for functional in (False, True):
        model = Net(functional).eval()
        on = model.first(images.flatten(1)) > 0
        arriving = model.second.weight[labels]
        plain, guided = ((on * g) @ model.first.weight for g in (arriving, arriving.clamp(min=0)))
        found = guided_backprop(model, images, labels).flatten(1)
        how = "F.relu" if functional else "nn.ReLU"
        assert not torch.allclose(found, plain), f"On a network that calls {how} this is the plain gradient."
        assert torch.allclose(found, guided, atol=1e-6), f"On a network that calls {how} the rule is another."


@_in_gallery
def flattened_ssim(similarity):
    """similarity(a, b (H, W) in [0, 1]) -> a number: their structural similarity, as scikit-image computes it."""
    from skimage.metrics import structural_similarity

    smooth = F.avg_pool2d(torch.rand(3, 28, 28), 5, stride=1)
    a, b = smooth[0], 0.5 * smooth[0] + 0.5 * smooth[1]
    straight, turned = float(similarity(a, b)), float(similarity(a.T, b.T))
    assert abs(straight - turned) < 1e-4, (
        f"With both maps turned on their side it is {turned:.3f} and not {straight:.3f}: the end of a row is no "
        "neighbour of the beginning of the next."
    )
    expected = structural_similarity(a.numpy(), b.numpy(), data_range=1.0)
    assert abs(straight - expected) < 1e-3, f"It is {straight:.3f}, and scikit-image says {expected:.3f}."


@_in_gallery
def ties_in_reading_order(deletion_order):
    """deletion_order(relevance (H, W)) -> (H * W,): pixel numbers, the most relevant first, ties in a random order."""
    relevance, first = torch.zeros(16, 16), torch.randperm(256)[:20]
    relevance.view(-1)[first] = 1 + 1e-4 * torch.arange(20, 0, -1)  # close to one another, but none are equal
    order = torch.as_tensor(deletion_order(relevance))
    assert torch.equal(order.sort().values, torch.arange(256)), "Each pixel must come exactly once."
    assert torch.equal(order[:20], first), "The relevant pixels must come first, in the order of their relevance."
    rest = order[20:]
    early = int((rest[:118] < 128).sum())  # of 118 pixels without relevance, how many lie in the upper half?
    assert 30 <= early <= 97, f"Of the next 118 pixels, all without relevance, {early} lie in the picture's upper half."
    row, column = rest // 16, rest % 16
    for place in (
        row,
        column,
        row % 2,
        column % 2,
        (row + column) % 2,
        row + column,
        row - column,
        row // 4,
        column // 4,
    ):
        found = torch.corrcoef(torch.stack([torch.arange(236), place]).double())[0, 1].abs()
        assert found < 0.35, f"The order of ties goes by their place: the correlation is {found:.2f}."
    steps = (rest[1:] - rest[:-1]).unique(return_counts=True)[1]
    assert steps.max() < 30, "Ties follow one another at a fixed distance: that is no random order."
