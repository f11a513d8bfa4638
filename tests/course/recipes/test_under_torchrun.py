"""``torchrun -m salkit train`` and ``compare``: one answer, said once, the same as without torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from salkit import cli
from salkit.models import load_checkpoint, read_metadata

REPOSITORY = Path(__file__).resolve().parents[3]
# 39 images to learn from in one batch of 19 and one of 20, and shares that differ in each.
RECIPE = {
    "architecture": "shallow_cnn",
    "data": {"dataset": "scenes", "n": 60, "validation": 21, "test": 20},
    "stages": [{"fit": {"epochs": 1, "batch_size": 19, "cutout": 8, "clip": 0.5}}],
}


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "salkit"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=1200, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_train():
    Path("mine.json").write_text(json.dumps(RECIPE))
    out = torchrun("train", "--recipe", "mine.json", "--device", "cpu", "-o", "two.safetensors")
    assert out.count("epoch  train loss") == out.count("written    two.safetensors") == 1
    assert sorted(os.listdir()) == ["mine.json", "two.md", "two.safetensors"]
    assert cli.main(["train", "--recipe", "mine.json", "--device", "cpu", "-o", "one.safetensors"]) == 0
    one, two = (read_metadata(f"{name}.safetensors") for name in ("one", "two"))
    assert two["device"].startswith("2 processes, each on a CPU") and one["device"].startswith("a CPU")
    assert two["data"] == one["data"]
    first, second = (
        [value for row in record["history"]["rows"] for name, value in row.items() if name != "seconds"]
        for record in (one, two)
    )
    assert second == pytest.approx(first, abs=1e-5)
    # Stored in 16 bits.
    weights, expected = (load_checkpoint(f"{name}.safetensors").state_dict() for name in ("two", "one"))
    for name, value in expected.items():
        assert (weights[name] - value).abs().max() < 2e-3, name


def test_compare():
    command = ["compare", "scenes-blind_a", "--methods", "gradient,random_map", "-n", "100"]
    out = torchrun(*command, "-o", "two.csv")
    assert out.count("scenes-blind_a on 100 scenes") == 1
    assert cli.main([*command, "-o", "one.csv"]) == 0
    assert Path("two.csv").read_text() == Path("one.csv").read_text()
