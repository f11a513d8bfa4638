"""The exercises about bias: solutions as learners write them, and a seal that fits what the networks do."""

import hashlib

import pytest
import torch

from salkit import course, data, models
from salkit.course import check, evaluate
from salkit.course.check.bias import Sealed


def cases(exercise, n=10):
    generator = torch.Generator().manual_seed(0)
    return [exercise.case(generator) for _ in range(n)]


def test_worst_group_solutions():
    def in_a_loop(logits, labels, places):
        lowest = 1.0
        for label in labels.unique():
            for place in places.unique():
                members = (labels == label) & (places == place)
                if members.any():
                    lowest = min(lowest, (logits[members].argmax(1) == label).float().mean().item())
        return lowest

    assert check.worst_group_accuracy(in_a_loop)
    assert check.worst_group_accuracy(lambda *case: torch.tensor(in_a_loop(*case)))


def test_the_worst_group_is_not_the_average_in_any_case():
    for logits, labels, places in cases(check.worst_group_accuracy):
        worst = check.worst_group_accuracy.reference(logits, labels, places)
        average = (logits.argmax(1) == labels).float().mean().item()
        assert 0 < worst < average - 0.05
        occurring = len((1000 * labels + places).unique())
        assert occurring < len(labels.unique()) * len(places.unique()), "a group that does not occur"


def test_flip_rate_solutions():
    def one_by_one(model, images, masks, backgrounds):
        flips = 0
        for image, mask, background in zip(images, masks, backgrounds, strict=True):
            other = background.clone()
            other[:, mask] = image[:, mask]
            with torch.no_grad():
                flips += int(model(image[None]).argmax() != model(other[None]).argmax())
        return flips / len(images)

    assert check.flip_rate(one_by_one)
    assert check.flip_rate(lambda m, x, k, b: torch.tensor(one_by_one(m, x, k, b)))


def test_some_answers_flip_and_some_do_not():
    for case in cases(check.flip_rate, 5):
        assert 0.2 < check.flip_rate.reference(*case) < 0.8


# --- the sealed answer


def sealed(answer="b"):
    return Sealed("x", "which?", ("a", "b", "c"), hashlib.sha256(f"x: {answer}".encode()).hexdigest())


def test_only_the_sealed_answer_passes():
    assert sealed()("b") and sealed()(" B ")
    assert repr(sealed()("b")).startswith("Passed: x. ")
    for wrong in ("a", "c"):
        result = sealed()(wrong)
        assert not result and repr(result).startswith("Not yet: x. No. Which measurement")


@pytest.mark.parametrize("answer", ["d", "", 1, ["b"], b"b", lambda: "b"])
def test_what_is_no_answer_is_told_what_is(answer):
    result = sealed()(answer)
    assert not result and "one of a, b, c, not " in result.hint


def test_no_answer_yet():
    assert sealed()(...).hint == sealed()(None).hint == "There is no answer yet."
    assert repr(sealed()) == "Exercise x: which?"


def test_the_clean_network_is_the_one_that_no_swap_disturbs():
    """What the chapter's solution measures, on scenes that no network has seen."""
    options = dict(classes=("deer", "dog"), background_bias=1, seed=77)
    usual, swapped = (data.scenes(200, counter=counter, **options) for counter in (False, True))
    worlds = {
        "usual": course.tint_objects(usual, 1),
        "place": course.tint_objects(swapped, 1),
        "paint": course.tint_objects(usual, 1, counter=True),
    }
    accuracy = {
        letter: {name: evaluate(models.trained(f"scenes-blind_{letter}"), world)[1] for name, world in worlds.items()}
        for letter in check.clean_network.answers
    }
    clean = [letter for letter in accuracy if check.clean_network(letter)]
    assert len(clean) == 1
    disturbed = {
        letter: [name for name in ("place", "paint") if values[name] < 0.7] for letter, values in accuracy.items()
    }
    assert disturbed.pop(clean[0]) == []
    assert sorted(disturbed.values()) == [["paint"], ["place"]], accuracy
    assert all(values["usual"] > 0.9 for values in accuracy.values()), "in its own world every network is right"


def test_the_cards_of_the_three_say_the_same():
    """Nothing but letters, digests and figures differs, so that the answer is not read there by accident."""
    records = [models.trained_metadata(f"scenes-blind_{letter}") for letter in "abc"]
    for key in ("architecture", "kwargs", "recipe", "classes", "parameters"):
        assert all(record[key] == records[0][key] for record in records)
    for record in records:
        assert record["data"]["source"] == data.scenes(2, cache=False).source
        assert 0.93 < record["test"]["accuracy"]
