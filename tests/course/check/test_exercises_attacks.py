"""The exercises on adversarial images ask for what the package computes."""

import torch
from torch.nn import functional as F

from salkit import attack
from salkit.course import check


def _case(exercise, seed: int = 0):
    return exercise.case(torch.Generator().manual_seed(seed))


def test_fgsm_is_that_of_the_package():
    model, images, labels, eps = _case(check.fgsm)
    ours = check.fgsm.reference(model, images, labels, eps)
    torch.testing.assert_close(ours, attack.fgsm(model, images, labels, eps=eps))
    assert (ours == 0).any() and (ours == 1).any(), "the clamp has something to do"


def test_pgd_written_with_the_exercises_is_that_of_the_package():
    model, images, labels, eps = _case(check.fgsm)
    moved = images
    for _ in range(3):
        moved = check.fgsm.reference(model, moved, labels, eps / 2)
        moved = check.project.reference(moved, images, eps)
    theirs = attack.pgd(model, images, labels, eps=eps, steps=3, step_size=eps / 2, seed=None)
    torch.testing.assert_close(moved, theirs)


def test_success_rate_is_that_of_the_transfer_matrix():
    model, images, labels, eps = _case(check.fgsm, seed=1)
    with torch.no_grad():
        before = model(images)
        labels = torch.where(torch.tensor([True, True, True, False]), before.argmax(1), labels)
        after = model(attack.fgsm(model, images, labels, eps=eps))
    theirs = attack.transfer_matrix({"model": model}, images, labels, eps=eps).rates[0, 0]
    assert check.success_rate.reference(before, after, labels) == theirs


def test_natural_solutions_pass():
    def one_by_one(model, images, labels, eps):
        moved = []
        for image, label in zip(images, labels, strict=True):
            leaf = image[None].clone().requires_grad_()
            (gradient,) = torch.autograd.grad(F.cross_entropy(model(leaf), label[None]), leaf)
            moved.append((leaf + eps * gradient.sign()).clamp(0, 1).detach()[0])
        return torch.stack(moved)

    assert check.fgsm(one_by_one)
    assert check.project(lambda m, x, e: torch.minimum(torch.maximum(m.clamp(0, 1), x - e), x + e))

    def rate(before, after, labels):
        right = before.argmax(1) == labels
        return (after[right].argmax(1) != labels[right]).float().mean().item()

    assert check.success_rate(rate)
