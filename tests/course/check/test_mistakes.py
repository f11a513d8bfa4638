"""The tests of the gallery judge functions, and survive whatever those do. What they judge: tests/book."""

import pytest
import torch

import salkit
from salkit.course import check
from salkit.course.check import mistakes

each_mistake = pytest.mark.parametrize("test", mistakes.GALLERY.values(), ids=mistakes.GALLERY)


def _nothing(*args):
    pass


def _raises(*args):
    raise NotImplementedError


def _crashes(*args):
    raise KeyError("map")


def test_they_are_reached_through_check():
    assert check.mistakes is mistakes and salkit.course.check.mistakes.wrong_class is mistakes.GALLERY["wrong_class"]


@each_mistake
def test_what_is_no_solution_fails_with_a_hint(test):
    assert "still to be written" in test(_raises).hint
    assert test(_crashes).hint == """It raised KeyError in the line `raise KeyError("map")`: 'map'"""
    assert "without calling it" in test(torch.zeros(3)).hint == test(None).hint
    assert not test(_nothing) and test(_nothing).hint
    assert repr(test(_raises)).startswith(f"Still broken: {test.name}. ")
    assert test.task.count("->") == 1 and test.task.endswith(".") and test.name in repr(test)


@each_mistake
def test_the_same_seed_asks_the_same_and_the_random_state_stays(test):
    before = torch.get_rng_state()
    asked = []

    def record(*args):
        asked.append([arg for arg in args if isinstance(arg, torch.Tensor)])
        raise ValueError

    for seed in (3, 3, 4):
        test(record, seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(map(torch.equal, asked[0], asked[1]))


# --- solutions of other kinds pass as well


def test_salkits_own_functions_pass():
    from salkit.evaluation.perturbation import _order

    assert mistakes.wrong_class(lambda m, x, y: salkit.gradient(m, x, y).abs().amax(1))
    assert mistakes.one_score_for_the_batch(lambda m, x: salkit.gradient(m, x).abs().amax(1))
    assert mistakes.functional_relu(salkit.guided_backprop)
    assert mistakes.normalised_by_batch(salkit.display.heatmap)
    assert mistakes.flattened_ssim(lambda a, b: salkit.sanity.ssim(a[None], b[None], data_range=1.0))
    assert mistakes.trapezoid_weights(lambda n: salkit.attribution.path.points("trapezoid", n)[1])
    assert mistakes.ties_in_reading_order(
        lambda r: _order(r[None], torch.zeros(1, 1, *r.shape), False, seed=1)[0].argsort()
    )


@pytest.mark.parametrize(
    "name, wrong, words",
    [
        ("wrong_class", lambda m, x, y: salkit.gradient(m, x, y).abs().mean(1), "not the maps of the classes"),
        ("one_score_for_the_batch", lambda m, x: salkit.gradient(m, x, int(m(x)[0].argmax())).abs().amax(1), "alone"),
        ("abs_before_averaging", lambda g: g.mean(0).amax(0), "should be 2.0"),
        ("abs_before_averaging", lambda g: g.mean(0), "shape (3, 8, 8)"),
        ("tied_percentiles", lambda r, s: r > r.quantile(1 - s), "pixels were taken"),
        ("tied_percentiles", lambda r, s: (torch.arange(400) < round(400 * s)).view(20, 20), "less relevant"),
        ("unclamped_attack", lambda x, g, e: (x + e * g).clamp(0, 1), "more than eps"),
        ("unclamped_attack", lambda x, g, e: x.clone(), "less than eps"),
        ("unclamped_attack", lambda x, g, e: (x + e * (2 * (g >= 0) - 1)).clamp(0, 1), "zero nothing may change"),
        ("normalised_by_batch",
         lambda m: (m - m.amin((1, 2), True)) / (m.amax((1, 2), True) - m.amin((1, 2), True)), "NaN"),
        ("repicked_class", lambda m, r, x: salkit.gradient(m, x).abs().amax(1), "not randomised"),
        ("trapezoid_weights", lambda n: torch.full((n,), 1 / n), "not the weights of the trapezoid"),
        ("functional_relu", lambda m, x, y: torch.zeros_like(x), "the rule is another"),
        ("flattened_ssim", lambda a, b: 1.0, "scikit-image says"),
        ("ties_in_reading_order", lambda r: torch.randperm(256), "relevant pixels must come first"),
        ("ties_in_reading_order", lambda r: torch.zeros(256).long(), "exactly once"),
    ],
)  # fmt: skip
def test_other_wrong_versions_get_a_hint_of_their_own(name, wrong, words):
    assert words in mistakes.GALLERY[name](wrong, seed=0).hint
