"""The exercises on class activation maps ask for what the package computes."""

import torch
from torch import nn

from salkit import attribution, evaluation
from salkit.course import check


def _pooled_network(classes: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1, stride=2), nn.ReLU())
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, classes)).eval()


def test_cam_is_that_of_the_package():
    network, images, labels = _pooled_network(), torch.rand(3, 3, 8, 10), torch.tensor([0, 1, 2])
    with torch.no_grad():
        features, weights = network[0](images), network[3].weight.clone()
    theirs = attribution.cam(network, images, labels, upsample=False)[:, 0]
    torch.testing.assert_close(check.cam.reference(features, weights, labels), theirs)


def test_gradcam_is_that_of_the_package():
    network, images, labels = _pooled_network(), torch.rand(3, 3, 8, 10), torch.tensor([0, 1, 2])
    gradients = attribution.gradient(network, images, labels, layer="0")
    with torch.no_grad():
        features = network[0](images)
    theirs = attribution.gradcam(network, images, labels, layer="0", upsample=False)[:, 0]
    torch.testing.assert_close(check.gradcam.reference(features, gradients), theirs)


def test_pointing_game_is_that_of_the_package():
    maps, masks = check.pointing_game.case(torch.Generator().manual_seed(0))
    ours, theirs = check.pointing_game.reference(maps, masks), evaluation.pointing_game(maps, masks)
    torch.testing.assert_close(ours.double(), theirs)
    assert 0 < ours.mean() < 1


def test_natural_solutions_pass():
    assert check.cam(lambda a, w, y: torch.einsum("nd,ndhw->nhw", w[y], a))
    assert check.gradcam(lambda a, g: torch.einsum("nd,ndhw->nhw", g.flatten(2).mean(2), a).relu())

    def one_by_one(maps, masks):
        return [bool(mask.flatten()[amap.argmax()]) for amap, mask in zip(maps, masks, strict=True)]

    assert check.pointing_game(one_by_one)
    assert check.pointing_game(lambda m, k: ((m == m.amax((1, 2), keepdim=True)) & k).any(2).any(1))
