"""The references are the package's own functions, and solutions as learners write them pass."""

import torch

from salkit import attribution
from salkit.course import check
from salkit.synthesis import _total_variation, class_image


def cases(exercise, n=5):
    generator = torch.Generator().manual_seed(0)
    return [exercise.case(generator) for _ in range(n)]


def test_total_variation_agrees_with_class_image():
    for (images,) in cases(check.total_variation):
        torch.testing.assert_close(check.total_variation.reference(images), _total_variation(images))


def test_ascent_step_is_the_gradient_of_the_package_and_some_of_it_is_clamped():
    for model, images, labels, lr in cases(check.ascent_step):
        free = images + lr * attribution.gradient(model, images, labels)
        torch.testing.assert_close(check.ascent_step.reference(model, images, labels, lr), free.clamp(0, 1))
        assert 0 < ((free < 0) | (free > 1)).float().mean() < 0.5


def test_undo_jitter_is_what_autograd_does_inside_class_image():
    for _, rows, columns in cases(check.undo_jitter):
        image = torch.rand(3, 3, 7, 9, requires_grad=True)
        seen = image.roll((rows, columns), (2, 3))
        weights = torch.randn(seen.shape)
        at_image, at_seen = torch.autograd.grad((seen.square() * weights).sum(), (image, seen))
        torch.testing.assert_close(check.undo_jitter.reference(at_seen, rows, columns), at_image)


def test_solutions_of_learners():
    def total_variation(images):
        down = torch.diff(images, dim=2).abs().mean((1, 2, 3))
        return down + torch.diff(images, dim=3).abs().mean((1, 2, 3))

    def ascent_step(model, images, labels, lr):
        images = images.clone().requires_grad_()
        score = model(images)[torch.arange(len(labels)), labels].sum()
        (gradient,) = torch.autograd.grad(score, images)
        return (images + lr * gradient).detach().clamp(0, 1)

    def undo_jitter(gradients, rows, columns):
        return torch.roll(torch.roll(gradients, -columns, 3), -rows, 2)

    assert check.total_variation(total_variation)
    assert check.ascent_step(ascent_step)
    assert check.undo_jitter(undo_jitter)


def test_a_leak_of_the_graph_is_noticed():
    def attached(model, images, labels, lr):
        images = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(images)[torch.arange(len(labels)), labels].sum(), images)
        return (images + lr * gradient).clamp(0, 1)

    result = check.ascent_step(attached)
    assert result and ".detach()" in result.remark


def test_one_step_of_class_image_goes_the_way_of_ascent_step():
    # Adam's first step is lr times the sign of the gradient, wherever that is not tiny.
    model, images, labels, lr = cases(check.ascent_step, 1)[0]
    images = 0.3 + 0.4 * images  # nothing clamped
    ours = check.ascent_step.reference(model, images, labels, 1e-3 * lr) - images
    theirs = class_image(model, labels, start=images, steps=1, lr=0.01) - images
    clear = ours.abs() > 1e-5
    assert clear.float().mean() > 0.8
    assert torch.equal(ours[clear].sign(), theirs[clear].sign())
