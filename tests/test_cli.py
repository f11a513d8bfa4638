"""The command ``salkit``: what it prints, writes and returns, and that errors are one line."""

import csv
import json
import os
import shutil
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import tqdm
from PIL import Image
from safetensors.torch import save_file

from salkit import __version__, cli
from salkit.data.download import checksum
from salkit.errors import TargetError
from salkit.models import load_checkpoint, read_metadata, save_checkpoint, shallow_cnn, zoo
from salkit.reporting import subjects

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working folder, data folder and cache, and no network."""
    for name in ("data", "cache", "here", "torch"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SALKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.chdir(tmp_path / "here")

    def fail(*args, **kwargs):
        raise OSError("no network in this test")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    monkeypatch.setattr("torch.hub.urlopen", fail)


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    return str(tmp_path / "cat.png")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = shallow_cnn(relu=True)
    path = tmp_path_factory.mktemp("networks") / "net.safetensors"
    return str(save_checkpoint(path, model, architecture="shallow_cnn", kwargs={"relu": True}, classes=CLASSES))


def fails(capsys, *arguments, code=1) -> str:
    """The one line that a failing command prints; nothing must be on stdout and no file left behind."""
    before = sorted(os.listdir())
    assert cli.main(list(map(str, arguments))) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.endswith("\n"), err
    assert "Traceback" not in err
    assert sorted(os.listdir()) == before
    return err.rstrip()


# --- explain


def test_explain_writes_a_figure_and_says_what_is_in_it(capsys, picture, checkpoint):
    assert cli.main(["explain", picture, "--model", checkpoint, "-o", "new/folder/map.png"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["predicted", "explained", "written"]
    best = lines[0].split()[1]
    assert best in CLASSES and lines[0].count("%") == 3
    assert lines[1] == f"explained  {best}, by gradient"
    assert lines[2].endswith("new/folder/map.png")
    assert os.listdir("new/folder") == ["map.png"]
    with Image.open("new/folder/map.png") as figure:
        assert figure.width > 600 and figure.height > 200


def test_the_figure_has_a_name_of_its_own(capsys, picture, checkpoint):
    assert cli.main(["explain", picture, "--model", checkpoint, "--method", "occlusion"]) == 0
    assert os.listdir() == ["cat-occlusion.png"]


@pytest.mark.parametrize("kind, magic", [("svg", b"<?xml"), ("pdf", b"%PDF"), ("jpg", b"\xff\xd8")])
def test_other_formats(capsys, picture, checkpoint, kind, magic):
    assert cli.main(["explain", picture, "--model", checkpoint, "-o", f"map.{kind}"]) == 0
    with open(f"map.{kind}", "rb") as file:
        assert file.read(5).startswith(magic)


def explained(capsys, picture, checkpoint, target) -> str:
    assert cli.main(["explain", picture, "--model", checkpoint, "--target", target]) == 0
    return capsys.readouterr().out.splitlines()[1].removeprefix("explained  ").removesuffix(", by gradient")


@pytest.mark.parametrize("target, name", [("6", "frog"), ("Frog", "frog"), ("plane", "airplane"), ("0", "airplane")])
def test_targets_by_number_and_name(capsys, picture, checkpoint, target, name):
    assert explained(capsys, picture, checkpoint, target) == name


@pytest.mark.parametrize(
    "target, words",
    [
        ("10", "the target must be between 0 and 9, not 10"),
        ("-1", "the target must be between 0 and 9, not -1"),
        ("lion", "the network knows no class 'lion'; its 10 are airplane, automobile, "),
        ("o", "'o' fits several classes, choose one by number: automobile (1), dog (5), frog (6), horse (7)"),
    ],
)
def test_targets_that_do_not_exist(capsys, picture, checkpoint, target, words):
    assert words in fails(capsys, "explain", picture, "--model", checkpoint, f"--target={target}")


def test_a_whole_word_goes_before_a_part_of_one():
    names = ["oystercatcher", "tiger cat", "catamaran", "dog"]
    assert subjects.find_class("cat", names) == 1
    with pytest.raises(TargetError, match=r"choose one by number: tiger cat \(1\), Persian cat \(4\)$"):
        subjects.find_class("Cat", [*names, "Persian cat"])
    assert subjects.find_class("oyster", names) == 0


def test_the_target_makes_a_difference(capsys, picture, checkpoint):
    for target in ("cat", "dog"):
        assert cli.main(["explain", picture, "--model", checkpoint, "--target", target, "-o", f"{target}.png"]) == 0
    with Image.open("cat.png") as cat, Image.open("dog.png") as dog:
        assert cat.tobytes() != dog.tobytes()


def test_a_torchvision_network_from_the_data_folder(capsys, picture, tmp_path):
    from torchvision import models

    (tmp_path / "data" / "weights").mkdir()
    net = models.squeezenet1_1(weights=None)
    save_file(net.state_dict(), tmp_path / "data" / "weights" / "squeezenet1_1.safetensors")
    options = ["--model", "squeezenet1_1", "--method", "gradcam", "--size", "64", "--target", "goldfish"]
    assert cli.main(["explain", picture, *options, "-o", "map.png"]) == 0
    assert "explained  goldfish, by gradcam" in capsys.readouterr().out


def test_a_network_of_the_course(capsys, picture, checkpoint, tmp_path, monkeypatch):
    path = Path(shutil.copy(checkpoint, tmp_path / "mine.safetensors"))
    entry = {"file": path.name, "size": path.stat().st_size, "checksum": checksum(path, "sha256:")}
    monkeypatch.setattr(zoo, "_table", lambda: {"mine": entry, "scenes-theirs": entry})
    monkeypatch.setattr(zoo, "_weights_folder", lambda: path.parent)
    assert cli.main(["explain", picture, "--model", "cifar10-mine"]) == 0
    capsys.readouterr()
    assert "there are: mine, scenes-theirs" in fails(capsys, "explain", picture, "--model", "cifar10-other")
    assert cli.main(["explain", picture, "--model", "scenes-theirs"]) == 0
    capsys.readouterr()
    assert cli.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["networks"]["here"] == ["cifar10-mine", "scenes-theirs"]
    path.unlink()
    assert cli.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["networks"]["to fetch"] == ["cifar10-mine", "scenes-theirs"]


def test_explain_errors_are_one_line(capsys, picture, checkpoint, tmp_path):
    model = ("--model", checkpoint)
    assert fails(capsys, "explain", "absent.jpg", *model) == "salkit: error: there is no file or folder absent.jpg"
    (tmp_path / "text.jpg").write_text("no picture")
    assert "text.jpg can't be read as a picture" in fails(capsys, "explain", tmp_path / "text.jpg", *model)
    whole = open(picture, "rb").read()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert "cut.png can't be read as a picture" in fails(capsys, "explain", tmp_path / "cut.png", *model)
    (tmp_path / "empty").mkdir()
    assert "there are no pictures in" in fails(capsys, "explain", tmp_path / "empty", *model)
    assert "the figure must end in .png, .svg, .pdf, .jpg, not 'map.txt'" in fails(
        capsys, "explain", picture, *model, "-o", "map.txt"
    )
    assert "there is no method 'lime'; there are gradient, " in fails(
        capsys, "explain", picture, *model, "--method", "lime"
    )
    assert "cam can't explain" in fails(capsys, "explain", picture, *model, "--method", "cam")
    error = fails(capsys, "explain", picture, *model, "--size", "40")
    assert "can't take images of 3x40x40: RuntimeError: " in error
    assert error.endswith("(it takes 3x32x32: choose the size 32)")
    assert "size must be between 8 and 4096" in fails(capsys, "explain", picture, *model, "--size", "0")
    assert "there is no file absent.safetensors" in fails(capsys, "explain", picture, "--model", "absent.safetensors")
    assert "truncated or no safetensors file" in fails(capsys, "explain", picture, "--model", tmp_path / "cut.png")
    assert "no classifier 'resnet_18'; it has resnet18" in fails(capsys, "explain", picture, "--model", "resnet_18")


def test_no_network(capsys, picture, tmp_path):
    error = fails(capsys, "explain", picture, "--model", "alexnet")
    assert error.startswith("salkit: error: the weights of alexnet could not be downloaded")
    assert str(tmp_path / "data" / "weights" / "alexnet.safetensors") in error


def test_a_failing_disk_leaves_no_crumbs(capsys, picture, checkpoint, monkeypatch):
    def full(self, file, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device", file.name)

    monkeypatch.setattr("salkit.display.Figure.savefig", full)
    assert "No space left on device" in fails(capsys, "explain", picture, "--model", checkpoint)


def seen_by(monkeypatch, checkpoint, *arguments):
    """The images that the network was given."""
    seen = []
    load = subjects.load_model

    def spy(name, device):
        model, size = load(name, device)
        model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
        return model, size

    monkeypatch.setattr(subjects, "load_model", spy)
    assert cli.main(["explain", *map(str, arguments), "--model", checkpoint, "-o", "map.png"]) == 0
    return seen


def test_the_network_sees_the_middle_square_upright(capsys, tmp_path, monkeypatch, checkpoint):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 50, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees, clockwise, to see it upright
    Image.fromarray(pixels).save(tmp_path / "phone.png", exif=exif)
    upright = torch.from_numpy(np.rot90(pixels, k=-1).copy()).permute(2, 0, 1)
    seen = seen_by(monkeypatch, checkpoint, tmp_path / "phone.png")
    assert all(torch.equal(image[0], upright[:, 9:41] / 255) for image in seen)


# --- explain: networks of one's own

MINE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, outputs, end=lambda y: y, channels=3):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU())
        self.head, self.end = nn.Linear(4, outputs), end
        self.size = 16

    def forward(self, x):
        return self.end(20 * self.head(self.features(x).mean((2, 3))))

class Fixed(nn.Module):  # one output, whatever it sees
    size = 16

    def __init__(self, value):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x):
        return self.value + 0 * x.flatten(1).sum(1, keepdim=True)

class Outputs:
    def __init__(self, logits):
        self.logits = logits

def named(model, *names):
    model.classes = names
    return model

def failing(error):
    def end(y):
        raise error
    return Net(3, end)

plain = lambda: Net(5)
wrong_names = lambda: named(Net(5), "ant", "bee")
one = lambda: named(Net(1), "no cat", "cat")
unnamed = lambda: Fixed(-1.0)
soft = lambda: Net(3, lambda y: y.softmax(1))
sigmoids = lambda: Net(3, torch.sigmoid)
one_sigmoid = lambda: Net(1, nn.Sigmoid())
carried = lambda: Net(3, Outputs)
traced = lambda: torch.jit.trace(Net(3), torch.rand(1, 3, 16, 16))
boxes = lambda: Net(3, lambda y: {"boxes": y})
half = lambda: Net(3).half()
grey = lambda: Net(3, channels=1)
nan = lambda: Net(3, lambda y: y / 0)
square = lambda: failing(AssertionError("the image must be square"))
key = lambda: failing(KeyError("mask"))
value = lambda: failing(ValueError("too small"))
"""


@pytest.fixture
def mine(monkeypatch):
    """Makes networks of a module in the working folder, which holds nothing else."""
    monkeypatch.syspath_prepend(os.getcwd())
    with open("mine.py", "w") as file:
        file.write(MINE)
    yield lambda name: getattr(import_module("mine"), name)()
    sys.modules.pop("mine", None)


def lines_of(capsys, *arguments) -> tuple[list[str], str]:
    """What a command that succeeds prints: its lines, and what stands on the error stream."""
    assert cli.main(list(map(str, arguments))) == 0
    out, err = capsys.readouterr()
    return out.splitlines(), err


def test_a_plain_module_needs_no_names(capsys, picture, mine):
    lines, err = lines_of(capsys, "explain", picture, "--model", "mine:plain")
    assert lines[0].startswith("predicted  class ") and lines[0].count("class") == 3 and err == ""
    with open("names.txt", "w") as file:
        file.write("ant\nbee\n\ncow\ndog\nelk\n")
    options = ["--classes", "names.txt", "--target", "cow"]
    lines, _ = lines_of(capsys, "explain", picture, "--model", "mine:plain", *options)
    assert lines[1] == "explained  cow, by gradient"
    assert fails(capsys, "explain", picture, "--model", "mine:plain", "--classes", "none.txt") == (
        "salkit: error: No such file or directory: none.txt"
    )


def test_the_number_of_names_must_fit(capsys, picture, mine, monkeypatch):
    def no_map(*args, **kwargs):
        raise AssertionError("a map was computed")

    monkeypatch.setattr("salkit.attribution.registry.Method.__call__", no_map)
    error = fails(capsys, "explain", picture, "--model", "mine:wrong_names")
    assert error.endswith("there are 2 class names for a network with 5 outputs: give one for each class")
    with open("names.txt", "w") as file:
        file.write("a\nb\nc\n")
    assert "3 class names for a network with a single output, which tells 2 classes apart" in fails(
        capsys, "explain", picture, "--model", "mine:one", "--classes", "names.txt"
    )


def saved_map(capsys, picture, model, *options):
    assert cli.main(["explain", picture, "--model", f"mine:{model}", "-o", "map.npy", *options]) == 0
    capsys.readouterr()
    return torch.from_numpy(np.load("map.npy"))


def seen(picture, size=16):
    from salkit.data import middle_square, read_photo

    return middle_square(read_photo(picture), size)


def slope(score, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(score(x).sum(), x)[0][0]


def test_one_logit_is_shown_by_its_sigmoid_and_explained_as_it_is(capsys, picture, mine):
    model, x = mine("one"), seen(picture)
    p = model(x).sigmoid().item()
    likely, other = sorted([(p, "cat"), (1 - p, "no cat")], reverse=True)
    lines, err = lines_of(capsys, "explain", picture, "--model", "mine:one")
    assert lines[0] == f"predicted  {likely[1]} {likely[0]:.1%}, {other[1]} {other[0]:.1%}"
    assert lines[1] == "explained  cat, by gradient" and err == ""
    expected = slope(model, x)
    assert expected.abs().max() > 0
    torch.testing.assert_close(saved_map(capsys, picture, "one"), expected)
    torch.testing.assert_close(saved_map(capsys, picture, "one", "--target", "no cat"), -expected)
    torch.testing.assert_close(saved_map(capsys, picture, "one", "--target", "1"), expected)


def test_one_logit_without_names_says_yes_or_no(capsys, picture, mine):
    options = ["explain", picture, "--model", "mine:unnamed", "--method", "edge_map"]
    assert lines_of(capsys, *options)[0][:2] == ["predicted  no 73.1%, yes 26.9%", "explained  yes, by edge_map"]
    with open("name.txt", "w") as file:
        file.write("cat\n")
    assert lines_of(capsys, *options, "--classes", "name.txt")[0][0] == "predicted  no cat 73.1%, cat 26.9%"


@pytest.mark.parametrize("name, end", [("soft", "softmax"), ("sigmoids", "sigmoid"), ("one_sigmoid", "sigmoid")])
def test_probabilities_are_shown_once(capsys, picture, mine, name, end):
    outputs = mine(name)(seen(picture))[0].tolist()
    if len(outputs) == 1:
        outputs = [1 - outputs[0], outputs[0]]
    lines, err = lines_of(capsys, "explain", picture, "--model", f"mine:{name}")
    shown = [part.rsplit(" ", 1)[1] for part in lines[0].split(", ")]
    assert shown == [f"{p:.1%}" for p in sorted(outputs, reverse=True)]
    assert err.startswith(f"salkit: warning: the network ends in a {end}: ") and err.count("\n") == 1


def test_the_probability_is_what_is_explained(capsys, picture, mine):
    expected = slope(lambda x: mine("soft")(x)[:, 1], seen(picture))
    torch.testing.assert_close(saved_map(capsys, picture, "soft", "--target", "1"), expected)


def test_outputs_that_carry_logits(capsys, picture, mine):
    expected = mine("carried")(seen(picture)).logits.softmax(1)[0].amax().item()
    lines, _ = lines_of(capsys, "explain", picture, "--model", "mine:carried", "--method", "occlusion")
    assert lines[0].split(", ")[0].endswith(f" {expected:.1%}")


@pytest.mark.parametrize(
    "name, words",
    [
        ("boxes", "puts out dict, where (N, classes) logits are needed"),
        ("half", "(its weights are float16, not float32 as the images: convert it with .float())"),
        ("grey", "expected input[1, 3, 16, 16] to have 1 channels, but got 3 channels instead (it takes 1x16x16"),
        ("nan", "hold NaN or infinity"),
        ("square", "can't take images of 3x16x16: AssertionError: the image must be square"),
        ("key", "KeyError: 'mask'"),
        ("value", "ValueError: too small"),
    ],
)
def test_whatever_a_network_raises_is_one_line(capsys, picture, mine, name, words):
    for command in (["explain", picture, "--model", f"mine:{name}"], ["report", f"mine:{name}", picture]):
        error = fails(capsys, *command)
        assert words in error and "choose the size" not in error


def test_a_network_that_fails_only_when_it_is_explained(capsys, picture, mine, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyError("backward")

    monkeypatch.setattr("salkit.attribution.registry.Method.__call__", fail)
    assert fails(capsys, "explain", picture, "--model", "mine:plain").endswith(
        "gradient failed in the network: KeyError: 'backward'"
    )


@pytest.mark.parametrize("name", ["weights.pt", "some/model.pth", "net.onnx"])
def test_weights_of_another_kind(capsys, picture, name):
    error = fails(capsys, "explain", picture, "--model", name)
    assert "weights are read from .safetensors files only" in error and "MODULE:FUNCTION" in error


def test_a_layer_by_its_name(capsys, picture, mine):
    early = saved_map(capsys, picture, "plain", "--method", "gradcam", "--layer", "features.0")
    last = saved_map(capsys, picture, "plain", "--method", "gradcam")
    assert early.shape == last.shape == (1, 16, 16) and not torch.equal(early, last)
    command = ["explain", picture, "--model", "mine:plain"]
    assert "the network has no layer 'feature.0'; it has features.0" in fails(
        capsys, *command, "--method", "gradcam", "--layer", "feature.0"
    )
    assert "gradient reads no layer: --layer goes with gradcam" in fails(capsys, *command, "--layer", "features.0")


# --- explain: what is written


def test_the_map_is_the_methods_own(capsys, picture, mine):
    model, x = mine("plain"), seen(picture)
    found = saved_map(capsys, picture, "plain", "--target", "3")
    torch.testing.assert_close(found, slope(lambda x: model(x)[:, 3], x))
    lines_of(capsys, "explain", picture, "--model", "mine:plain", "--as", "map")
    assert np.load("cat-gradient.npy").shape == (3, 16, 16)


def test_the_overlay_has_the_size_of_the_picture(capsys, picture, mine):
    lines, _ = lines_of(capsys, "explain", picture, "--model", "mine:plain", "--as", "overlay")
    assert lines[-1] == "written    cat-gradient-overlay.png"
    over = np.asarray(Image.open("cat-gradient-overlay.png")).astype(int)
    assert over.shape == (40, 60, 3)
    outside = np.concatenate([over[:, :10], over[:, 50:]], axis=1)
    assert (outside.max(2) == outside.min(2)).all(), "no heat outside of the square"
    assert (over[:, 10:50].max(2) > over[:, 10:50].min(2)).any()
    grey = np.asarray(Image.open(picture)) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(outside[..., 0] - 0.4 * np.concatenate([grey[:, :10], grey[:, 50:]], axis=1)).max() <= 1
    assert "the overlay must end in .png, .jpg, not 'o.svg'" in fails(
        capsys, "explain", picture, "--model", "mine:plain", "--as", "overlay", "-o", "o.svg"
    )


@pytest.fixture
def photos(tmp_path):
    """A folder with two pictures, one of them of 16 bits a channel, and a damaged one between them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    whole = (folder / "a.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    return folder


def test_several_pictures_and_one_that_is_damaged(capsys, photos, mine):
    command = ["explain", photos, "--model", "mine:plain"]
    lines, err = lines_of(capsys, *command, "-o", "maps")
    assert sorted(os.listdir("maps")) == ["a-gradient.png", "deep-gradient.png"]
    assert lines[::4] == [str(photos / "a.png"), str(photos / "deep.png")]
    assert err.startswith(f"salkit: warning: skipped: {photos / 'broken.png'} can't be read as a picture")
    assert err.count("\n") == 1
    assert "for 3 pictures -o must name a folder, not the file map.png" in fails(capsys, *command, "-o", "map.png")
    (photos / "more").mkdir()
    (photos / "more" / "a.jpg").write_bytes((photos / "a.png").read_bytes())
    assert "would both be written to a-gradient.png" in fails(capsys, *command)


def test_pictures_of_which_none_can_be_read(capsys, photos, tmp_path):
    for name in ("a.png", "deep.png"):
        (photos / name).write_bytes(b"")
    error = fails(capsys, "explain", photos, "--model", "never:asked")
    assert "none of the 3 pictures can be read; of the first, " in error and "a.png can't be read" in error
    assert "none of the 3 pictures" in fails(capsys, "report", "cifar10-small_cnn", photos)


def test_no_picture_is_overwritten(capsys, picture, photos):
    before = open(picture, "rb").read()
    for output in (picture, os.path.relpath(picture)):
        error = fails(capsys, "explain", picture, "--model", "never:asked", "-o", output)
        assert "is one of the inputs, which would be lost" in error
    os.symlink(photos / "a.png", "link.png")
    assert "one of the inputs" in fails(capsys, "explain", photos / "a.png", "--model", "never:asked", "-o", "link.png")
    os.rename(photos / "a.png", photos / "deep-gradient.png")
    assert "one of the inputs" in fails(capsys, "explain", photos, "--model", "never:asked", "-o", photos)
    (photos / "p.html").write_bytes(before)
    assert "one of the inputs" in fails(capsys, "report", "never:asked", photos / "p.html", "-o", photos / "p.html")
    assert open(picture, "rb").read() == before


def test_an_output_that_cannot_be_written_is_found_before_any_work(capsys, picture):
    open("a_file", "w").close()
    os.mkdir("folder.html")
    explain, report = ["explain", picture, "--model", "never:asked"], ["report", "never:asked", picture]
    for command, output in (
        (explain, "a_file/map.png"),
        (explain, "/proc/map.png"),
        (report, "a_file/page.html"),
        (report, "/proc/page.html"),
        (report, "folder.html"),
    ):
        error = fails(capsys, *command, "-o", output)
        assert f"{output} can't be written: " in error and ".tmp" not in error


def test_warnings_are_sentences(capsys, picture, monkeypatch):
    def warn():
        for _ in range(2):
            warnings.warn("something\n  is odd", stacklevel=1)
        return {}

    monkeypatch.setattr("salkit.reporting.machine.facts", warn)
    assert lines_of(capsys, "doctor") == ([], "salkit: warning: something is odd\n")


def test_progress_is_for_terminals(capsys, picture, mine, monkeypatch):
    command = ["explain", picture, "--model", "mine:plain", "--method", "occlusion"]
    assert lines_of(capsys, *command)[1] == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    real = tqdm.tqdm
    monkeypatch.setattr(tqdm, "tqdm", lambda **options: real(**{**options, "delay": 0, "mininterval": 0}))
    assert " images through the network" in lines_of(capsys, *command)[1]
    assert cli.main(["explain", picture, "--model", "mine:traced", "--size", "16"]) == 0


# --- doctor


def test_doctor(capsys, tmp_path, monkeypatch):
    (tmp_path / "data" / "weights").mkdir()
    (tmp_path / "data" / "weights" / "alexnet.safetensors").touch()
    monkeypatch.setattr(zoo, "_table", dict)
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    for line in (f"salkit         {__version__}", f"SALKIT_DATA    {tmp_path / 'data'}", "not found: salkit data get",
                 "in SALKIT_DATA alexnet", "to fetch       none", "GB where the cache is"):  # fmt: skip
        assert line in out
    assert cli.main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["versions"]["salkit"] == __version__
    assert facts["networks"] == {"here": [], "to fetch": [], "in SALKIT_DATA": ["alexnet"]}
    assert facts["data"]["cache"] == str(tmp_path / "cache")


def test_doctor_finds_data_and_tells_of_folders_that_are_not_there(capsys, tmp_path, monkeypatch):
    from salkit.data.handwriting import MNIST_FILES

    folder = tmp_path / "data" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in sum(MNIST_FILES.values(), ()):
        (folder / name).touch()
    cli.main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["data"]["MNIST"] == str(folder)
    monkeypatch.setenv("SALKIT_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setenv("SALKIT_CACHE", str(tmp_path / "nowhere" / "either"))
    assert cli.main(["doctor", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["SALKIT_DATA"].endswith("nowhere (no such folder)")
    assert data["cache"].endswith("either (not made yet)")
    assert data["MNIST"].startswith("not found")


# --- data get


def test_get_data(capsys, monkeypatch, tmp_path):
    from salkit import data

    sets = {split: data.scenes(n, seed=0) for split, n in (("train", 4), ("test", 2))}
    monkeypatch.setattr(data, "cifar10", sets.__getitem__)
    monkeypatch.setattr(data, "find_cifar10", lambda: tmp_path / "cifar10.tgz")
    assert cli.main(["data", "get", "cifar10"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{sets['train'].source}: 4 training and 2 test images",
        f"read from {tmp_path / 'cifar10.tgz'}",
    ]


def test_get_data_without_a_network_is_one_line(capsys, tmp_path):
    for name in ("cifar10", "mnist"):
        assert cli.main(["data", "get", name]) == 1
        error = capsys.readouterr().err.rstrip().splitlines()[-1]
        assert error.startswith("salkit: error: ") and "What helps: " in error


def test_damaged_data_is_one_line(capsys, tmp_path):
    (tmp_path / "data" / "cifar10.tar.xz").write_bytes(b"not an archive")
    assert "cifar10.tar.xz" in fails(capsys, "data", "get", "cifar10")


# --- train


TINY = {
    "architecture": "small_cnn",
    "kwargs": {"width": 2},
    "data": {"dataset": "scenes", "n": 60, "validation": 20, "test": 20, "size": 16},
    "stages": [{"fit": {"epochs": 1}}, {"fit": {"epochs": 2, "batch_size": 20}}],
}


@pytest.fixture
def recipe(tmp_path):
    """A recipe of one's own that is done in a moment."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(TINY))
    return str(path)


def test_train_writes_the_network_and_its_card(capsys, recipe):
    assert cli.main(["train", "--recipe", recipe, "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("epoch  train loss") == 2, "a table for each stage"
    assert out.splitlines()[-1] == "written    mine.safetensors and mine.md"
    assert sorted(os.listdir()) == ["mine.md", "mine.safetensors"]
    record = read_metadata("mine.safetensors")
    assert record["recipe"] == {"epochs": 2, "batch_size": 20} and record["before"] == [{"epochs": 1}]
    assert record["test"]["images"] == 20 and record["chosen_by"] == 20 and record["input"] == [3, 16, 16]
    card = open("mine.md", encoding="utf-8").read()
    assert "# mine, trained on Scenes" in card and "`fit(epochs=1)`, then `fit(epochs=2, batch_size=20)`" in card
    assert f"test       {record['test']['accuracy']:.2%} of 20 images" in out
    assert load_checkpoint("mine.safetensors")(torch.rand(1, 3, 16, 16)).shape == (1, 10)


def test_train_with_other_epochs_and_seed(capsys, recipe):
    assert cli.main(["train", "--recipe", recipe, "--epochs", "1", "--seed", "5", "-o", "a/b.safetensors"]) == 0
    record = read_metadata("a/b.safetensors")
    assert record["recipe"]["epochs"] == 1 and record["seed"] == 5
    assert sorted(os.listdir("a")) == ["b.md", "b.safetensors"]
    assert "seed=5" in open("a/b.md", encoding="utf-8").read()


def test_an_interrupted_training_goes_on(capsys, recipe, monkeypatch):
    from salkit.course.recipes import Options

    assert cli.main(["train", "--recipe", recipe, "-o", "whole.safetensors"]) == 0
    fit = Options.fit

    def interrupted(self, *arguments, **named):
        def stop(model, history):
            if self.epochs == 2:
                raise KeyboardInterrupt

        return fit(self, *arguments, **{**named, "on_epoch_end": (stop,)})

    monkeypatch.setattr(Options, "fit", interrupted)
    capsys.readouterr()
    command = ["train", "--recipe", recipe, "-o", "other.safetensors"]
    assert cli.main(command) == 130
    assert capsys.readouterr().err == f"salkit: interrupted: to go on, salkit {' '.join(command)} --resume\n"
    assert {"other.1.state", "other.2.state"} <= set(os.listdir()) and not os.path.exists("other.safetensors")
    monkeypatch.setattr(Options, "fit", fit)

    error = fails(capsys, *command)
    assert "an interrupted training left other.1.state and other.2.state in .: resume it, or delete" in error
    assert "other.2.state belongs to another training (epochs was 2 and is 3)" in fails_late(
        capsys, *command, "--resume", "--epochs", "3"
    )
    assert cli.main([*command, "--resume"]) == 0
    assert not [name for name in os.listdir() if name.endswith(".state")]
    whole, other = (load_checkpoint(f"{name}.safetensors").state_dict() for name in ("whole", "other"))
    assert all(torch.equal(whole[key], other[key]) for key in whole)


def fails_late(capsys, *arguments) -> str:
    """The error of a command that has printed something before."""
    assert cli.main(list(arguments)) == 1
    return capsys.readouterr().err


def test_train_lists_its_recipes(capsys):
    assert cli.main(["train", "--list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["resnet18", "resnet18", "cifar10", "32"] in lines
    assert ["vgg11", "vgg11", "cifar10", "5", "+", "1"] in lines


def test_train_errors_are_one_line(capsys, recipe, tmp_path):
    assert "there is no recipe 'resnet19', did you mean resnet18?" in fails(capsys, "train", "--recipe", "resnet19")
    assert "No such file or directory: absent.json" in fails(capsys, "train", "--recipe", "absent.json")
    assert "must be written to a file that ends in .safetensors, not 'net.pt'" in fails(
        capsys, "train", "--recipe", recipe, "-o", "net.pt"
    )
    assert "the device 'gpu' can't be used here" in fails(capsys, "train", "--recipe", recipe, "--device", "gpu")
    assert "epochs must be at least 1, not 0" in fails(capsys, "train", "--recipe", recipe, "--epochs", "0")
    assert "What helps: " in fails_late(capsys, "train", "--recipe", "fc")


# --- compare


def test_compare_prints_and_writes_the_table(capsys):
    command = ["compare", "scenes-blind_a", "--methods", "gradient,random_map", "-n", "4"]
    assert cli.main([*command, "-o", "scores.csv"]) == 0
    out = capsys.readouterr().out
    assert "scenes-blind_a on 4 scenes, means with 95 % intervals" in out
    heading, *rows = (line.split() for line in out.splitlines()[-4:-1])
    assert heading == ["mass", "rank", "hit", "auc", "deletion", "insertion"]
    assert [row[0] for row in rows] == ["gradient", "random_map"]
    with open("scores.csv", encoding="utf-8") as file:
        numbers = list(csv.DictReader(file))
    assert len(numbers) == 2 * 6 * 4

    assert cli.main([*command, "-o", "scores.json"]) == 0
    record = json.load(open("scores.json", encoding="utf-8"))
    assert (record["model"], record["scenes"], record["seed"]) == ("scenes-blind_a", 4, 2)
    assert [str(row["value"]) for row in record["rows"]] == [row["value"] for row in numbers]
    mass = [row["value"] for row in record["rows"] if (row["method"], row["score"]) == ("gradient", "mass")]
    assert record["means"][0]["mean"] == pytest.approx(sum(mass) / 4)


def test_compare_errors_are_one_line(capsys, checkpoint):
    assert "must end in .csv or .json, not 'table.txt'" in fails(capsys, "compare", "-o", "table.txt")
    assert "there is no method 'lime'" in fails(capsys, "compare", "scenes-blind_a", "--methods", "lime", "-n", "2")
    assert "doesn't know the classes that Scenes draws" in fails(capsys, "compare", "mnist-cnn_48_96_192")
    assert "'cam' does not apply" in fails(capsys, "compare", checkpoint, "--methods", "cam", "-n", "2")


# --- the frame


def test_interruption(capsys, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("salkit.reporting.machine.facts", interrupt)
    assert fails(capsys, "doctor", code=130) == "salkit: interrupted"


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["explain"], ["data"], ["data", "get"], ["data", "get", "imagenet"], ["report", "resnet18"],
     ["train"], ["train", "--list", "--recipe", "fc"]],
)
def test_wrong_usage_ends_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: salkit" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [[], ["doctor"], ["data", "get"], ["explain"], ["report"], ["train"], ["compare"], ["grade"]]
)
def test_every_command_helps_with_an_example(capsys, command):
    with pytest.raises(SystemExit) as caught:
        cli.main([*command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "example" in out and f"\n  {' '.join(['salkit', *command])}" in out


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"salkit {__version__}\n"


def test_as_a_module_and_without_waiting_for_torch():
    code = (
        "import sys, runpy; sys.argv = ['salkit', '--help']\n"
        "try: runpy.run_module('salkit', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: salkit")


def test_a_reader_that_goes_away_is_no_error():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    code = (
        "import sys; from salkit import cli; from salkit.reporting import machine\n"
        "machine.facts = lambda: {'x': {str(i): 'y' * 100 for i in range(5000)}}\n"
        "sys.exit(cli.main(['doctor']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
    assert (process.returncode, error) == (0, "")


@pytest.mark.parametrize(("given", "size"), [(48, 48), ((32, 32), 32), ([32, 48], 224), ("large", 224), (None, 224)])
def test_the_size_that_a_network_of_ones_own_names(monkeypatch, given, size):
    net = torch.nn.Identity()
    net.size = given
    monkeypatch.setattr(subjects, "_import_model", lambda name: net)
    assert subjects.load_model("module:function", "cpu")[1] == size
