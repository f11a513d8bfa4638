"""What runs on the CPU runs on a GPU and on a Mac's graphics chip as well, with the same results."""

import copy
import re

import pytest
import torch
from pretended import pretended

from salkit import course, data, display, evaluation, reporting, sanity
from salkit.attribution import METHODS
from salkit.course import training
from tests.attribution.small_nets import images as some_images
from tests.attribution.small_nets import options_of, small_net

kinds = pytest.mark.parametrize("kind", ["cuda", "mps"])
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def network():
    return small_net().eval()


@pytest.fixture
def images():
    return some_images(n=4, height=12, width=12)


@kinds
def test_the_pretended_device_is_particular(kind):
    before = available()
    with pretended(kind) as device:
        assert available() == (kind == "cuda", kind == "mps")
        there, here = torch.rand(3, 2).to(kind), torch.rand(3, 2)
        assert there.device == device == torch.zeros(2, device=kind).device == torch.tensor([1, 2], device=kind).device
        assert there.sum().item() == there.cpu().sum().item() and there.cpu().device.type == "cpu"
        assert there[torch.tensor([1])].device == device
        for mixed in (
            lambda: there + here,
            lambda: here[torch.zeros(1, dtype=torch.long, device=kind)],
            lambda: there.__setitem__(torch.tensor([0]), here[:1]),
            lambda: torch.rand(3, device=kind, generator=torch.Generator()),
        ):
            with pytest.raises(RuntimeError, match="device"):
                mixed()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        if kind == "mps":
            with pytest.raises(TypeError, match="float64"):
                there.double()
    assert available() == before


def available():
    return torch.cuda.is_available(), torch.backends.mps.is_available()


@kinds
@pytest.mark.parametrize("name", METHODS)
def test_every_method(kind, name, network, images):
    target = torch.tensor([0, 1, 2, 0])
    expected = METHODS[name](network, images, target, **options_of(name))
    with pretended(kind) as device:
        there = copy.deepcopy(network).to(device)
        for classes in (target, target.to(device)):
            found = METHODS[name](there, images.to(device), classes, **options_of(name))
            assert found.device == device
            torch.testing.assert_close(found.cpu(), expected)


@kinds
def test_the_scores(kind, network, images):
    mask = torch.zeros(4, 12, 12, dtype=torch.bool)
    mask[:, 2:7, 3:9] = True
    scores = {
        "mass": lambda net, a, b, x, mask: evaluation.relevance_mass(a, mask),
        "rank": lambda net, a, b, x, mask: evaluation.relevance_rank(a, mask),
        "pointing game": lambda net, a, b, x, mask: evaluation.pointing_game(a, mask, tolerance=1),
        "area": lambda net, a, b, x, mask: evaluation.mask_auc(a, mask),
        "deletion": lambda net, a, b, x, mask: evaluation.deletion(net, x, a, 0).area,
        "insertion": lambda net, a, b, x, mask: evaluation.insertion(net, x, a, 0).area,
        "spearman": lambda net, a, b, x, mask: sanity.spearman(a, b),
        "ssim": lambda net, a, b, x, mask: sanity.ssim(a, b, data_range=2),
        "shown": lambda net, a, b, x, mask: display.heatmap(a),
    }
    a, b = images.mean(1), images.amax(1)
    expected = {name: score(network, a, b, images, mask) for name, score in scores.items()}
    with pretended(kind) as device:
        there = copy.deepcopy(network).to(device)
        for name, score in scores.items():
            for place in ("cpu", device):
                found = score(there, a.to(device), b.to(device), images.to(device), mask.to(place))
                torch.testing.assert_close(found.cpu(), expected[name], msg=name)


@kinds
def test_random_weights(kind, network):
    for init in ("normal", "permute", "own"):
        expected = [net.state_dict() for _, net in sanity.cascade(network, init=init, seed=3)]
        with pretended(kind) as device:
            there = copy.deepcopy(network).to(device)
            found = [net.state_dict() for _, net in sanity.cascade(there, init=init, seed=3)]
        for weights, others in zip(found, expected, strict=True):
            for key, value in weights.items():
                assert value.device == device
                torch.testing.assert_close(value.cpu(), others[key], msg=key)


@kinds
def test_training(kind, network, images):
    labels = torch.tensor([0, 1, 2, 0])
    some = data.ImageSet((images * 255).to(torch.uint8), labels, ("a", "b", "c"), source="noise")
    batches, options = training.Batches(some, 2), dict(epochs=2, mixed_precision=False)
    here = copy.deepcopy(network)
    expected = training.fit(here, batches, some, **options, optimizer=training.sgd(here, lr=0.1))
    with pretended(kind) as device:
        there = copy.deepcopy(network).to(device)
        found = training.fit(there, batches, some, **options, optimizer=training.sgd(there, lr=0.1))
        assert next(there.parameters()).device == device
        assert training.evaluate(there, some) == pytest.approx(training.evaluate(here, some), rel=1e-3)
    losses = [[row["val_loss"] for row in history.rows] for history in (found, expected)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@kinds
def test_the_report(kind, network, images):
    options, images = dict(methods=["gradient"], progress=False), images[:2]
    expected = reporting.report(network, images, **options)
    with pretended(kind) as device:
        found = reporting.report(copy.deepcopy(network).to(device), images, **options)
    assert predictions(found) == predictions(expected) != []


def predictions(page):
    return re.findall(r"\d+ %", page)


@kinds
def test_a_chapter_begins_there(kind, capsys):
    with pretended(kind):
        assert course.start().device.type == kind
    assert f"device {kind}" in capsys.readouterr().out
