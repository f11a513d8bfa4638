"""fit, evaluate, augment and History on images so small that a run takes a blink."""

import copy
import inspect
import json
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from xml.etree import ElementTree

import pytest
import torch
from tiny import TRAIN, VAL, fit, same, small_net
from torch import nn

from salkit.course import training
from salkit.course.recipes import Options
from salkit.course.training import (
    COLUMNS,
    Batches,
    History,
    LossDelta,
    Patience,
    augment,
    clipped,
    evaluate,
    loop,
    moving_average,
    sgd,
)
from salkit.data import ImageSet
from salkit.errors import InputError, TrainingDivergedError


def weights(model: nn.Module) -> dict:
    return copy.deepcopy(model.state_dict())


def has(model: nn.Module, kept: dict) -> bool:
    """Whether the model's weights and buffers are these, bit for bit."""
    now = model.state_dict()
    return now.keys() == kept.keys() and all(torch.equal(now[name], kept[name]) for name in now)


# --- learning


def test_fit_has_few_parameters():
    assert len(inspect.signature(training.fit).parameters) <= 12


@pytest.mark.parametrize("schedule", ["one_cycle", "constant"])
def test_learns_what_is_easy(schedule):
    model = small_net()
    history = fit(model, epochs=6, schedule=schedule)
    assert history.best["val_accuracy"] >= 0.9
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert evaluate(model, VAL)[1] == history.best["val_accuracy"], "the best weights are in the model"


def test_what_is_left_out_is_the_course_s_own_choice():
    """The same as all of it said in full."""
    models = [small_net() for _ in range(4)]
    training.fit(models[0], TRAIN, VAL)
    training.fit(
        models[1], Batches(TRAIN, 128, partial(augment, shift=3), seed=0), VAL, epochs=10,
        optimizer=sgd(models[1], 0.05, momentum=0.9, weight_decay=5e-4), schedule=training.one_cycle,
        loss=nn.CrossEntropyLoss(label_smoothing=0.05), mixed_precision=False,
    )  # fmt: skip
    Options().fit(models[2], TRAIN, VAL, on_epoch_end=())
    training.fit(models[3], TRAIN, VAL, loss=nn.CrossEntropyLoss())
    assert same(models[0], models[1]) and same(models[0], models[2]) and not same(models[0], models[3])


def test_adversarial_training_learns_from_what_the_attack_returns():
    seen = []

    def black(model, images, labels):
        seen.append((len(images), len(labels), images.dtype, images.max().item() <= 1, model.training))
        return torch.zeros_like(images)

    model = small_net()
    before = model[0].weight.clone()
    training.fit(
        model, Batches(TRAIN, 16), VAL, epochs=3, attack=black, optimizer=sgd(model, weight_decay=0.0),
    )  # fmt: skip
    batches = {(16, 16, torch.float32, True, True), (10, 10, torch.float32, True, True)}
    assert len(seen) == 3 * 6 and set(seen) == batches
    assert torch.equal(before, model[0].weight), "black images have no gradient for the first weights"


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    models = [small_net() for _ in range(3)]
    histories = [fit(model, seed=seed) for model, seed in zip(models, (0, 0, 1), strict=True)]
    assert same(models[0], models[1])
    assert not same(models[0], models[2])
    assert histories[0]["train_loss"] == histories[1]["train_loss"] != histories[2]["train_loss"]


def test_global_random_state_is_untouched():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    fit(small_net())
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_have_the_promised_columns_and_ranges():
    history = fit(small_net())
    assert len(history) == 3
    assert history["epoch"] == [1, 2, 3]
    assert history.stopped == "finished"
    for row in history.rows:
        assert tuple(row) == COLUMNS
        assert 0 <= row["train_accuracy"] <= 1 and 0 <= row["val_accuracy"] <= 1
        assert row["seconds"] > 0


def test_one_cycle_ends_near_zero_and_constant_stays():
    assert fit(small_net(), lr=0.1)["lr"][-1] < 1e-4
    assert fit(small_net(), lr=0.1, schedule="constant")["lr"] == [0.1] * 3


def _momenta(monkeypatch, **options) -> list[float]:
    seen = []
    step = torch.optim.SGD.step

    def spy(self, *args, **kwargs):
        seen.append(self.param_groups[0]["momentum"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, "step", spy)
    fit(small_net(), **options)
    return seen


def test_momentum_is_the_one_asked_for(monkeypatch):
    swinging = _momenta(monkeypatch, momentum=0.8)
    assert min(swinging) >= 0.75 and max(swinging) <= 0.85 and max(swinging) - min(swinging) > 0.05
    assert set(_momenta(monkeypatch, momentum=0.0)) == {0.0}
    assert set(_momenta(monkeypatch, momentum=0.7, schedule="constant")) == {0.7}


def test_a_last_batch_of_one_image_is_trained_with_the_one_before():
    seen = []
    model = small_net()
    model.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])) if module.training else None)
    fit(model, TRAIN[:33], VAL, epochs=1, batch_size=16)
    assert seen == [16, 17]


def test_one_epoch_of_one_batch():
    assert len(fit(small_net(), TRAIN[:8], VAL, epochs=1, batch_size=64)) == 1


# --- optimiser, clipping, moving average


def test_adamw_takes_the_steps_of_torch_s_own():
    model, by_hand = small_net(dropout=0.0), small_net(dropout=0.0)
    options = dict(epochs=2, batch_size=90, schedule="constant", shift=None, label_smoothing=0.0)
    kept = {}
    fit(
        model, optimizer="adamw", lr=0.01, momentum=0.8, weight_decay=0.1, **options,
        on_epoch_end=lambda m, history: kept.update({len(history): weights(m)}),
    )  # fmt: skip
    steps = torch.optim.AdamW(by_hand.parameters(), 0.01, betas=(0.8, 0.999), weight_decay=0.1)
    for _ in range(2):
        steps.zero_grad()
        nn.functional.cross_entropy(by_hand(TRAIN.pixels()), TRAIN.labels).backward()
        steps.step()
    torch.testing.assert_close(kept[2]["0.weight"], by_hand[0].weight.detach(), atol=1e-4, rtol=0)


def test_clipping_bounds_the_step():
    def largest_step(**options):
        model = small_net()
        before = model[-1].weight.clone()
        one_step = dict(epochs=1, batch_size=90, momentum=0.0, weight_decay=0.0, schedule="constant", shift=None)
        fit(model, lr=1.0, **one_step, **options)
        return (model[-1].weight - before).norm().item()

    assert 0 < largest_step(clip=1e-3) <= 1e-3
    assert largest_step() == largest_step(clip=1e6) > 0.01


def test_clipping_sees_the_gradient_without_the_scale_of_16_bits(monkeypatch):
    """Of float16, which needs a GPU, only the scaling."""
    plain, scaled = small_net(), small_net()
    options = dict(clip=0.1, momentum=0.0)
    fit(plain, **options)
    monkeypatch.setattr(loop, "_precision", lambda *_: (nullcontext, torch.amp.GradScaler("cpu", init_scale=1024.0)))
    fit(scaled, **options)
    assert same(plain, scaled), "a power of two comes out again without rounding"


def test_one_cycle_keeps_the_rates_of_each_group():
    weight, bias = nn.Linear(2, 2).parameters()
    optimizer = torch.optim.SGD([{"params": [weight]}, {"params": [bias], "lr": 0.2}], lr=0.1, momentum=0.9)
    schedule = training.one_cycle(optimizer, 10)
    rates = []
    for _ in range(10):
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr())
    assert [max(rate) for rate in zip(*rates)] == pytest.approx([0.1, 0.2], rel=0.05)


def test_the_moving_average_is_what_is_validated_and_returned():
    seen, model = [], small_net()
    options = dict(epochs=3, batch_size=90, shift=None, schedule="constant", lr=0.5)
    history = fit(model, ema=0.9, **options, on_epoch_end=lambda m, _: seen.append(weights(m)))
    # One step to an epoch; the average begins after the first, and step k keeps the share k / (k + 9) of it.
    average = seen[0]
    expected = {1: average}
    for step, now in enumerate(seen[1:], start=2):
        keep = min(0.9, step / (step + 9))
        average = {
            name: keep * average[name] + (1 - keep) * now[name] if now[name].is_floating_point() else now[name]
            for name in now
        }
        expected[step] = average
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[history.best_epoch][name], atol=1e-5, rtol=1e-5)
    assert evaluate(model, VAL)[1] == pytest.approx(history.best["val_accuracy"])
    assert not torch.allclose(model[0].weight, seen[history.best_epoch - 1]["0.weight"])


# --- which weights, and when it stops


def test_the_best_weights_are_restored_not_the_last():
    model, kept = small_net(), {}

    def spoil_the_third(model, history):
        kept[len(history)] = weights(model)
        if len(history) == 2:
            with torch.no_grad():
                model[-1].weight.zero_()
                model[-1].bias.copy_(torch.tensor([100.0, 0, 0]))  # always class 0: a third is right

    history = fit(
        model, lr=0.01, schedule="constant",
        on_epoch_end=spoil_the_third,
    )  # fmt: skip
    assert history.best_epoch < 3
    assert history.best_epoch == 1 + max(range(3), key=lambda i: (history["val_accuracy"][i], -i))
    assert has(model, kept[history.best_epoch])


def test_patience_stops_when_nothing_improves():
    # With a learning rate this small no prediction changes, so epoch 1 stays the best.
    model = small_net().requires_grad_(True)
    options = dict(batch_size=90, lr=1e-12, weight_decay=0.0, schedule="constant", shift=None)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    history = fit(model, epochs=50, patience=2, **options)
    assert (len(history), history.best_epoch, history.stopped) == (3, 1, "patience")


def test_a_hook_that_returns_a_text_ends_the_training():
    said = []

    def enough(model, history):
        said.append(len(history))
        return "enough" if len(history) == 2 else None

    history = fit(small_net(), on_epoch_end=(enough, lambda *_: "too late" if len(said) == 2 else 5))
    assert (len(history), history.stopped, said) == (2, "enough", [1, 2])


def test_loss_delta_stops_when_the_loss_stands_still():
    options = dict(epochs=50, batch_size=16)
    patient = fit(small_net(), loss_delta=0.0, lr=1e-9, schedule="constant", weight_decay=0.0, **options)
    assert patient.stopped == "loss_delta" and len(patient) < 50
    hasty = fit(small_net(), loss_delta=10.0, **options)
    assert (len(hasty), hasty.stopped) == (2, "loss_delta")


class Poisoned(nn.Module):
    """Gives NaN from the ``after``-th training batch on."""

    def __init__(self, after: int):
        super().__init__()
        self.net, self.after, self.calls = small_net(), after, 0

    def forward(self, x):
        self.calls += self.training
        return self.net(x) * (torch.nan if self.training and self.calls > self.after else 1.0)


def test_nan_is_an_error_and_the_best_weights_stay():
    model, kept = Poisoned(after=6), {}  # 90 images in batches of 16: six to an epoch
    with pytest.raises(TrainingDivergedError, match="nan in epoch 2: try a smaller lr than 0.03"):
        fit(model, lr=0.03, on_epoch_end=lambda m, history: kept.update({len(history): weights(m)}))
    assert list(kept) == [1]
    assert has(model, kept[1])
    assert not model.training


def test_weights_that_are_nan_after_the_last_step_are_never_the_best():
    class NaNInEvaluation(Poisoned):
        def forward(self, x):
            return self.net(x) * (1.0 if self.training else torch.nan)

    with pytest.raises(TrainingDivergedError):
        fit(NaNInEvaluation(0))


def test_an_interruption_keeps_history_and_best_weights():
    model, kept = small_net(), {}

    def interrupt(model, history):
        kept[len(history)] = weights(model)
        if len(history) == 2:
            raise KeyboardInterrupt

    history = fit(model, epochs=9, batch_size=16, on_epoch_end=interrupt)
    assert (len(history), history.stopped) == (2, "interrupted")
    assert has(model, kept[history.best_epoch])
    assert not model.training


def test_an_interruption_before_the_first_epoch_ends_leaves_the_model_as_it_came():
    model = small_net()
    before = weights(model)
    handle = model[-1].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    history = fit(model)
    handle.remove()
    assert (len(history), history.best_epoch, history.stopped) == (0, 0, "interrupted")
    assert has(model, before)
    with pytest.raises(InputError, match="no epoch has finished"):
        history.best  # noqa: B018


def test_any_other_exception_comes_through_with_the_best_weights_kept():
    model, kept = small_net(), {}

    def fail(model, history):
        kept[len(history)] = weights(model)
        raise LookupError("the callback's own")

    state = torch.get_rng_state()
    with pytest.raises(LookupError, match="callback"):
        fit(model, on_epoch_end=fail)
    assert has(model, kept[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_the_model_ends_in_evaluation_mode_without_gradients():
    model = small_net()
    modes = []
    fit(model, on_epoch_end=lambda m, _: modes.append(m.training))
    assert modes == [True] * 3
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("first", [nn.BatchNorm2d(3), nn.Identity()], ids=["batch norm", "none"])
def test_channels_are_last_while_a_network_with_batch_normalisation_trains(first):
    model = nn.Sequential(first, nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    last = []

    def look(module, args):
        if module.training:
            last.append([not t.is_contiguous() for t in (module.weight, *args)])

    model[1].register_forward_pre_hook(look)
    fit(model)
    assert last == [[isinstance(first, nn.BatchNorm2d)] * 2] * 18
    assert all(p.is_contiguous() for p in model.parameters())


def test_a_compiled_network_is_trained_inside():
    plain, inside, seen = small_net(), small_net(), []
    fit(plain, ema=0.8)
    compiled = torch.compile(inside, backend="eager")
    training.fit(
        compiled, Batches(TRAIN, 16, partial(augment, shift=1)), VAL, epochs=3,
        average=moving_average(inside, 0.8), on_epoch_end=lambda m, _: seen.append(m),
    )  # fmt: skip
    assert same(plain, inside) and seen == [inside] * 3


def test_mixed_precision_runs_on_the_cpu():
    dtypes = set()
    model = small_net()
    model[-1].register_forward_hook(lambda module, args, out: dtypes.add(out.dtype) if module.training else None)
    history = fit(model, epochs=5, batch_size=16, mixed_precision=True)
    assert dtypes == {torch.bfloat16}
    assert history.best["val_accuracy"] > 0.6
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_an_epoch_is_a_line_on_stdout(capsys):
    fit(small_net(), epochs=2, on_epoch_end=training.print_epoch)
    out, err = capsys.readouterr()
    assert [line[:14] for line in out.splitlines()] == ["epoch 1: loss ", "epoch 2: loss "] and err == ""
    fit(small_net())
    assert capsys.readouterr() == ("", "")


# --- refused before any work


def with_batches(*args, **kwargs):
    return lambda model: training.fit(model, Batches(*args, **kwargs), VAL)


def with_shift(**options):
    return with_batches(TRAIN, 16, partial(augment, **options))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda model: training.fit(model, TRAIN, VAL, epochs=0), "epochs must be at least 1, not 0"),
        (lambda model: training.fit(model, TRAIN[:0], VAL), "no images to learn from"),
        (lambda model: training.fit(model, TRAIN, VAL[:0]), "no images to validate on"),
        (lambda model: training.fit(model, TRAIN, replace(VAL, classes=("a", "b", "c"))), "the same classes"),
        (with_batches(TRAIN[:0]), "no images to learn from"),
        (with_batches(TRAIN, 0), "the size of a batch must be at least 1, not 0"),
        (with_shift(shift=8), "shift must be between 0 and 7 for images of this size, not 8"),
        (with_shift(shift=-1), "shift must be between 0 and 7"),
        (with_shift(cutout=8), "cutout must be between 1 and 7"),
        (with_shift(cutout=0), "cutout must be between 1 and 7"),
        (lambda model: fit(model, shift=8), "shift must be between 0 and 7"),
        (lambda model: sgd(model, lr=0.0), "lr must be positive, not 0.0"),
        (lambda model: sgd(model, lr=float("nan")), "lr must be positive"),
        (lambda model: sgd(model, momentum=1.0), "momentum must be at least 0 and less than 1"),
        (lambda model: sgd(model, weight_decay=-1e-4), "weight_decay must be 0 or more"),
        (lambda model: clipped(sgd(model), 0.0), "the norm to clip at must be positive, not 0.0"),
        (lambda model: clipped(sgd(model), float("inf")), "the norm to clip at must be positive"),
        (lambda model: moving_average(model, 1.0), "decay must be at least 0 and less than 1, not 1.0"),
        (lambda model: Patience(0), "patience must be at least 1"),
        (lambda model: LossDelta(-0.1), "the loss's delta must be 0 or more"),
    ],
)
def test_what_is_out_of_range_is_said_before_any_work(call, words):
    model = small_net()
    model.register_forward_pre_hook(lambda *_: pytest.fail("work was done"))
    before = weights(model)
    with pytest.raises(InputError, match=words):
        call(model)
    assert has(model, before)
    assert all(module.training for module in model.modules())


# --- evaluate


def test_evaluate_by_hand_and_in_any_batch_size():
    class Bright(nn.Module):
        """The mean of each channel, times 10, as the logit of that class."""

        def forward(self, x):
            return 10 * x.mean((2, 3))

    images = torch.zeros(2, 3, 1, 1, dtype=torch.uint8)
    images[0, 0] = images[1, 2] = 255
    data = ImageSet(images, torch.tensor([0, 1]), ("a", "b", "c"))
    loss, accuracy = evaluate(Bright(), data)
    # Logits (10, 0, 0) for class 0 and (0, 0, 10) for class 1.
    normaliser = torch.tensor([10.0, 0.0, 0.0]).logsumexp(0).item()
    assert accuracy == 0.5
    assert loss == pytest.approx(((normaliser - 10) + normaliser) / 2)
    assert evaluate(small_net(), VAL, batch_size=7) == pytest.approx(evaluate(small_net(), VAL), rel=1e-5)


def test_evaluate_leaves_every_train_flag_also_after_an_error():
    model = small_net()
    model[1].eval()
    flags = [module.training for module in model.modules()]
    statistics = model[1].running_mean.clone()
    evaluate(model, VAL)
    assert [module.training for module in model.modules()] == flags
    assert torch.equal(model[1].running_mean, statistics)
    model[-1] = nn.Linear(5, 3)
    with pytest.raises(RuntimeError):
        evaluate(model, VAL)
    assert [module.training for module in model.modules()] == flags
    with pytest.raises(InputError, match="no images"):
        evaluate(model, VAL[:0])


# --- augment


def possible_rows(row: list[int], shift: int) -> set[tuple[int, ...]]:
    """Every flip and shift of one row of pixels, by the mirror rule written out for shift 1."""
    assert shift == 1
    a, b, *_, y, z = row
    moved = [tuple(row), (b, *row[:-1]), (*row[1:], y)]
    return {*moved, *(m[::-1] for m in moved)}


def test_augment_gives_exactly_the_flips_and_shifts():
    row = [10, 20, 30, 40]
    images = torch.tensor(row, dtype=torch.uint8).expand(400, 1, 3, 4)  # every line alike: vertical moves don't show
    out = augment(images, shift=1, generator=torch.Generator().manual_seed(0))
    assert out.shape == images.shape and out.dtype == torch.uint8
    assert all(torch.equal(out[:, :, 0], out[:, :, i]) for i in (1, 2))
    assert {tuple(line) for line in out[:, 0, 0].tolist()} == possible_rows(row, 1)

    column = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 1, 3, 1).expand(200, 1, 3, 4)
    out = augment(column, shift=1, generator=torch.Generator().manual_seed(0))
    # Up and down it moves, and never turns over.
    assert {tuple(line) for line in out[:, 0, :, 0].tolist()} == {(10, 20, 30), (20, 10, 20), (20, 30, 20)}


def test_augment_moves_channels_together_and_each_image_by_itself():
    base = torch.arange(16).view(1, 4, 4)
    images = torch.stack([torch.cat([base, base + 100]) for _ in range(50)])
    out = augment(images, shift=2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(out[:, 0] + 100, out[:, 1])
    assert len({tuple(image.flatten().tolist()) for image in out[:, 0]}) > 10


def test_augment_without_shift_only_flips_about_half():
    images = torch.arange(4).view(1, 1, 1, 4).expand(1000, 1, 1, 4)
    out = augment(images, shift=0, generator=torch.Generator().manual_seed(0))
    flipped = (out[:, 0, 0, 0] == 3).float().mean()
    assert 0.45 < flipped < 0.55
    assert {tuple(line) for line in out[:, 0, 0].tolist()} == {(0, 1, 2, 3), (3, 2, 1, 0)}


def test_cutout_covers_a_square_with_the_mean_colour():
    images = torch.randint(0, 256, (300, 3, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    out = augment(images, shift=0, cutout=3, generator=torch.Generator().manual_seed(0))
    plain = augment(images, shift=0, generator=torch.Generator().manual_seed(0))
    assert out.dtype == torch.uint8
    mean = images.float().mean((2, 3)).byte()
    sizes = set()
    for image, uncovered, colour in zip(out, plain, mean, strict=True):
        changed = (image != uncovered).any(0)
        rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
        # Pixels that have the mean colour of their own are rare: look at the box around what changed.
        box = image[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (box == colour[:, None, None]).all()
        sizes.add(tuple(box.shape[1:]))
    assert max(sizes) == (3, 3) and (2, 3) in sizes, "whole in the middle, cut off at the edge"


# --- History


def example() -> History:
    row = dict(epoch=1, train_loss=2.0, train_accuracy=0.25, val_loss=1.5, val_accuracy=0.5, lr=0.1, seconds=3.21)
    return History([row, row | dict(epoch=2, val_accuracy=0.25)], best_epoch=1, stopped="patience")


def test_history_prints_as_a_table():
    assert repr(example()).splitlines() == [
        "epoch  train loss  train acc  val loss  val acc       lr  seconds",
        "   1 *     2.0000     25.00%    1.5000   50.00%   0.1000      3.2",
        "   2       2.0000     25.00%    1.5000   25.00%   0.1000      3.2",
    ]
    assert str(example()) == repr(example())
    assert repr(History()).count("\n") == 0


def test_history_is_an_accessible_table_in_a_notebook():
    table = ElementTree.fromstring(example()._repr_html_())
    assert table.find("caption").text == "Training, epoch by epoch; ended by: patience"
    assert [cell.text for cell in table.findall("thead/tr/th[@scope='col']")] == [c.replace("_", " ") for c in COLUMNS]
    assert [cell.text for cell in table.findall("tbody/tr/th[@scope='row']")] == ["1 (best)", "2"]
    assert [cell.text for cell in table.find("tbody/tr").findall("td")] == [
        "2.0000", "25.00%", "1.5000", "50.00%", "0.1000", "3.2",
    ]  # fmt: skip


def test_history_survives_json():
    history = example()
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    assert history["val_accuracy"] == [0.5, 0.25]
    assert history.best["val_accuracy"] == 0.5
