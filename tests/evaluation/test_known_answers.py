"""What maps are worth where the answer is known: on networks trained on Scenes, without and with a planted mark."""

from functools import partial

import pytest
import torch
from torch import nn

import salkit
from salkit import METHODS
from salkit.course import evaluate, fit, sgd
from salkit.data.scenery import scenes
from salkit.evaluation import on_mask, paired_difference, relevance_mass

CONTROLS = ("edge_map", "random_map")
# The costly ones with fewer passes than usual: rougher maps, so the test is the harder for them.
CHEAPER = {
    "smoothgrad": partial(METHODS["smoothgrad"], n_samples=10),
    "integrated_gradients": partial(METHODS["integrated_gradients"], n_steps=16),
    "rise": partial(METHODS["rise"], n_masks=200),
}


def train(epochs, **dials):
    """A network to which every method applies: ReLUs, a grid, a pooled head."""
    torch.manual_seed(0)
    layers = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if after < 64 else []
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    data, held_out = (scenes(n, seed=seed, cache=False, **dials) for n, seed in ((3000, 0), (200, 2)))
    fit(model, data, held_out, epochs=epochs, optimizer=sgd(model, lr=0.1))
    return model.eval()


@pytest.fixture(scope="module")
def clean():
    return train(epochs=8)


@pytest.fixture(scope="module")
def marked():
    return train(epochs=6, mark_bias=1)


@pytest.fixture(scope="module")
def table(clean):
    """Every method on unbiased Scenes that the network has not seen."""
    return salkit.compare(
        clean, scenes(60, seed=1, cache=False), {**METHODS, **CHEAPER},
        {"mass": on_mask(relevance_mass)}, progress=False,
    )  # fmt: skip


def test_the_networks_learnt_their_task(clean, marked):
    assert evaluate(clean, scenes(300, seed=1, cache=False))[1] > 0.6
    assert evaluate(marked, scenes(300, seed=1, mark_bias=1, cache=False))[1] > 0.9
    # It reads the mark: where that is another class's, it is wrong.
    assert evaluate(marked, scenes(300, seed=1, mark_bias=1, counter=True, cache=False))[1] < 0.4


@pytest.mark.parametrize("method", [name for name in METHODS if name not in CONTROLS])
def test_every_method_beats_noise(table, method):
    ours, noise = table.interval(method, "mass"), table.interval("random_map", "mass")
    assert ours.low > noise.high, f"\n{table}"


def test_noise_scores_the_masks_share_of_the_picture(table):
    share = scenes(60, seed=1, cache=False).masks["object"].flatten(1).double().mean(1)
    difference = paired_difference(table.of("random_map", "mass"), share)
    assert abs(difference.mean) < 0.01


def test_the_edge_map_is_hard_to_beat(table):
    """It knows nothing of the network, beats noise, and some methods that do know it don't beat the edge map."""
    assert table.interval("edge_map", "mass").low > table.interval("random_map", "mass").high
    better = {name for name in METHODS if table.difference(name, "edge_map", "mass").low > 0}
    worse = {name for name in METHODS if table.difference(name, "edge_map", "mass").high < 0}
    assert {"guided_backprop", "gradcam", "guided_gradcam"} <= better, f"\n{table}"
    assert {"integrated_gradients", "deeplift"} <= worse, f"\n{table}"


GRADIENT_METHODS = [name for name in METHODS if name not in (*CONTROLS, "occlusion", "rise")]


@pytest.fixture(scope="module")
def on_the_mark(clean, marked):
    """Both networks on the same marked pictures: the share of each map that lies on the mark."""
    data = scenes(60, seed=1, mark_bias=1, cache=False)
    methods = {name: {**METHODS, **CHEAPER}[name] for name in (*GRADIENT_METHODS, *CONTROLS)}
    scores = {"mark": on_mask(relevance_mass, "mark")}
    return [salkit.compare(model, data, methods, scores, target="label", progress=False) for model in (marked, clean)]


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_a_network_that_reads_the_mark_has_more_relevance_on_it(on_the_mark, method):
    biased, clean = (table.of(method, "mark") for table in on_the_mark)
    assert paired_difference(biased, clean).low > 0, "\n\n".join(map(str, on_the_mark))


def test_controls_do_not_tell_the_two_networks_apart(on_the_mark):
    biased, clean = on_the_mark
    assert torch.equal(biased.of("edge_map", "mark"), clean.of("edge_map", "mark"))
    assert abs(paired_difference(biased.of("random_map", "mark"), clean.of("random_map", "mark")).mean) < 0.003
