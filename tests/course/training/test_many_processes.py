"""Two processes under torchrun train what one does."""

import os
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from tiny import OPTIONS, TRAIN, VAL, small_net
from torch import distributed as dist

from salkit._processes import processes
from salkit.course import fit

REPOSITORY = Path(__file__).resolve().parents[2]


def exact_net(seed=0):
    """Without dropout, which draws other numbers in each process, and without the bias that batch normalisation takes
    out again: its gradient is nothing but rounding, which Adam scales up to whole steps."""
    return small_net(seed, dropout=0.0, bias=False)


CASES = {
    "sgd": dict(),
    # The shares of 17 images are unequal, and the last batch has 5.
    "adamw": dict(batch_size=17, optimizer="adamw", lr=0.003, ema=0.8, clip=1.0, cutout=3, schedule="constant"),
}

SCRIPT = """
import os
import sys
from pathlib import Path

import torch

sys.path[:0] = {paths!r}
from test_many_processes import CASES, OPTIONS, TRAIN, VAL, exact_net, small_net

from salkit.errors import InputError
from salkit.course import fit

out, rank = Path({out!r}), int(os.environ["RANK"])


def train(name, model, **options):
    history = fit(model, TRAIN, VAL, **{{**OPTIONS, **options}})
    torch.save(dict(weights=model.state_dict(), history=history.to_dict()), out / f"{{name}}-{{rank}}.pt")


def interrupt(model, epoch):
    raise KeyboardInterrupt


def refused(words, train, **options):
    try:
        fit(small_net(), train, VAL, **{{**OPTIONS, **options}})
    except InputError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"not refused: {{words}}")


for name, options in CASES.items():
    # Other first weights in the second process: those of the first one count.
    model = exact_net(seed=rank)
    train(name, model, **options)
assert not any("forward" in vars(module) for module in model.modules()), "batch normalisation is as it was"

train("dropout", small_net())
# The second process has no file, as on another machine.
state = out / f"run-{{rank}}.state"
train("interrupted", small_net(), state=state, on_epoch_end=interrupt)
assert state.exists() == (rank == 0)
train("resumed", small_net(seed=8), state=state)

refused("the processes were given different networks, images or options", TRAIN, lr=0.01 * (1 + rank))
refused("the smallest batch of an epoch has 1 images, too few for 2 processes", TRAIN[:1])
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """``results(name, rank)``: what a process ended with."""
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "script.py"
    script.write_text(SCRIPT.format(paths=[str(REPOSITORY), str(Path(__file__).parent)], out=str(folder)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1200, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return lambda name, rank: torch.load(folder / f"{name}-{rank}.pt", weights_only=True)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_what_one_does(results, name):
    model = exact_net()
    history = fit(model, TRAIN, VAL, **{**OPTIONS, **CASES[name]})
    found = results(name, 0)
    assert found["history"]["best_epoch"] == history.best_epoch
    for column in ("train_loss", "val_loss", "lr"):
        values = [row[column] for row in found["history"]["rows"]]
        assert values == pytest.approx(history[column], abs=1e-5), column
    for column in ("train_accuracy", "val_accuracy"):
        assert [row[column] for row in found["history"]["rows"]] == pytest.approx(history[column]), column
    for key, value in model.state_dict().items():
        torch.testing.assert_close(found["weights"][key], value, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [*CASES, "dropout", "resumed"])
def test_both_processes_end_with_the_same_bits(results, name):
    first, second = (results(name, rank)["weights"] for rank in (0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_resumed_training_is_the_same_as_an_uninterrupted_one(results):
    assert results("interrupted", 0)["history"]["stopped"] == "interrupted"
    for rank in (0, 1):
        whole, resumed = results("dropout", rank), results("resumed", rank)
        assert all(torch.equal(whole["weights"][key], resumed["weights"][key]) for key in whole["weights"])
        assert resumed["history"]["best_epoch"] == whole["history"]["best_epoch"]


@pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo")
def test_a_group_that_is_taken_down_is_let_go(tmp_path):
    """Its threads end with it. Kept alive, one that was still busy when Python ended would abort the process."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        assert processes().add_up(torch.ones(2)).tolist() == [1, 1]
        group = weakref.ref(dist.group.WORLD)
    finally:
        dist.destroy_process_group()
    assert group() is None
