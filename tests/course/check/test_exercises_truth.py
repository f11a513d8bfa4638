"""The exercises about known answers agree with the package, and take the solutions that learners write."""

import torch

from salkit import evaluation
from salkit.course import check


def _cases(exercise, n=5):
    return [case for seed in range(n) for case in exercise.draw(seed)]


def test_relevance_rank_is_the_package_s():
    for maps, masks in _cases(check.relevance_rank):
        expected = evaluation.relevance_rank(maps, masks).double()
        torch.testing.assert_close(check.relevance_rank.reference(maps, masks).double(), expected, rtol=0, atol=1e-6)


def test_mask_auc_is_the_package_s_and_its_cases_have_ties():
    for maps, masks in _cases(check.mask_auc):
        assert all(len(values.unique()) < values.numel() / 4 for values in maps)
        torch.testing.assert_close(check.mask_auc.reference(maps, masks), evaluation.mask_auc(maps, masks))


def test_delete_pixels_takes_as_many_as_asked_and_the_best_first():
    for images, maps, count, baseline in _cases(check.delete_pixels):
        gone = (check.delete_pixels.reference(images, maps, count, baseline) == baseline).all(1)
        assert (gone.sum((1, 2)) == count).all()
        for values, left in zip(maps, ~gone):
            assert values[left].max() <= values[~left].min()


def test_delete_pixels_is_a_step_of_the_package_s_deletion():
    images, maps, count, baseline = check.delete_pixels.case(torch.Generator().manual_seed(0))
    maps = maps + torch.linspace(1e-3, 0, maps[0].numel()).view(maps.shape[1:])  # no ties: the package draws lots
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(images[0].numel(), 3))
    pixels = maps[0].numel()
    curve = evaluation.deletion(model, images, maps, 0, steps=pixels, baseline=baseline, logits=True)
    left = check.delete_pixels.reference(images, maps, count, baseline)
    with torch.no_grad():
        expected = model(left)[:, 0].double()
    torch.testing.assert_close(curve.scores[:, count], expected, rtol=1e-5, atol=1e-5)


def test_solutions_as_learners_write_them():
    def rank(maps, masks):
        shares = []
        for values, mask in zip(maps, masks):
            best = values.flatten().topk(int(mask.sum())).indices
            shares.append(mask.flatten()[best].float().mean())
        return torch.stack(shares)

    def auc(maps, masks):
        shares = []
        for values, mask in zip(maps, masks):
            on, off = values[mask][:, None], values[~mask][None, :]
            shares.append(((on > off).float() + 0.5 * (on == off).float()).mean())
        return torch.stack(shares)

    def delete(images, maps, count, baseline):
        result = images.clone()
        for changed, values, other in zip(result, maps, baseline):
            gone = values.flatten().argsort(descending=True, stable=True)[:count]
            changed.flatten(1)[:, gone] = other.flatten(1)[:, gone]
        return result

    assert check.relevance_rank(rank)
    assert check.mask_auc(auc)
    assert check.mask_auc(evaluation.mask_auc)
    assert check.delete_pixels(delete)
