import copy

import pytest
import torch
from small_nets import images, small_net

from salkit.attribution import edge_map, random_map
from salkit.errors import InputError


def test_edges_of_a_ramp_and_a_step():
    ramp = torch.arange(5.0).expand(1, 1, 4, 5)
    assert edge_map(small_net(1), ramp)[0, 0].tolist() == [[0.5, 1, 1, 1, 0.5]] * 4
    assert edge_map(small_net(1), ramp.transpose(2, 3))[0, 0].tolist() == [[v] * 4 for v in (0.5, 1, 1, 1, 0.5)]
    assert edge_map(small_net(1), torch.ones(1, 1, 4, 4)).eq(0).all()
    assert edge_map(small_net(1), torch.tensor([[[0.0, 0.0, 2.0]]])).tolist() == [[[0, 1, 1]]]


def test_edges_equal_skimage():
    filters = pytest.importorskip("skimage.filters")
    x = images(n=1, channels=1)
    expected = filters.sobel(x[0, 0].double().numpy(), mode="nearest") / 2**0.5
    torch.testing.assert_close(edge_map(small_net(1), x)[0, 0].double(), torch.from_numpy(expected))


def test_edges_of_a_volume_equal_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    volume = torch.rand(1, 1, 4, 5, 6, dtype=torch.float64)
    sobel = [ndimage.sobel(volume[0, 0].numpy(), axis, mode="nearest") / 2 / 4**2 for axis in range(3)]
    expected = sum(torch.from_numpy(part) ** 2 for part in sobel).sqrt()
    torch.testing.assert_close(edge_map(small_net(1).double(), volume)[0, 0], expected, rtol=1e-5, atol=1e-6)


def test_edges_need_spatial_axes():
    with pytest.raises(InputError, match="edges need"):
        edge_map(small_net(), torch.rand(2, 5))


def test_edges_know_neither_model_nor_target():
    assert torch.equal(edge_map(small_net(seed=0), images(), 0), edge_map(small_net(seed=1), images(), 3))


def test_random_maps_differ_by_image_weights_and_seed():
    net, x = small_net(), images()
    found = random_map(net, x)
    assert abs(found.mean()) < 0.2 and abs(found.std() - 1) < 0.2
    other = copy.deepcopy(net)
    other.head.bias.data[0] += 1
    for changed in (random_map(other, x), random_map(net, x + 0.01), random_map(net, x, seed=1), found.roll(1, 0)):
        assert abs(torch.corrcoef(torch.stack([found.flatten(), changed.flatten()]))[0, 1]) < 0.2
    assert torch.equal(random_map(net, x, 3), found)
