"""Every named mistake gets its own hint, solutions pass, stubs and accidents fail with a hint that helps."""

import pytest
import torch
from torch import nn

from salkit.course import check
from salkit.course.check import EXERCISES, Exercise

SEEDS = (0, None)  # None: cases that are new in each run
SINGLE_MISTAKES = [
    pytest.param(exercise, hint, wrong, id=f"{exercise.name}-{i}")
    for exercise in EXERCISES.values()
    for i, (hint, wrong) in enumerate(exercise.mistakes)
    if " Also: " not in hint
]


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_reference_passes(exercise):
    for seed in (*range(10), None):
        result = exercise(exercise.reference, seed=seed)
        assert result and result.passed and result.hint == ""
        assert repr(result) == f"Passed: {exercise.name}, equal to the reference on {exercise.cases} fresh cases."


@pytest.mark.parametrize("exercise, hint, wrong", SINGLE_MISTAKES)
def test_every_mistake_gets_its_own_hint(exercise, hint, wrong):
    for seed in SEEDS:
        result = exercise(wrong, seed=seed)
        assert not result
        assert result.hint == hint
        assert repr(result) == f"Not yet: {exercise.name}. {hint}"
        assert "\n" not in repr(result)


def test_two_mistakes_at_once_are_both_named():
    def cheerful(model, images, labels):
        images = images.clone().requires_grad_()
        scores = model(images).softmax(1)[torch.arange(len(images)), labels]
        (gradient,) = torch.autograd.grad(scores.sum(), images)
        return gradient.amax(1)

    hint = check.saliency(cheerful, seed=0).hint
    assert "softmax" in hint and "without the absolute value" in hint and " Also: " in hint


# --- solutions as learners write them


def solution(model, images, labels):
    images = images.detach().clone().requires_grad_()
    score = model(images)[torch.arange(len(labels)), labels].sum()
    (gradient,) = torch.autograd.grad(score, images)
    return gradient.abs().amax(dim=1)


def test_saliency_solutions():
    assert check.saliency(solution)
    assert check.saliency(lambda m, x, y: solution(m, x, y).numpy()), "an array will do"

    def one_by_one(model, images, labels):
        return torch.cat([solution(model, images[i : i + 1], labels[i : i + 1]) for i in range(len(images))])

    assert check.saliency(one_by_one)


def test_saliency_agrees_with_the_package():
    attribution = pytest.importorskip("salkit.attribution")
    generator = torch.Generator().manual_seed(0)
    model, images, labels = check.saliency.case(generator)
    ours = attribution.gradient(model, images, labels).abs().amax(1)
    torch.testing.assert_close(check.saliency.reference(model, images, labels), ours)


def test_other_solutions():
    assert check.normalise(
        lambda m: (
            (m - m.amin((1, 2), keepdim=True))
            / (m.amax((1, 2), keepdim=True) - m.amin((1, 2), keepdim=True)).clamp(min=1e-8)
        )
    )
    assert check.threshold(lambda x, m, t: torch.where((m > t).unsqueeze(1), x, torch.zeros_like(x)))
    assert check.relevance_mass(lambda m, k: torch.stack([a[b].sum() / a.sum() for a, b in zip(m, k, strict=True)]))
    assert check.count_parameters(lambda net: torch.tensor(sum(p.numel() for p in net.parameters())))
    assert check.conv_output_size(lambda n, k, s, p: len(range(0, n + 2 * p - k + 1, s)))
    assert check.accuracy(lambda z, y: sum(int(a.argmax() == b) for a, b in zip(z, y, strict=True)) / len(y))


# --- stubs and accidents


def _raises(*args):
    raise NotImplementedError


def _nothing(*args):
    pass


def _placeholder(*args):
    return ...


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_stubs_fail_with_a_hint(exercise):
    assert exercise(_raises).hint.startswith("The function is still to be written")
    assert exercise(_nothing).hint.startswith("It returned None")
    assert "placeholder" in exercise(_placeholder).hint
    assert exercise(...).hint == exercise(None).hint == "There is no function yet."
    assert "without calling it" in exercise(torch.zeros(3)).hint
    for result in (exercise(_raises), exercise(_nothing), exercise(_placeholder), exercise(...)):
        assert not result and repr(result).startswith(f"Not yet: {exercise.name}. ")


def test_an_exception_is_shown_with_its_type_and_line():
    def broken(model, images, labels):
        return {}["map"]

    assert check.saliency(broken).hint == """It raised KeyError in the line `return {}["map"]`: 'map'"""


def test_wrong_signature():
    hint = check.saliency(lambda model, images: images).hint
    assert hint == "The function is called with 3 arguments, and yours takes (model, images)."


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda m, x, y: torch.autograd.grad(m(x).sum(), x), "requires_grad_()"),
        (lambda m, x, y: torch.autograd.grad(m(x.requires_grad_()), x), "add the scores"),
        (lambda m, x, y: torch.autograd.grad(m(x.clone()).sum(), x.requires_grad_()), "doesn't reach the images"),
        (lambda m, x, y: m(x.requires_grad_()).numpy(), ".detach() before .numpy()"),
        (lambda m, x, y: torch.zeros(4, 7, 9), "Every value is zero."),
        (lambda m, x, y: torch.full((4, 7, 9), torch.nan), "252 of 252 values are NaN"),
        (lambda m, x, y: torch.ones(4, 9, 7), "shape (4, 9, 7), where (4, 7, 9) is expected"),
        (lambda m, x, y: "a map", "a str, where a tensor"),
        (lambda m, x, y: solution(m, x, y) + 1, "the largest difference is at ["),
    ],
)
def test_messages_for_other_errors(function, words):
    assert words in check.saliency(function, seed=0).hint


def test_messages_for_numbers():
    assert "where a number is expected" in check.accuracy(lambda z, y: "high").hint
    assert "in one case" in check.conv_output_size(lambda n, k, s, p: 7).hint.lower()
    assert "is a float" in check.conv_output_size(lambda n, k, s, p: (n + 2 * p - k) // s + 1.0).hint
    assert "is a float" in check.count_parameters(lambda m: float(sum(p.numel() for p in m.parameters()))).hint


# --- right values, but something left behind


def test_attached_to_the_graph():
    def attached(model, images, labels):
        images = images.detach().clone().requires_grad_()
        score = model(images)[torch.arange(len(labels)), labels].sum()
        (gradient,) = torch.autograd.grad(score, images, create_graph=True)
        return gradient.abs().amax(1)

    assert ".detach()" in check.saliency(attached).hint


def test_parameter_gradients_filled():
    def backward(model, images, labels):
        images = images.detach().clone().requires_grad_()
        model(images)[torch.arange(len(labels)), labels].sum().backward()
        return images.grad.abs().amax(1)

    assert "parameters were filled" in check.saliency(backward).hint


def _after(change):
    def function(model, images, labels):
        result = solution(model, images, labels)
        change(model, images)
        return result

    return function


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda m, x: m.train(), "evaluation mode"),
        (lambda m, x: m[1].train(), "evaluation mode"),
        (lambda m, x: m.requires_grad_(False), "requires_grad of the network"),
        (lambda m, x: m[1].running_mean.zero_(), "running statistics"),
        (lambda m, x: x.requires_grad_(), "switched on"),
        (lambda m, x: x.zero_(), "changed in place"),
    ],
)
def test_traces(change, words):
    hint = check.saliency(_after(change)).hint
    assert hint.startswith("The values are right, but") and words in hint


# --- the check itself


def test_the_same_seed_gives_the_same_cases_and_no_seed_new_ones():
    def seen_by(**options):
        seen = []

        def look(model, images, labels):
            seen.append(images.clone())
            return solution(model, images, labels)

        assert check.saliency(look, **options)
        return torch.stack(seen)

    assert torch.equal(seen_by(seed=3), seen_by(seed=3))
    assert not torch.equal(seen_by(seed=3), seen_by(seed=4))
    assert not torch.equal(seen_by(), seen_by())
    cases = seen_by(seed=3)
    assert not torch.equal(cases[0], cases[1])


def test_checking_leaves_the_global_random_state_and_grad_mode():
    state = torch.get_rng_state()

    def reseeds(model, images, labels):
        torch.manual_seed(1)
        torch.rand(3)
        return solution(model, images, labels)

    with torch.no_grad():
        assert check.saliency(reseeds), "works under no_grad, which is the caller's business"
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)


def test_what_one_call_breaks_does_not_reach_the_next():
    def vandal(model, images, labels):
        result = solution(model, images, labels)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        return result

    assert "weights or running statistics were changed" in check.saliency(vandal).hint


def test_an_exercise_of_ones_own():
    double = Exercise(
        name="double",
        task="write fn(x) -> 2 x",
        case=lambda generator: (torch.rand(3, generator=generator),),
        reference=lambda x: 2 * x,
        mistakes=(("You squared it.", lambda x: x * x),),
    )
    assert double(lambda x: x + x)
    assert double(lambda x: x**2).hint == "You squared it."
    assert repr(double) == "Exercise double: write fn(x) -> 2 x"


def test_random_network_is_fresh_and_in_evaluation_mode():
    model, images, labels = check.saliency.case(torch.Generator().manual_seed(0))
    assert isinstance(model, nn.Module) and not model.training
    assert images.shape[0] == len(labels)
    assert not (model(images).argmax(1) == labels).any(), "else explaining the predicted class would pass"
