"""The exercises about covering agree with the package, and take the solutions that learners write."""

import torch

import salkit
from salkit.course import check


def _cases(exercise, n=5):
    generator = torch.Generator().manual_seed(0)
    return [exercise.case(generator) for _ in range(n)]


def _windows_run(size, window, stride):
    """How many covered copies the package runs along an axis, the look at the whole input not counted."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(size, 2))
    rows = []
    network.register_forward_hook(lambda module, inputs, output: rows.append(len(inputs[0])))
    salkit.occlusion(network, torch.rand(1, 1, size), 0, window=window, stride=stride)
    return sum(rows) - 1


def test_number_of_windows_is_what_the_package_runs():
    for size, window, stride in _cases(check.number_of_windows, 20):
        assert check.number_of_windows.reference(size, window, stride) == _windows_run(size, window, stride)


def test_occlusion_map_is_the_package_s():
    for _, window, stride, height, width in _cases(check.occlusion_map):
        weight, images = torch.randn(height * width), torch.rand(1, 1, height, width)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(height * width, 1, bias=False))
        with torch.no_grad():
            network[1].weight.copy_(weight[None])
        # A linear score drops by weight * image, added up over the window, when that turns black.
        parts = (weight * images.flatten()).view(height, width)
        rows, columns = range(0, height - window + stride, stride), range(0, width - window + stride, stride)
        drops = torch.tensor([[parts[h : h + window, w : w + window].sum() for w in columns] for h in rows])
        expected = salkit.occlusion(network, images, window=window, stride=stride, baseline=0.0)[0, 0]
        result = check.occlusion_map.reference(drops, window, stride, height, width)
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


def test_score_drop_is_the_package_s_for_a_single_window():
    model, images, labels, _, baseline = check.score_drop.case(torch.Generator().manual_seed(0))
    everything = torch.ones(len(images), *images.shape[2:], dtype=torch.bool)
    expected = salkit.occlusion(model, images, labels, window=images.shape[2:], baseline=baseline)[:, 0, 0, 0]
    torch.testing.assert_close(check.score_drop.reference(model, images, labels, everything, baseline), expected)


def test_solutions_as_learners_write_them():
    assert check.number_of_windows(lambda size, window, stride: (size - window + stride - 1) // stride + 1)
    assert check.number_of_windows(lambda size, window, stride: len(range(0, size - window + stride, stride)))

    def add_and_count(drops, window, stride, height, width):
        total, count = torch.zeros(height, width), torch.zeros(height, width)
        for i in range(drops.shape[0]):
            for j in range(drops.shape[1]):
                top, left = i * stride, j * stride
                total[top : top + window, left : left + window] += drops[i, j]
                count[top : top + window, left : left + window] += 1
        return total / count

    assert check.occlusion_map(add_and_count)

    def drop(model, images, labels, masks, baseline):
        hidden = images * ~masks[:, None] + baseline * masks[:, None]
        with torch.no_grad():
            return (model(images) - model(hidden)).gather(1, labels[:, None]).squeeze(1)

    assert check.score_drop(drop)


def test_covering_in_place_is_noticed():
    def in_place(model, images, labels, masks, baseline):
        before = model(images)
        images[:] = torch.where(masks[:, None], baseline, images)
        return (before - model(images)).gather(1, labels[:, None]).squeeze(1).detach()

    assert "changed in place" in check.score_drop(in_place).hint
