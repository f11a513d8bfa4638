"""compare: right numbers, the same in chunks, after an interruption, and in two processes."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from salkit.course.handwired import HandWired, colour_tiles
from salkit.data import ImageSet
from salkit.errors import InputError
from salkit.evaluation import (
    by_deletion,
    by_insertion,
    compare,
    deletion,
    insertion,
    mask_auc,
    mean_interval,
    on_mask,
    paired_difference,
    relevance_mass,
)

REPOSITORY = Path(__file__).resolve().parents[2]


def gradient(model, inputs, target=None):
    inputs = inputs.clone().requires_grad_()
    return torch.autograd.grad(model(inputs).gather(1, target[:, None]).sum(), inputs)[0]


def exact(model, inputs, target=None):
    maps = torch.stack([model.exact_attribution(inputs, k) for k in (0, 1)], 1)
    return maps[torch.arange(len(inputs)), target]


def noise(model, inputs, target=None):
    return torch.rand(len(inputs), *inputs.shape[2:])


METHODS = {"gradient": gradient, "exact": exact, "noise": noise}
SCORES = {
    "mass": on_mask(relevance_mass, "used"),
    "auc": on_mask(mask_auc, "used", signed="positive"),
    "deletion": by_deletion(steps=4, baseline=0.0),
}


def task(n=22):
    model = HandWired(size=8, cap=0.15)
    images = (colour_tiles(n, size=8, tiles=4) * 255).round().to(torch.uint8)
    labels = torch.arange(n) % 2
    return model, ImageSet(images, labels, ("red", "blue"), {"used": model.used_pixels(images.float() / 255)})


@pytest.fixture
def model_and_data():
    return task()


def run(model, data, **options):
    return compare(model, data, METHODS, SCORES, **{"progress": False, "chunk_size": 5, **options})


def test_each_number_is_what_the_functions_give_by_themselves(model_and_data):
    model, data = model_and_data
    table = run(model, data)
    assert table.values.shape == (3, 3, 22) and table.values.dtype == torch.float64
    inputs, used = data.pixels(), data.masks["used"]
    predicted = model(inputs).argmax(1)
    for name in ("gradient", "exact"):
        maps = METHODS[name](model, inputs, predicted)
        expected = {
            "mass": relevance_mass(maps, used),
            "auc": mask_auc(maps, used, signed="positive"),
            "deletion": deletion(model, inputs, maps, predicted, steps=4, baseline=0.0).area,
        }
        for score, values in expected.items():
            torch.testing.assert_close(table.of(name, score), values, equal_nan=True)
    assert table.of("exact", "mass").nan_to_num(1).min() > 0.999
    assert table.interval("exact", "mass") == mean_interval(table.of("exact", "mass"))
    assert table.difference("exact", "noise", "mass") == paired_difference(
        table.of("exact", "mass"), table.of("noise", "mass")
    )
    assert table.difference("exact", "noise", "mass").low > 0


@pytest.mark.parametrize("chunk_size", [1, 7, 22, 1000])
def test_chunks_change_nothing_for_methods_without_chance(model_and_data, chunk_size):
    torch.testing.assert_close(
        run(*model_and_data, chunk_size=chunk_size).values[:2], run(*model_and_data).values[:2], equal_nan=True
    )


def test_chance_is_seeded_and_differs_between_chunks(model_and_data):
    model, data = model_and_data
    torch.manual_seed(9)
    expected = torch.rand(2)
    torch.manual_seed(9)
    first = run(model, data).of("noise", "mass")
    assert torch.equal(torch.rand(2), expected)
    assert np.array_equal(first, run(model, data).of("noise", "mass"), equal_nan=True)
    assert not np.array_equal(first, run(model, data, seed=100).of("noise", "mass"), equal_nan=True)
    twice = ImageSet(*(torch.cat([t[:5], t[:5]]) for t in (data.images, data.labels)), data.classes,
                     {"used": torch.cat([data.masks["used"][:5]] * 2)})  # fmt: skip
    values = run(model, twice).of("noise", "mass")
    assert not torch.equal(values[:5], values[5:])


def test_target(model_and_data):
    model, data = model_and_data
    seen = []

    def spy(model, inputs, target):
        seen.append(target)
        return torch.ones_like(inputs)

    def targets_of(target):
        seen.clear()
        compare(model, data, {"spy": spy}, {"mass": SCORES["mass"]}, target=target, progress=False, chunk_size=5)
        return torch.cat(seen) if isinstance(seen[0], torch.Tensor) else seen[0]

    assert torch.equal(targets_of("label"), data.labels)
    assert torch.equal(targets_of(None), model(data.pixels()).argmax(1))
    assert torch.equal(targets_of(1), torch.ones(22, dtype=torch.int64))
    assert torch.equal(targets_of(1 - data.labels), 1 - data.labels)
    assert targets_of(max) is max


def test_the_mean_baseline_is_that_of_the_whole_dataset(model_and_data):
    model, data = model_and_data
    scores = {"deletion": by_deletion(baseline="mean", steps=3), "insertion": by_insertion(baseline="mean", steps=3)}
    table = compare(model, data, {"exact": exact}, scores, target="label", chunk_size=4, progress=False)
    inputs = data.pixels()
    maps = exact(model, inputs, data.labels)
    for name, curve in (("deletion", deletion), ("insertion", insertion)):
        expected = curve(model, inputs, maps, data.labels, baseline="mean", steps=3).area
        torch.testing.assert_close(table.of("exact", name), expected, atol=1e-6, rtol=0)


def test_goes_on_where_it_was_interrupted(model_and_data, tmp_path):
    model, data = model_and_data
    calls = []

    def interrupted(model, inputs, target):
        calls.append(len(inputs))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return gradient(model, inputs, target)

    whole = run(model, data)
    with pytest.raises(KeyboardInterrupt):
        compare(model, data, {**METHODS, "gradient": interrupted}, SCORES, chunk_size=5, save=tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 2
    calls[:] = [0] * 9
    resumed = compare(
        model, data, {**METHODS, "gradient": interrupted}, SCORES, chunk_size=5, save=tmp_path, progress=False
    )
    assert calls[9:] == [5, 5, 2]  # the two finished chunks are not computed again
    assert np.array_equal(resumed.values, whole.values, equal_nan=True)


def test_saved_chunks_of_another_model_data_or_names_are_not_used(model_and_data, tmp_path):
    model, data = model_and_data
    run(model, data, save=tmp_path)
    files = len(list(tmp_path.iterdir()))
    assert files == 5
    other = HandWired(size=8, cap=0.3)
    assert np.array_equal(run(other, data, save=tmp_path).values, run(other, data).values, equal_nan=True)
    flipped = {"used": ~data.masks["used"]}
    changed = ImageSet(data.images, data.labels, data.classes, flipped)
    assert np.array_equal(run(model, changed, save=tmp_path).values, run(model, changed).values, equal_nan=True)
    run(model, data, save=tmp_path, target="label")
    assert len(list(tmp_path.iterdir())) == 4 * files
    run(model, data, save=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4 * files


def test_a_damaged_chunk_is_computed_again(model_and_data, tmp_path):
    model, data = model_and_data
    whole = run(model, data, save=tmp_path)
    first, second, third, *_ = sorted(tmp_path.iterdir())
    first.write_bytes(first.read_bytes()[:40])
    second.write_bytes(b"")
    np.save(third, np.zeros((1, 2)))
    assert np.array_equal(run(model, data, save=tmp_path).values, whole.values, equal_nan=True)


def test_a_method_that_does_not_apply_is_refused_before_the_work(model_and_data):
    model, data = model_and_data

    class NeedsMore:
        def __call__(self, model, inputs, target):
            raise AssertionError("called")

        def why_not(self, model, inputs):
            return "the model has no soul"

    with pytest.raises(InputError, match="'deep' does not apply.*no soul"):
        compare(model, data, {"gradient": gradient, "deep": NeedsMore()}, SCORES, progress=False)


def test_the_bar_is_shown_on_request_only(model_and_data, capsys):
    run(*model_and_data)
    assert capsys.readouterr().out == ""
    run(*model_and_data, progress=True)
    assert "15/15" in capsys.readouterr().out


def test_table(model_and_data):
    model, data = model_and_data
    table = run(model, data)
    rows = table.rows()
    assert len(rows) == 3 * 3 * 22
    assert rows[22] == dict(method="gradient", score="auc", image=0, value=rows[22]["value"])
    assert rows[-1]["method"] == "noise" and rows[-1]["image"] == 21
    values = [row["value"] for row in rows if (row["method"], row["score"]) == ("exact", "deletion")]
    assert values == table.of("exact", "deletion").tolist()
    lines = str(table).splitlines()
    assert lines[0].split() == list(SCORES) and [line.split()[0] for line in lines[1:]] == list(METHODS)
    assert str(table.interval("noise", "auc")) in lines[3]


def test_undefined_scores_stay_nan_and_are_counted(model_and_data):
    model, data = model_and_data
    zero = compare(model, data, {"zero": lambda m, x, t: x * 0}, {"mass": SCORES["mass"]}, progress=False)
    assert zero.of("zero", "mass").isnan().all() and zero.interval("zero", "mass").n == 0
    assert math.isnan(zero.rows()[0]["value"])


def test_bad_arguments_are_refused(model_and_data):
    model, data = model_and_data
    for arguments in ((data, {}, SCORES), (data, METHODS, {}), (data[:0], METHODS, SCORES)):
        with pytest.raises(InputError, match="at least one"):
            compare(model, *arguments, progress=False)
    with pytest.raises(InputError, match="function"):
        compare(model, data, {"gradient": "gradient"}, SCORES, progress=False)
    with pytest.raises(InputError, match="chunk_size"):
        run(model, data, chunk_size=0)
    with pytest.raises(InputError, match="no mask 'tail', only.*used"):
        compare(model, data, METHODS, {"mass": on_mask(relevance_mass, "tail")}, progress=False)
    with pytest.raises(InputError, match="score 'sum' returned"):
        compare(model, data, METHODS, {"sum": lambda maps, case: maps.sum()}, progress=False)
    with pytest.raises(InputError, match="not in the table"):
        run(model, data).of("gradcam", "mass")


SCRIPT = """
import sys
import torch
sys.path[:0] = {paths!r}
from test_comparison import run, task
table = run(*task(), save={save!r})
import os
torch.save(table.values, os.path.join({out!r}, os.environ["RANK"] + ".pt"))
"""


def test_two_processes_under_torchrun_give_the_identical_table(model_and_data, tmp_path):
    out, save, script = tmp_path / "out", tmp_path / "save", tmp_path / "script.py"
    out.mkdir()
    paths = [str(REPOSITORY), str(Path(__file__).parent)]
    script.write_text(SCRIPT.format(paths=paths, save=str(save), out=str(out)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    expected = run(*model_and_data).values
    for rank in (0, 1):
        values = torch.load(out / f"{rank}.pt", weights_only=True)
        assert np.array_equal(values, expected, equal_nan=True)
    assert len(list(save.iterdir())) == 5
    # What two processes saved, one can go on with.
    assert np.array_equal(run(*model_and_data, save=save).values, expected, equal_nan=True)
