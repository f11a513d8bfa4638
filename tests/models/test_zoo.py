"""Ready-trained networks: those in the package, and torchvision's from a local file or a (forbidden) download."""

import email.message
import io
import socket
import urllib.error
import urllib.request

import pytest
import torch
from safetensors.torch import save_file

from salkit.errors import CheckpointError, CorruptDataError, DataUnavailableError, InputError
from salkit.models import (
    ARCHITECTURES,
    Normalize,
    fc_net,
    imagenet_classes,
    pretrained,
    save_checkpoint,
    trained,
    trained_metadata,
    trained_names,
    zoo,
)

# --- the course's own


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder that stands in for the package's weights."""
    monkeypatch.setattr(zoo, "_weights_folder", lambda: tmp_path)
    return tmp_path


def test_trained(shelf):
    net = fc_net()
    save_checkpoint(
        shelf / "cifar10-fc.safetensors", net, architecture="fc", classes=tuple("abcdefghij"), test={"accuracy": 0.5}
    )
    (shelf / "README.md").write_text("a model card")
    assert trained_names() == ("fc",)
    loaded = trained("fc")
    assert not loaded.training and loaded.classes == tuple("abcdefghij")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), loaded.parameters(), strict=True))
    assert trained_metadata("fc")["test"] == {"accuracy": 0.5}


@pytest.mark.parametrize("ask", [trained, trained_metadata])
def test_an_absent_network_lists_those_there_are(shelf, ask):
    with pytest.raises(CheckpointError, match="no trained network 'vgg' comes with this salkit; there are: none"):
        ask("vgg")
    for name in ("resnet18", "fc"):
        (shelf / f"cifar10-{name}.safetensors").touch()
    with pytest.raises(CheckpointError, match="there are: fc, resnet18$"):
        ask("vgg")
    with pytest.raises(CheckpointError, match="there are: fc, resnet18$"):
        ask("../secret")


def test_no_weights_folder_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "_weights_folder", lambda: tmp_path / "absent")
    assert trained_names() == ()


def test_every_network_in_the_package_loads_and_says_how_it_was_trained():
    for name in trained_names():
        record = trained_metadata(name)
        assert record["architecture"] in ARCHITECTURES
        assert {"history", "recipe", "data", "classes"} <= record.keys()
        with torch.no_grad():
            logits = trained(name)(torch.rand(2, *record.get("input", (3, 32, 32))))
        assert logits.shape == (2, len(record["classes"])) and logits.isfinite().all()


# --- torchvision's


@pytest.fixture
def shared(tmp_path, monkeypatch):
    monkeypatch.setenv("SALKIT_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """An empty torch cache, and a download that fails as it does without a network."""

    def fail(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.urlopen", fail)


def random_squeezenet(name="squeezenet1_1"):
    from torchvision import models

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return models.get_model(name, weights=None).eval()


def test_a_local_file_comes_first_and_images_live_in_0_1(shared, no_network):
    net = random_squeezenet()
    save_file({name: t.half() for name, t in net.state_dict().items()}, shared / "squeezenet1_1.safetensors")
    torch.manual_seed(3)
    state = torch.get_rng_state()
    model = pretrained("squeezenet1_1")
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m.training for m in model.modules())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert isinstance(model.normalize, Normalize) and model[0] is model.normalize and model[1] is model.net
    assert model.size == 224
    assert len(model.classes) == 1000 and model.classes[1] == "goldfish"

    images = torch.rand(1, 3, 64, 64)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    net.load_state_dict({name: t.half().float() for name, t in net.state_dict().items()})
    with torch.no_grad():
        torch.testing.assert_close(model(images), net((images - mean) / std))


def test_the_local_folder_may_start_with_a_tilde(shared, no_network, monkeypatch):
    monkeypatch.setenv("HOME", str(shared.parent.parent))
    monkeypatch.setenv("SALKIT_DATA", f"~/{shared.parent.name}")
    save_file(random_squeezenet().state_dict(), shared / "squeezenet1_1.safetensors")
    assert pretrained("squeezenet1_1").classes


def test_a_file_of_another_network(shared, no_network):
    save_file(random_squeezenet("squeezenet1_0").state_dict(), shared / "squeezenet1_1.safetensors")
    with pytest.raises(CheckpointError, match=r"features.0.weight has shape \(96, 3, 7, 7\)"):
        pretrained("squeezenet1_1")
    (shared / "squeezenet1_1.safetensors").write_bytes(b"damaged, and long enough to be read")
    with pytest.raises(CheckpointError, match="truncated"):
        pretrained("squeezenet1_1")


def test_without_a_network_it_says_where_to_put_the_file(shared, no_network, monkeypatch):
    place = shared / "squeezenet1_1.safetensors"
    with pytest.raises(DataUnavailableError) as caught:
        pretrained("squeezenet1_1")
    message = str(caught.value)
    assert message.endswith(f"put them as a safetensors file at {place}")
    assert "https://download.pytorch.org/models/squeezenet1_1" in message
    monkeypatch.delenv("SALKIT_DATA")
    with pytest.raises(DataUnavailableError, match="and set SALKIT_DATA$"):
        pretrained("squeezenet1_1")


def test_a_silent_server_is_given_up_and_nothing_is_printed(shared, no_network, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes the call, and never answers
        address = f"http://127.0.0.1:{server.getsockname()[1]}/weights.pth"
        monkeypatch.setattr("torch.hub.urlopen", lambda request: urllib.request.urlopen(address))
        monkeypatch.setattr(zoo, "SILENCE", 0.2)
        with pytest.raises(DataUnavailableError, match="timed out"):
            pretrained("squeezenet1_1")
    assert socket.getdefaulttimeout() is None
    assert capsys.readouterr().out == ""


def test_without_leave_to_download_nobody_is_asked(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.urlopen", lambda *args: pytest.fail("it asked the net"))
    with pytest.raises(DataUnavailableError, match="not on this machine: allow the download, or put them as"):
        pretrained("squeezenet1_1", download=False)
    # What an earlier download left in torch's cache is on this machine.
    cached = tmp_path / "torch" / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    cached.parent.mkdir(parents=True)
    net = random_squeezenet()
    torch.save(net.state_dict(), cached)
    found = pretrained("squeezenet1_1", download=False)
    assert torch.equal(found.net.classifier[1].weight, net.classifier[1].weight)
    cached.unlink()
    save_file(net.state_dict(), shared / "squeezenet1_1.safetensors")
    assert pretrained("squeezenet1_1", download=False).classes


def test_a_download_with_the_wrong_checksum(shared, no_network, monkeypatch):
    class Response(io.BytesIO):
        def info(self):
            return email.message.Message()

    monkeypatch.setattr("torch.hub.urlopen", lambda *args, **kwargs: Response(b"virus"))
    with pytest.raises(CorruptDataError, match="wrong checksum"):
        pretrained("squeezenet1_1")


def test_unknown_names():
    with pytest.raises(InputError, match="no classifier 'resnet_18'; it has .*resnet18"):
        pretrained("resnet_18")
    with pytest.raises(InputError, match="no classifier"):
        imagenet_classes("maskrcnn_resnet50_fpn")


def test_class_names_need_no_network(no_network):
    names = imagenet_classes("resnet18")
    assert len(names) == 1000 and names[0] == "tench"
