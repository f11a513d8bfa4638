import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

import salkit
from salkit import course
from salkit.errors import ProfileError


def test_one_line_names_profile_device_data_and_versions(monkeypatch, capsys):
    monkeypatch.setenv("SALKIT_PROFILE", "fast")
    monkeypatch.setenv("SALKIT_DATA", "/somewhere/private")
    run = course.start()
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert all(word in line for word in ("fast", run.device.type, "embedded", torch.__version__, salkit.__version__))
    assert "private" not in line
    assert run.pick(full=20, fast=2) == 2


def test_full_is_the_default_and_says_where_data_is_looked_for(monkeypatch, capsys):
    monkeypatch.setenv("SALKIT_PROFILE", "")
    monkeypatch.setenv("SALKIT_DATA", "/somewhere/private")
    run = course.start()
    assert run.profile == "full" and run.pick(full=20, fast=2) == 20
    out = capsys.readouterr().out
    assert "$SALKIT_DATA" in out and "private" not in out
    monkeypatch.delenv("SALKIT_DATA")
    course.start()
    assert "$SALKIT_DATA" not in capsys.readouterr().out


def test_unknown_profile_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("SALKIT_PROFILE", "quick")
    with pytest.raises(ProfileError, match="'full' or 'fast', not 'quick'"):
        course.start()


def test_seeds_every_generator():
    def draw():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()

    course.start(seed=3)
    first = draw()
    course.start(seed=3)
    assert draw() == first
    course.start(seed=4)
    again = draw()
    assert all(a != b for a, b in zip(first, again))


def test_import_loads_nothing_heavy():
    code = (
        "import sys, salkit; heavy = {'torch', 'torchvision', 'captum', 'matplotlib', 'skimage'} & set(sys.modules);"
        "assert not heavy, heavy; assert 'gradient' in dir(salkit); salkit.gradient;"
        "heavy = {'torchvision', 'captum', 'matplotlib', 'skimage', 'torch._dynamo'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No salkit attribute gradcamm"):
        _ = salkit.gradcamm


def test_every_method_is_reachable_from_the_top():
    assert set(salkit.METHODS) <= set(dir(salkit))
    for name, method in salkit.METHODS.items():
        assert getattr(salkit, name) is method.function
