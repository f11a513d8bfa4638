"""A training that is interrupted and goes on ends as one that never was, bit for bit."""

import pytest
import torch
from tiny import TRAIN, fit, same, small_net

from salkit.course.training import Patience
from salkit.data import ImageSet
from salkit.errors import CheckpointError


def interrupt_after(last):
    def interrupt(model, history):
        if len(history) == last:
            raise KeyboardInterrupt

    return interrupt


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(schedule="constant", shift=None, mixed_precision=True),
        dict(optimizer="adamw", lr=0.003, ema=0.9, clip=1.0, cutout=3),
    ],
    ids=["sgd", "constant", "adamw"],
)
def test_resumed_is_the_same_as_never_interrupted(tmp_path, options):
    whole = small_net()
    expected = fit(whole, **options)

    state = tmp_path / "run.state"
    first = fit(small_net(), **options, state=state, on_epoch_end=interrupt_after(1))
    assert (len(first), first.stopped) == (1, "interrupted")
    other_weights, epochs = small_net(seed=9), []
    resumed = fit(other_weights, **options, state=state, on_epoch_end=lambda _, history: epochs.append(len(history)))

    assert epochs == [2, 3]
    assert same(other_weights, whole)
    for column in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"):
        assert resumed[column] == expected[column], column
    assert (resumed.best_epoch, resumed.stopped) == (expected.best_epoch, "finished")
    assert [path.name for path in tmp_path.iterdir()] == ["run.state"]

    again = small_net(seed=9)
    history = fit(again, **options, state=state, on_epoch_end=lambda *_: pytest.fail("trained again"))
    assert history == resumed and same(again, whole)


def test_an_epoch_that_did_not_end_is_run_again(tmp_path):
    whole = small_net()
    fit(whole)
    broken, batches = small_net(), []

    def pull_the_plug(module, inputs):
        batches.append(1)
        if module.training and len(batches) > 10:  # 6 batches and one for validation in the first epoch
            raise OSError("no power")

    broken[0].register_forward_pre_hook(pull_the_plug)
    with pytest.raises(OSError, match="no power"):
        fit(broken, state=tmp_path / "run.state")
    resumed = small_net()
    fit(resumed, state=tmp_path / "run.state")
    assert same(resumed, whole)


def test_early_stopping_is_remembered(tmp_path):
    options = dict(epochs=20, loss_delta=10.0, state=tmp_path / "run.state")
    assert fit(small_net(), **options).stopped == "loss_delta"
    again = fit(small_net(), **options)
    assert (len(again), again.stopped) == (2, "loss_delta")


def test_a_text_that_ended_the_training_is_remembered(tmp_path):
    state = tmp_path / "run.state"
    assert fit(small_net(), state=state, on_epoch_end=lambda *_: "enough").stopped == "enough"
    again = fit(small_net(), state=state, on_epoch_end=lambda *_: pytest.fail("trained again"))
    assert (len(again), again.stopped) == (1, "enough")


def test_an_interruption_just_before_it_would_have_stopped(tmp_path):
    """The hook comes before the rule, which is asked again in the end."""
    options = dict(lr=1e-12, weight_decay=0.0, state=tmp_path / "run.state")
    stopping = Patience(1)
    first = fit(small_net(), **options, on_epoch_end=(interrupt_after(2), stopping))
    assert (len(first), first.stopped) == (2, "interrupted")
    resumed = fit(small_net(), **options, on_epoch_end=(stopping, lambda *_: pytest.fail("trained on")))
    assert (len(resumed), resumed.stopped) == (2, "patience")


def test_a_state_of_another_training_is_refused_and_kept(tmp_path):
    state = tmp_path / "run.state"
    fit(small_net(), epochs=1, state=state)
    written = state.read_bytes()
    brighter = ImageSet(TRAIN.images // 2 + 100, TRAIN.labels, TRAIN.classes)
    wider = small_net()
    wider[3] = torch.nn.Dropout(0.2)
    for model, train, changed, words in (
        (small_net(), TRAIN, dict(epochs=3), r"epochs was 1 and is 3\): delete it to begin anew"),
        (small_net(), TRAIN, dict(epochs=1, lr=0.3, seed=4), r"seed was 0 and is 4, lr was 0.05 and is 0.3"),
        (small_net(), TRAIN, dict(epochs=1, label_smoothing=0.0), "other loss"),
        (small_net(), TRAIN, dict(epochs=1, shift=2), r"augment was augment .*'shift': 1.* and is .*'shift': 2"),
        (small_net(), TRAIN, dict(epochs=1, optimizer="adamw"), "optimizer was SGD and is AdamW"),
        (small_net(), TRAIN, dict(epochs=1, clip=0.5), "other clip"),
        (small_net(), TRAIN, dict(epochs=1, ema=0.5), "average was False and is _move_towards"),
        (small_net(), brighter, dict(epochs=1), "other training images"),
        (wider, TRAIN, dict(epochs=1), "other network"),
    ):
        model[0].register_forward_pre_hook(lambda *_: pytest.fail("work was done"))
        with pytest.raises(CheckpointError, match=f"run.state belongs to another training .*{words}"):
            fit(model, train, **changed, state=state)
    assert state.read_bytes() == written


def test_a_damaged_state_is_refused(tmp_path):
    state = tmp_path / "run.state"
    fit(small_net(), epochs=1, state=state)
    whole = state.read_bytes()
    for content in (b"", b"no state", whole[: len(whole) // 2]):
        state.write_bytes(content)
        with pytest.raises(CheckpointError, match="run.state is damaged, or no state of a training: delete it"):
            fit(small_net(), epochs=1, state=state)
    torch.save({"format": 99, "identity": {}}, state)
    with pytest.raises(CheckpointError, match="another version of salkit"):
        fit(small_net(), epochs=1, state=state)


def test_a_state_can_not_run_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("code was run",))

    torch.save({"format": 1, "identity": Trap()}, tmp_path / "run.state")
    with pytest.raises(CheckpointError, match="damaged"):
        fit(small_net(), state=tmp_path / "run.state")
