"""Two processes under torchrun train what one does, and so do three."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny import TRAIN, VAL, fit
from torch import nn

from salkit.attack import fgsm
from salkit.course import training

REPOSITORY = Path(__file__).resolve().parents[3]
ODD = TRAIN[:89]


def plain_net(seed=0, *, dropout=0.0):
    """Without batch normalisation, and without dropout, which draws other numbers in each process."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout), nn.Flatten(), nn.Linear(72, 3)
        )


ADAMW = dict(optimizer="adamw", lr=0.003, clip=0.5, ema=0.8, cutout=3)
CASES = {
    "sgd": lambda model: fit(model, ODD, epochs=1, cutout=3),
    # The shares of 17 images are unequal, and the last batch has 4.
    "adamw": lambda model: fit(model, ODD, epochs=1, batch_size=17, schedule="constant", **ADAMW),
    # 8 batches of 11 and one image more, which joins the last.
    "joined": lambda model: fit(model, ODD, epochs=1, batch_size=11),
    "attack": lambda model: training.fit(
        model, training.Batches(ODD, 16), VAL, epochs=1, attack=partial(fgsm, eps=0.03)
    ),
    # Nothing is left for the second process.
    "one image": lambda model: fit(model, ODD[:1], ODD[1:2], epochs=1, shift=None),
}
FOR_THREE = {
    # A last batch of 2.
    "few": lambda model: fit(model, ODD[:8], epochs=1, batch_size=6, cutout=3),
    "few, adamw": lambda model: fit(model, ODD[:8], epochs=1, batch_size=6, **ADAMW),
}

SCRIPT = """
import copy
import os
import pickle
import shutil
import sys
from functools import partial
from pathlib import Path

import torch

sys.path[:0] = {paths!r}
from test_many_processes import ADAMW, CASES, FOR_THREE, ODD, TRAIN, fit, plain_net
from tiny import small_net

from salkit.errors import InputError

out, rank = Path({out!r}), int(os.environ["RANK"])


def train(name, model, call):
    history = call(model)
    torch.save(dict(weights=model.state_dict(), history=history.to_dict()), out / f"{{name}}-{{rank}}.pt")


def interrupt(model, history):
    raise KeyboardInterrupt


def refused(words, model, *data, **options):
    model.register_forward_pre_hook(lambda *_: sys.exit("work was done"))
    try:
        fit(model, *data, **options)
    except InputError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"not refused: {{words}}")


for name, call in (FOR_THREE if os.environ["WORLD_SIZE"] == "3" else CASES).items():
    # Other first weights in the other processes: those of the first one count.
    model = plain_net(seed=rank)
    train(name, model, call)
if os.environ["WORLD_SIZE"] == "3":
    sys.exit()

copies = []
fit(model, epochs=1, on_epoch_end=lambda m, _: copies.append(copy.deepcopy(m)))
if rank == 0:
    # Nothing that waits for the other process was left on the network, or on its copy.
    for network in (model, *copies):
        network(ODD.pixels()).sum().backward()
        assert b"salkit" not in pickle.dumps(network)

train("whole", plain_net(dropout=0.3), partial(fit, **ADAMW))
# The second process has no file, as on another machine.
state = out / f"run-{{rank}}.state"
train("interrupted", plain_net(dropout=0.3), partial(fit, **ADAMW, state=state, on_epoch_end=interrupt))
assert state.exists() == (rank == 0)
if rank == 0:
    shutil.copy(state, out / "half.state")
train("resumed", plain_net(seed=8, dropout=0.3), partial(fit, **ADAMW, state=state))
# One process has had enough.
train("stopped", plain_net(), partial(fit, on_epoch_end=lambda *_: "enough" if rank == 1 else None))

different = "the processes were given different networks, images or options"
refused("batch normalisation would see only each process's share of a batch: train in one process", small_net())
refused(different, plain_net(), lr=0.01 * (1 + rank))
refused(different, plain_net(), clip=1.0 + rank)
refused(different, plain_net(), TRAIN[rank:])
refused(different, plain_net(dropout=rank / 2))
refused(different, plain_net(), state=state if rank == 0 else None)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """``results(name, rank)``: what a process ended with."""
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "script.py"
    script.write_text(SCRIPT.format(paths=[str(REPOSITORY), str(Path(__file__).parent)], out=str(folder)))
    for processes in (2, 3):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        done = subprocess.run(
            [*command, str(script)], capture_output=True, text=True, timeout=600,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def result(name, rank):
        return torch.load(folder / f"{name}-{rank}.pt", weights_only=True)

    result.folder = folder
    return result


@pytest.mark.parametrize("name", [*CASES, *FOR_THREE])
def test_several_processes_train_what_one_does(results, name):
    model = plain_net()
    history = {**CASES, **FOR_THREE}[name](model)
    found = results(name, 0)
    for column in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"):
        values = [row[column] for row in found["history"]["rows"]]
        assert values == pytest.approx(history[column], abs=1e-5), column
    for key, value in model.state_dict().items():
        torch.testing.assert_close(found["weights"][key], value, atol=1e-5, rtol=0, msg=key)


@pytest.mark.parametrize("name", [*CASES, *FOR_THREE, "whole", "resumed", "stopped"])
def test_all_processes_end_with_the_same_bits(results, name):
    first, *others = (results(name, rank)["weights"] for rank in range(3 if name in FOR_THREE else 2))
    assert all(torch.equal(first[key], other[key]) for other in others for key in first)


def test_a_resumed_training_is_the_same_as_an_uninterrupted_one(results):
    assert results("interrupted", 0)["history"]["stopped"] == "interrupted"
    for rank in (0, 1):
        whole, resumed = results("whole", rank), results("resumed", rank)
        assert all(torch.equal(whole["weights"][key], resumed["weights"][key]) for key in whole["weights"])
        assert resumed["history"]["best_epoch"] == whole["history"]["best_epoch"]


def test_one_process_goes_on_where_two_were_interrupted(results):
    epochs = []
    history = fit(
        plain_net(dropout=0.3), **ADAMW, state=results.folder / "half.state",
        on_epoch_end=lambda _, history: epochs.append(len(history)),
    )  # fmt: skip
    assert epochs == [2, 3]
    before = results("interrupted", 0)["history"]["rows"]
    assert history.rows[0] == before[0] and len(before) == 1


def test_a_hook_in_one_process_ends_the_training_of_all(results):
    for rank in (0, 1):
        history = results("stopped", rank)["history"]
        assert (len(history["rows"]), history["stopped"]) == (1, "enough")
