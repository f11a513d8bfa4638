"""Checkpoints: what goes in comes out, damage and misfits are clear errors, and nothing half-written stays."""

import json
import os
import stat
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from salkit.course import History
from salkit.data import ImageSet
from salkit.errors import CheckpointError
from salkit.models import (
    fc_net,
    load_checkpoint,
    load_weights,
    read_metadata,
    resnet18,
    save_checkpoint,
    shallow_cnn,
)

KWARGS = {"num_classes": 3, "strides": (1, 2)}


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = resnet18(**KWARGS)
        net.train()(torch.rand(4, 3, 32, 32))  # so that BatchNorm has statistics worth keeping
    return net.eval()


@pytest.fixture
def saved(model, tmp_path):
    return save_checkpoint(tmp_path / "net.safetensors", model, architecture="resnet18", kwargs=KWARGS)


def history():
    row = dict(epoch=1, train_loss=2.0, train_accuracy=0.25, val_loss=1.5, val_accuracy=0.5, lr=0.1, seconds=3.0)
    return History([row], 1, "finished")


def images():
    return ImageSet(torch.zeros(6, 3, 2, 2, dtype=torch.uint8), torch.arange(6) % 3, ("a", "b", "c"), source="zeros")


# --- there and back


def test_in_full_precision_nothing_changes(model, saved):
    loaded = load_checkpoint(saved)
    assert not any(m.training for m in loaded.modules())
    expected = model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert all(p.requires_grad for p in loaded.parameters())
    assert loaded.net.conv1.stride == (1, 1)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))


def test_in_half_precision_parameters_shrink_and_buffers_do_not(model, saved, tmp_path):
    path = save_checkpoint(tmp_path / "half.safetensors", model, architecture="resnet18", kwargs=KWARGS, half=True)
    stored, parameters = load_file(path), dict(model.named_parameters())
    for name, tensor in model.state_dict().items():
        if name in parameters:
            assert stored[name].dtype == torch.float16
        else:
            assert stored[name].dtype == tensor.dtype and torch.equal(stored[name], tensor), name
    assert path.stat().st_size < 0.51 * saved.stat().st_size
    loaded = load_checkpoint(path)
    assert {t.dtype for t in loaded.state_dict().values()} == {torch.float32, torch.int64}
    for name, parameter in loaded.named_parameters():
        torch.testing.assert_close(parameter.data, parameters[name].data, rtol=1e-3, atol=1e-7)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(loaded(x), model(x), rtol=0, atol=2e-2)


def test_the_record(tmp_path):
    path = save_checkpoint(
        tmp_path / "new" / "folder" / "net.safetensors",
        fc_net(3),
        architecture="fc",
        kwargs={"num_classes": 3},
        history=history(),
        recipe={"epochs": 1, "lr": 0.1},
        data=images(),
        test={"accuracy": 0.5},
        device="one core",
    )
    record = read_metadata(path)
    assert record["format"] == 1
    assert (record["architecture"], record["kwargs"]) == ("fc", {"num_classes": 3})
    assert record["classes"] == ["a", "b", "c"]
    assert record["parameters"] == sum(p.numel() for p in fc_net(3).parameters())
    assert History.from_dict(record["history"]) == history()
    assert record["recipe"] == {"epochs": 1, "lr": 0.1}
    assert record["data"] == {"digest": images().digest(), "images": 6, "source": "zeros"}
    assert record["test"] == {"accuracy": 0.5} and record["device"] == "one core"
    assert torch.__version__.startswith(record["versions"]["torch"])
    assert len(record["date"]) == 10
    assert load_checkpoint(path).classes == ("a", "b", "c")


def test_saving_leaves_the_model_alone_and_loading_draws_no_random_number(model, tmp_path):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    path = save_checkpoint(tmp_path / "a", model, architecture="resnet18", kwargs=KWARGS, half=True)
    load_checkpoint(path)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_a_loaded_model_trains(saved):
    loaded = load_checkpoint(saved)
    loaded.train()(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None and not p.is_meta for p in loaded.parameters())


def test_an_existing_file_is_replaced_whole_with_ordinary_permissions(saved):
    umask = os.umask(0)
    os.umask(umask)
    save_checkpoint(saved, fc_net(3), architecture="fc", kwargs={"num_classes": 3})
    assert read_metadata(saved)["architecture"] == "fc"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o666 & ~umask
    assert os.listdir(saved.parent) == [saved.name]


# --- what must not be saved


def refuse(tmp_path, model, words, **options):
    with pytest.raises(CheckpointError, match=words):
        save_checkpoint(tmp_path / "no.safetensors", model, **options)
    assert os.listdir(tmp_path) == []


def test_nan_and_overflow_are_refused(tmp_path):
    net = fc_net(3)
    options = dict(architecture="fc", kwargs={"num_classes": 3})
    net.net[1].bias.data[0] = 1e6
    refuse(tmp_path, net, r"net.1.bias is not finite in 16 bits: save it with half=False", half=True, **options)
    save_checkpoint(tmp_path / "full.safetensors", net, **options)
    os.remove(tmp_path / "full.safetensors")
    net.net[1].bias.data[0] = torch.nan
    refuse(tmp_path, net, r"net.1.bias is not finite$", half=True, **options)
    refuse(tmp_path, net, r"net.1.bias is not finite$", **options)


def test_a_model_that_is_not_what_the_record_says_is_refused(tmp_path, model):
    refuse(tmp_path, model, "net.1.weight is missing", architecture="fc")
    refuse(tmp_path, model, r"net.fc.weight has shape \(3, 512\)", architecture="resnet18")
    refuse(tmp_path, model, r"it has .*stride=\(1, 1\)", architecture="resnet18", kwargs={"num_classes": 3})
    refuse(tmp_path, shallow_cnn(relu=True), "isn't what shallow_cnn builds|doesn't fit", architecture="shallow_cnn")
    refuse(tmp_path, model, "unknown architecture 'vgg'; known are fc, ", architecture="vgg")
    refuse(tmp_path, model, "takes num_classes, strides", architecture="resnet18", kwargs={"depth": 3})


def test_a_record_that_json_cannot_hold_is_refused(tmp_path):
    refuse(tmp_path, fc_net(), "must fit into JSON", architecture="fc", device=torch.device("cpu"))


def test_a_failing_disk_leaves_the_old_file_and_no_crumbs(saved, monkeypatch):
    before = saved.read_bytes()

    def full(tensors, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr("salkit.models.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(saved, fc_net(), architecture="fc")
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


# --- damaged and foreign files


@pytest.mark.parametrize("read", [load_checkpoint, read_metadata, lambda path: load_weights(fc_net(), path)])
@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_truncated_files(saved, read, keep):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match="truncated or no safetensors file"):
        read(saved)


@pytest.mark.parametrize("read", [load_checkpoint, read_metadata, lambda path: load_weights(fc_net(), path)])
def test_other_files(tmp_path, read):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "pickle.pt")
    (tmp_path / "text.safetensors").write_text("not a checkpoint at all, but longer than a header")
    for name in ("pickle.pt", "text.safetensors"):
        with pytest.raises(CheckpointError, match=f"{name} is truncated or no safetensors file"):
            read(tmp_path / name)
    for nothing in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="there is no file"):
            read(nothing)


def forge(path, **changes) -> None:
    """Rewrite the record inside a checkpoint, leaving the tensors."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    record = json.loads(header["__metadata__"]["salkit"]) | changes
    header["__metadata__"]["salkit"] = json.dumps(record)
    new = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])


@pytest.mark.parametrize(
    "changes, words",
    [
        (dict(architecture="os.system"), "unknown architecture 'os.system'"),
        (dict(architecture=["fc"]), "unknown architecture"),
        (dict(architecture="shallow_cnn", kwargs={}), "is missing.*more"),
        (dict(kwargs={"num_classes": 4, "strides": [1, 2]}), r"net.fc.weight has shape \(3, 512\).*\(4, 512\)"),
        (dict(kwargs={"command": 1}), "can't be built with"),
        (dict(kwargs={"num_classes": "__import__('os')"}), "can't be built with"),
        (dict(kwargs={"strides": [[1], 2]}), "can't be built with"),
        (dict(kwargs={"num_classes": -1}), "can't be built with"),
        (dict(kwargs={"strides": [1]}), "can't be built with"),
        (dict(kwargs=[1]), "can't be built with"),
        (dict(kwargs={"num_classes": 10**12}), "has shape"),
        (dict(format=99), "has format 99, and this version of salkit reads 1"),
    ],
)
def test_forged_records(saved, changes, words):
    forge(saved, **changes)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(saved)


def test_a_safetensors_file_without_a_record(tmp_path):
    net = fc_net(3)
    path = tmp_path / "plain.safetensors"
    save_file(net.state_dict(), path)
    with pytest.raises(CheckpointError, match="holds no record of its network: load it with load_weights"):
        load_checkpoint(path)
    assert load_weights(other := fc_net(3), path) is other
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    save_file(net.state_dict(), path, metadata={"salkit": "{broken"})
    with pytest.raises(CheckpointError, match="damaged"):
        read_metadata(path)


# --- load_weights


def test_load_weights_keeps_dtype_and_mode(saved, model):
    net = resnet18(**KWARGS).double().train()
    load_weights(net, saved)
    assert net.training and {p.dtype for p in net.parameters()} == {torch.float64}
    torch.testing.assert_close(net.net.fc.weight, model.net.fc.weight.double())


def test_load_weights_names_the_first_differences_and_changes_nothing(saved):
    net = resnet18(5)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_weights(net, saved)
    assert "net.fc.weight has shape (3, 512), and the network's has (5, 512)" in str(caught.value)
    assert "net.fc.bias" in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    with pytest.raises(CheckpointError) as caught:
        load_weights(nn.Sequential(nn.Linear(2, 2)), saved)
    message = str(caught.value)
    assert "0.weight is missing" in message and "is not in the network; and" in message
    assert message.endswith(" more") and len(message) < 400
