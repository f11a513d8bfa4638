"""Every named mistake gets its own hint, solutions pass, stubs and accidents fail with a hint that helps."""

import concurrent.futures
import dataclasses
import random
import signal
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import salkit
from salkit.course import check
from salkit.course.check import EXERCISES, Exercise

SEEDS = (0, None)  # None: cases that are new in each run
MISTAKES = [
    pytest.param(exercise, hint, wrong, id=f"{exercise.name}-{i}")
    for exercise in EXERCISES.values()
    for i, (hint, wrong, _) in enumerate(exercise.mistakes)
]


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_reference_passes(exercise):
    for seed in (*range(10), None):
        result = exercise(exercise.reference, seed=seed)
        assert result and result.passed and result.hint == ""
        assert repr(result) == f"Passed: {exercise.name}, equal to the reference on {exercise.cases} fresh cases."


@pytest.mark.parametrize("exercise, hint, wrong", MISTAKES)
def test_every_mistake_gets_its_own_hint(exercise, hint, wrong):
    for seed in SEEDS:
        result = exercise(wrong, seed=seed)
        assert not result
        assert result.hint == hint
        assert repr(result) == f"Not yet: {exercise.name}. {hint}"
        assert "\n" not in repr(result)


def test_a_mistake_that_is_constant_by_nature_keeps_its_name():
    result = check.group_probability(lambda z, g: torch.ones(len(z)))
    assert "softmax among the members only" in result.hint


def test_an_exercise_has_few_mistakes_of_its_own():
    assert all(len(exercise.mistakes) <= 5 for exercise in EXERCISES.values())


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
        (lambda m, x, y: torch.zeros_like(x[:, 0]), "Every value is zero."),
        (lambda m, x, y: torch.full_like(x[:, 0], 3), "every value is 3, whatever the arguments are"),
        (lambda m, x, y: torch.full_like(x[:, 0], torch.nan), "values are NaN"),
        (lambda m, x, y: torch.ones(4, 9, 7), "shape (4, 9, 7), where (4, 7, 9) is expected, with m, x (4, 3, 7, 9)"),
        (lambda m, x, y: "a map", "a str, where a tensor"),
        (lambda m, x, y: {"map": x}, "a dict, where a tensor"),
        (lambda m, x, y: solution(m, x, y) * x[:, 0].exp(), "the largest difference is at ["),
        (lambda m, x, y: solution(m, x, y) + (len(x) == 1), "3 of 4 cases are right: what is special about m, x (1, "),
        (lambda m, x, y: torch.autograd.grad(m(x.requires_grad_()).sum(), x), "take [0]"),
    ],
)
def test_messages_for_other_errors(function, words):
    assert words in check.saliency(function, seed=0).hint


def test_messages_for_numbers():
    assert "where a number is expected" in check.accuracy(lambda z, y: "high").hint
    assert "every value is 7" in check.conv_output_size(lambda n, k, s, p: 7).hint
    assert "in one case" in check.accuracy(lambda z, y: z.sigmoid().mean()).hint.lower()
    assert "is a float" in check.conv_output_size(lambda n, k, s, p: (n + 2 * p - k) // s + 1.0).hint
    assert "is a float" in check.count_parameters(lambda m: float(sum(p.numel() for p in m.parameters()))).hint


# --- right values, but something left behind


def test_attached_to_the_graph():
    def attached(model, images, labels):
        images = images.detach().clone().requires_grad_()
        score = model(images)[torch.arange(len(labels)), labels].sum()
        (gradient,) = torch.autograd.grad(score, images, create_graph=True)
        return gradient.abs().amax(1)

    result = check.saliency(attached)
    assert result and result.hint == "" and ".detach()" in result.remark and ".detach()" in repr(result)


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
        (lambda m, x: m[2].register_forward_hook(lambda *args: None), "handle.remove()"),
        (lambda m, x: m[2].register_full_backward_hook(lambda *args: None), "handle.remove()"),
        (lambda m, x: m.register_forward_pre_hook(lambda *args: None), "handle.remove()"),
        (lambda m, x: m[0].weight.register_hook(lambda g: g), "handle.remove()"),
        (lambda m, x: setattr(m[2], "forward", torch.relu), "handle.remove()"),
        (lambda m, x: m.__setitem__(2, nn.Softplus()), "layers of the network were exchanged"),
        (lambda m, x: torch.manual_seed(0), "random numbers"),
        (lambda m, x: torch.rand(1), "random numbers"),
        (lambda m, x: np.random.seed(0), "random numbers"),
        (lambda m, x: random.seed(0), "random numbers"),
        (lambda m, x: torch.set_grad_enabled(False), "switched on or off"),
        (lambda m, x: torch.set_default_dtype(torch.float64), "default dtype"),
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
            seen.append(images.flatten())
            return solution(model, images, labels)

        assert check.saliency(look, **options)
        return torch.cat(seen)

    assert torch.equal(seen_by(seed=3), seen_by(seed=3))
    assert not torch.equal(seen_by(seed=3), seen_by(seed=4))
    assert not torch.equal(seen_by(), seen_by())


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_sizes_differ_from_case_to_case(exercise):
    cases = exercise.draw(0)
    sizes = [str([tuple(v.shape) if isinstance(v, torch.Tensor) else v for v in case]) for case in cases]
    assert len(set(sizes)) >= 3


def test_a_set_has_one_image_alone_grey_images_and_images_that_lie_and_stand():
    with_images = [e.draw(0) for e in EXERCISES.values() if "(N, C, H, W)" in e.task]
    for cases in with_images:
        shapes = [next(v.shape for v in case if isinstance(v, torch.Tensor) and v.ndim == 4) for case in cases]
        assert any(shape[0] == 1 for shape in shapes) and any(shape[1] == 1 for shape in shapes)
        assert {shape[2] > shape[3] for shape in shapes} == {True, False}
    for name in ("middle_square", "placed_back"):
        for seed in range(20):
            answers = [EXERCISES[name].reference(*case) for case in EXERCISES[name].draw(seed)]
            assert name == "middle_square" or {a.shape[0] > a.shape[1] for a in answers} == {True, False}


def test_checking_leaves_the_random_state_and_the_settings_of_torch():
    states = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    with torch.no_grad():
        assert check.saliency(solution), "works under no_grad, which is the caller's business"
        assert not torch.is_grad_enabled()
    assert not check.saliency(_after(lambda m, x: (torch.rand(3), random.random(), np.random.rand())))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), str(np.random.get_state())) == states[1:]


@pytest.mark.parametrize("setting", ["device", "dtype", "inference", "autocast"])
def test_the_settings_of_the_caller_do_not_reach_the_cases(setting):
    def check_all():
        assert check.saliency(lambda m, x, y: salkit.gradient(m, x, y).abs().amax(1))
        assert all(EXERCISES[name](EXERCISES[name].reference) for name in ("layercam", "smoothgrad", "accuracy"))

    if setting == "device":
        with torch.device("meta"):
            check_all()
            assert torch.get_default_device().type == "meta"
    elif setting == "dtype":
        torch.set_default_dtype(torch.float64)
        try:
            check_all()
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)
    else:
        with torch.inference_mode() if setting == "inference" else torch.autocast("cpu", dtype=torch.bfloat16):
            check_all()


def test_hooks_that_are_removed_are_no_trace():
    def tidy(model, images, labels):
        handles = [m.register_full_backward_hook(lambda *args: None) for m in model]
        result = solution(model, images, labels)
        for handle in handles:
            handle.remove()
        return result

    assert check.saliency(tidy)


def test_arguments_that_are_no_tensors_are_watched_as_well():
    def emptied(logits, members):
        probabilities, total = logits.softmax(1), torch.zeros(len(logits))
        while members:
            total = total + probabilities[:, members.pop()]
        return total

    assert "a list that came in was changed" in check.group_probability(emptied).hint
    nested = Exercise("x", "", lambda g: ([torch.zeros(3), {"a": np.zeros(2)}],), lambda x: 1.0)
    assert nested(lambda x: 1.0)
    assert not nested(lambda x: x[0].add_(1).mean())
    assert not nested(lambda x: 1.0 + x[1].pop("a")[0])
    assert not nested(lambda x: x[1]["a"].fill(1) or 1.0)


# --- what is left from call to call, and calls without an end


def test_what_is_left_from_call_to_call_is_found():
    seen = []

    def first_call_only(logits, labels):
        seen.append(labels)
        return (logits.argmax(1) == labels).float().mean() + (len(seen) > check.accuracy.cases)

    assert "A second call" in check.accuracy(first_call_only).hint

    total = [0.0]

    def adds_up(logits, labels):
        total[0] += (logits.argmax(1) == labels).float().mean().item()
        return total[0]

    assert "call before" in check.accuracy(adds_up).hint
    assert "A second call" in check.saliency(lambda m, x, y: torch.rand_like(x[:, 0])).hint


def _endless(*args):
    while True:
        pass


def _endless_and_deaf(*args):
    while True:
        try:
            sum(range(100))
        except Exception:
            pass


@pytest.mark.parametrize("function", [_endless, _endless_and_deaf, lambda *args: time.sleep(60)])
def test_a_call_without_an_end_is_stopped(function):
    before = signal.getsignal(signal.SIGALRM)
    started = time.monotonic()
    assert "takes too long" in dataclasses.replace(check.cam, seconds=0.2)(function).hint
    assert "takes too long" in dataclasses.replace(check.mistakes.wrong_class, seconds=0.2)(function).hint
    assert time.monotonic() - started < 10
    assert signal.getsignal(signal.SIGALRM) == before and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_an_alarm_of_the_caller_still_rings():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *args: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert check.cam(check.cam.reference)
        time.sleep(0.6)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung


def test_other_threads_have_no_limit_and_work():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(check.cam, check.cam.reference).result()


@pytest.mark.parametrize("leave", [sys.exit, exit, lambda: sys.exit("done")])
def test_leaving_the_program_is_caught(leave):
    assert "ended the program" in check.saliency(lambda m, x, y: leave()).hint
    assert "ended the program" in check.mistakes.trapezoid_weights(lambda n: leave()).hint


def test_an_interrupt_of_the_learner_comes_through():
    def interrupted(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check.cam(interrupted)


# --- types


def _converted(function, kind, *case):
    return kind(function(*case))


@pytest.mark.parametrize(
    "number",
    [float, np.float32, lambda n: torch.tensor(float(n)), lambda n: torch.tensor(n / 1).ceil(), str, complex],
)
def test_what_is_no_size_is_refused(number):
    for exercise in (check.conv_output_size, check.number_of_windows, check.count_parameters):
        result = exercise(partial(_converted, exercise.reference, number))
        assert not result and ("whole number is expected" in result.hint or "where a number is expected" in result.hint)


@pytest.mark.parametrize("number", [int, np.int64, torch.tensor, np.array])
def test_what_is_a_size_is_taken(number):
    for exercise in (check.conv_output_size, check.number_of_windows, check.count_parameters):
        assert exercise(partial(_converted, exercise.reference, number))


@pytest.mark.parametrize(
    "kind",
    [
        lambda x: x.to_sparse(),
        lambda x: torch.nested.nested_tensor([row for row in x]),
        lambda x: x.numpy(),
        lambda x: x.tolist(),
        lambda x: list(x),
        lambda x: [row.numpy() for row in x],
        lambda x: x.double(),
        nn.Parameter,
    ],
)
def test_answers_of_any_usual_kind_are_read(kind):
    assert check.saliency(lambda *case: kind(solution(*case)))


@pytest.mark.parametrize(
    "kind",
    [
        lambda x: x.to("meta"),
        lambda x: torch.nested.nested_tensor([torch.rand(i + 1) for i in range(len(x))]),
        lambda x: x + 1j,
        lambda x: iter(x),
        lambda x: [[1], [1, 2]],
        lambda x: [],
        lambda x: np.array(["a"]),
        lambda x: object(),
        lambda x: nn.ReLU(),
    ],
)
def test_answers_of_an_odd_kind_are_refused_in_words(kind):
    hint = check.saliency(lambda *case: kind(solution(*case))).hint
    assert "where a tensor is expected" in hint or "is empty" in hint or "where (4, 7, 9) is expected" in hint


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
@pytest.mark.parametrize(
    "odd",
    [
        lambda x: x.reshape(*[1] * 20, -1),
        lambda x: x[..., None][:0],
        lambda x: torch.full_like(x, torch.inf),
        lambda x: torch.where(torch.rand(x.shape) < 0.5, torch.nan, x),
        lambda x: torch.rand(1000, 7),
        lambda x: 1e30 * x + torch.rand(x.shape),
        lambda x: x > 0.5,
    ],
)
def test_no_answer_makes_the_check_raise(exercise, odd):
    started = time.process_time()
    exercise(lambda *case: odd(torch.as_tensor(exercise.reference(*case)).double()), seed=0)
    assert time.process_time() - started < 2


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
