"""A copy that is taken while a network trains is a network like any other: nothing of the training is left on it."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch
from tiny import coloured, fit, same
from torch import nn

from salkit.models import efficientnet_b0

TRAIN, VAL = coloured(24, size=32), coloured(6, seed=1, size=32)
HOOKS = [name for name in vars(nn.Linear(1, 1)) if "hooks" in name]

LOADS = """
import pickle
import sys

sys.modules["salkit.course"] = None  # can't be imported
import torch

model = pickle.load(open(sys.argv[1], "rb"))
torch.save(model(torch.load(sys.argv[2])), sys.argv[3])
"""


def pooled(classes):
    """Depthwise convolution, batch normalisation and a max pool, of torch's own."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, classes),
    )  # fmt: skip


def assert_bare(model):
    for module in model.modules():
        assert "forward" not in vars(module) and not any(getattr(module, name) for name in HOOKS)
    for parameter in model.parameters():
        assert not parameter._backward_hooks and not parameter._post_accumulate_grad_hooks
    assert b"salkit.course" not in pickle.dumps(model)


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize("build, mixed_precision", [(pooled, False), (pooled, True), (efficientnet_b0, True)])
def test_a_copy_from_a_hook_is_a_clean_network(tmp_path, build, mixed_precision):
    torch.manual_seed(0)
    model, copies = build(3), []
    fit(
        model, TRAIN, VAL, epochs=1, batch_size=12, clip=1.0, mixed_precision=mixed_precision,
        on_epoch_end=lambda m, _: copies.append(copy.deepcopy(m)),
    )  # fmt: skip
    assert copies[0].training and not model.training
    clean = copies[0].eval()
    assert same(clean, model), "there was one epoch, which was the best"
    assert_bare(model)
    assert_bare(clean)
    images = VAL.pixels()
    expected = model(images)
    torch.testing.assert_close(clean(images), expected)
    torch.testing.assert_close(torch.jit.script(clean)(images), expected)

    files = [tmp_path / name for name in ("model.pickle", "images.pt", "logits.pt")]
    files[0].write_bytes(pickle.dumps(clean))
    torch.save(images, files[1])
    subprocess.run([sys.executable, "-c", LOADS, *map(str, files)], check=True, timeout=300)
    torch.testing.assert_close(torch.load(files[2]), expected.detach())
