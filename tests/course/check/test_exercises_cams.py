"""The exercises on class activation maps ask for what the package computes."""

import torch
from torch import nn

from salkit import attribution, evaluation
from salkit.course import check


def _pooled_network(classes: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1, stride=2), nn.ReLU())
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, classes)).eval()


def test_the_mean_of_a_contrast_map_is_the_difference_of_the_scores():
    network, images = _pooled_network(), torch.rand(3, 3, 8, 10)
    with torch.no_grad():
        features, scores = network[0](images), network(images)
    head = network[3]
    found = check.contrast_map.reference(features, head.weight.detach(), head.bias.detach(), 2, 0)
    torch.testing.assert_close(found.mean((1, 2)), scores[:, 2] - scores[:, 0])


def test_layercam_is_that_of_the_package():
    network, images, labels = _pooled_network(), torch.rand(3, 3, 8, 10), torch.tensor([0, 1, 2])
    gradients = attribution.gradient(network, images, labels, layer="0")
    with torch.no_grad():
        features = network[0](images)
    theirs = attribution.layercam(network, images, labels, layer="0", upsample=False)[:, 0]
    torch.testing.assert_close(check.layercam.reference(features, gradients), theirs)


def test_pointing_game_is_that_of_the_package():
    maps, masks = check.pointing_game.case(torch.Generator().manual_seed(0))
    ours, theirs = check.pointing_game.reference(maps, masks), evaluation.pointing_game(maps, masks)
    torch.testing.assert_close(ours.double(), theirs)
    assert 0 < ours.mean() < 1


def test_natural_solutions_pass():
    assert check.contrast_map(lambda a, w, b, i, j: (a * (w[i] - w[j])[:, None, None]).sum(1) + b[i] - b[j])
    assert check.contrast_map(lambda a, w, b, i, j: (a.movedim(1, 3) @ w.T + b)[..., [i, j]] @ torch.tensor([1.0, -1]))
    assert check.layercam(lambda a, g: torch.einsum("ndhw,ndhw->nhw", g.clamp(min=0), a).relu())

    def one_by_one(maps, masks):
        return [bool(mask.flatten()[amap.argmax()]) for amap, mask in zip(maps, masks, strict=True)]

    assert check.pointing_game(one_by_one)
    assert check.pointing_game(lambda m, k: ((m == m.amax((1, 2), keepdim=True)) & k).any(2).any(1))
