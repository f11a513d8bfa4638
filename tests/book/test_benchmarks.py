"""The benchmarks measure what they say; how long something takes is not asserted here."""

import json

import pytest
import torch
from torch.nn import functional as F

from benchmarks import report, training
from salkit import data, models
from salkit.errors import TrainingDivergedError

REACHED = {"ended": "reached", "seconds": 10.0, "epochs": 2, "accuracy": 0.6}
MISSED = {"ended": "early", "seconds": 30.0, "epochs": 9, "accuracy": 0.512}


def contest(goal, **recipe):
    """A network that trains in a moment, in place of those of the course."""
    return training.Contest(goal, 1, {"width": 4}, dict(epochs=2, lr=0.05) | recipe)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Results are kept in a folder of the test's own."""
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def scenes():
    return data.scenes(64, seed=0).split(32)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(training, "_now", lambda: Clock.now)
    return Clock


def run_with(scenes, goal=2.0, limit=1e9):
    return training.Run(scenes[1], goal, limit)


# ----------------------------------------------------------------------------------------------------- results


def test_what_is_written_is_read_with_its_machine(results):
    assert report.read("trial") is None
    path = report.write("trial", {"seconds": 1.5})
    assert path == results / "trial.json" and not list(results.glob("*.new"))
    found = report.read("trial")
    assert found["figures"] == {"seconds": 1.5} and found["machine"] == report.machine()
    assert found["peak_memory_mb"] > 50
    assert report.read("trial", results.parent) is None


def test_figures_of_another_machine_are_not_mixed_with_those_of_this_one(results):
    path = report.write("trial", {"a": 1})
    assert report.kept("trial") == {"a": 1}
    other = json.loads(path.read_text())
    for key, value, expected in (("date", "1999-12-31", {"a": 1}), ("cpu", "an abacus", {})):
        path.write_text(json.dumps(other | {"machine": other["machine"] | {key: value}}))
        assert report.kept("trial") == expected
    assert report.kept("nothing") == {}


def test_a_machine_is_described_in_a_line():
    machine = dict(cpu="Z80", cores=1, threads=1, gpu=None, python="3.12.1", torch="2.9.0")
    assert report.described(machine) == "Z80, 1 core, 1 thread, python 3.12.1, torch 2.9.0"
    assert report.described(machine | {"gpu": "H100", "threads": 8}).startswith("H100, Z80, 1 core, 8 threads")


# ------------------------------------------------------------------------------------------------------ one run


def test_evaluations_are_not_counted(scenes, clock, monkeypatch):
    run = run_with(scenes)

    def slow(model, images):
        clock.now += 100
        return 1.0, 0.5

    monkeypatch.setattr(training, "evaluate", slow)
    run.start()
    for _ in range(3):
        clock.now += 2
        run.after_epoch(None, 0)
    assert run.seconds == 6 and run.result() == {"ended": "running", "seconds": 6, "epochs": 3, "accuracy": 0.5}


@pytest.mark.parametrize(
    ("accuracy", "seconds", "ended"),
    [(0.6, 1, "reached"), (0.6, 50, "reached"), (0.59, 50, "limit"), (0.59, 9, "running")],
)
def test_a_run_ends_at_the_goal_or_the_limit(scenes, clock, monkeypatch, accuracy, seconds, ended):
    run = run_with(scenes, goal=0.6, limit=10)
    monkeypatch.setattr(training, "evaluate", lambda model, images: (1.0, accuracy))
    run.start()
    clock.now += seconds
    if ended == "running":
        run.after_epoch(None, 1)
    else:
        with pytest.raises(training.Over):
            run.after_epoch(None, 1)
    assert run.ended == ended and run.accuracies == [accuracy]


def test_the_source_stops_when_the_loss_has_not_fallen():
    nan = float("nan")
    for losses, expected in (
        ([3, 2, 1], False),
        ([3, 1, 2], False),
        ([3, 1, 2, 1], True),
        ([3, 1, 2, 0.5], False),
        ([nan], False),
        ([nan, nan], True),
        ([nan, 1, nan], False),
    ):
        assert training.gave_up(losses, 2) is expected, losses


def test_the_sources_step_is_plain_gradient_descent_on_pixels_less_the_mean_image(scenes, monkeypatch):
    monkeypatch.setattr(training, "WORKERS", 0)
    seen = {}
    monkeypatch.setattr(training, "evaluate", lambda model, images: (seen.update(model=model), (1.0, 0.0))[1])
    learn = scenes[0][:16]  # one batch
    run = run_with(scenes, limit=0)
    training.by_the_source("small_cnn", 5, learn, run, 3)
    assert run.ended == "limit" and len(run.losses) == 1

    torch.manual_seed(3)
    net = models.ARCHITECTURES["small_cnn"]().net.train()
    images = learn.images.float()
    F.cross_entropy(net(images - images.mean(0)), learn.labels).backward()
    judged = seen["model"]
    for expected, found in zip(net.parameters(), judged[1].parameters()):
        torch.testing.assert_close(found, expected - 0.01 * expected.grad, rtol=1e-3, atol=1e-5)
    # What is judged takes images in [0, 1], as evaluate gives them.
    torch.testing.assert_close(judged[0](learn.pixels()), images - images.mean(0), rtol=0, atol=1e-3)


def test_both_recipes_train_to_an_end_with_worker_processes(scenes):
    run = run_with(scenes)
    training.by_the_source("small_cnn", 1, scenes[0], run, 0)
    assert run.ended == "early" and len(run.losses) >= 2 and run.seconds > 0
    run = run_with(scenes)
    recipe = contest(2.0).recipe
    training.by_us(models.small_cnn(width=4), recipe, scenes[0], run, seed=0)
    assert run.ended == "schedule" and len(run.accuracies) == recipe["epochs"]


def test_a_run_that_diverges_is_told(scenes, monkeypatch):
    def diverges(*arguments, **options):
        raise TrainingDivergedError("the loss became nan")

    monkeypatch.setattr(training.recipes.Options, "fit", diverges)
    run = run_with(scenes)
    training.by_us(models.small_cnn(width=4), {}, scenes[0], run, seed=0)
    assert run.ended == "diverged" and "diverged" in training.said(run.result())


# ------------------------------------------------------------------------------------------------------- ratios


@pytest.mark.parametrize(
    ("pairs", "expected", "words"),
    [
        ([(REACHED | {"seconds": 50}, REACHED)], {"ratio": 5, "bound": ""}, "5.0"),
        ([(MISSED, REACHED)], {"ratio": 3, "bound": "more than"}, "more than 3.0"),
        ([(REACHED, MISSED)], {"ratio": 1 / 3, "bound": "less than"}, "less than 0.3"),
        ([(MISSED, MISSED)], {"ratio": None, "bound": ""}, "undecided"),
        ([(MISSED, REACHED), (REACHED, MISSED)], {"ratio": None, "bound": ""}, "undecided"),
        (
            [(REACHED | {"seconds": s}, REACHED) for s in (20, 30, 70)],
            {"ratio": 3, "bound": ""},
            "3.0",
        ),
        ([(MISSED, REACHED), (REACHED, REACHED)], {"ratio": 2, "bound": "more than"}, "more than 2.0"),
    ],
)
def test_a_ratio_says_when_it_is_a_bound(pairs, expected, words):
    assert training.ratio(pairs) == expected
    assert training.said_ratio(expected) == words


def test_results_in_words():
    assert training.said(REACHED) == "reached in 10.0 s, 2 epochs"
    assert training.said(MISSED) == "not reached in 30.0 s (stopped early), 51.20% in 9 epochs"


# ----------------------------------------------------------------------------------------------- the whole script


def test_the_goals_are_those_of_the_source_and_every_recipe_is_sound():
    goals = {name: rules.goal for name, rules in training.NETWORKS.items()}
    assert goals == {"fc": 0.5364, "shallow_cnn": 0.6554, "resnet18": 0.7126, "efficientnet_b0": 0.7436}
    for rules in training.NETWORKS.values():
        training.recipes.Options(**rules.recipe)


def test_results_are_kept_after_each_network(results, monkeypatch, scenes, capsys):
    monkeypatch.setattr(training, "images", lambda: scenes)
    monkeypatch.setattr(training, "WORKERS", 0)
    monkeypatch.setattr(training, "NETWORKS", {"small_cnn": contest(0.0), "another": contest(0.0)})
    with pytest.raises(KeyError):  # stands for any interruption
        training.main(["small_cnn", "another", "--limit", "100", "--seeds", "2"])
    row = report.read("training")["figures"]["networks"]["small_cnn"]
    assert [run["seed"] for run in row["runs"]] == [0, 1]
    assert all(run[whose]["ended"] == "reached" for run in row["runs"] for whose in ("source", "ours"))
    assert row["ratio"] > 0 and row["bound"] == "" and row["images"] == [32, 32]

    monkeypatch.setattr(training, "NETWORKS", {"small_cnn": contest(2.0), "shallow_cnn": None})
    training.main(["small_cnn", "--limit", "0"])
    row = report.read("training")["figures"]["networks"]["small_cnn"]
    assert row["runs"][0]["ours"]["ended"] == "limit" and row["ratio"] is None
    printed = capsys.readouterr().out
    assert "not reached" in printed and "ratio undecided" in printed


def test_an_unknown_network_is_an_error(results, capsys):
    with pytest.raises(SystemExit):
        training.main(["vgg99"])
    assert "vgg99" in capsys.readouterr().err and not list(results.iterdir())
