"""CIFAR-10 from every layout, found, downloaded, cached; and every way in which that can go wrong."""

import hashlib
import io
import os
import pickle
import random
import socket
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from salkit.data import CIFAR10_CLASSES, cifar, cifar10, find_cifar10, get_cifar10
from salkit.data.cifar import OFFICIAL, Release
from salkit.errors import CorruptDataError, DataUnavailableError, InputError

COUNTS = {"train": 2, "test": 1}
FOLDER_NAMES = ["cifar10", "CIFAR10", *(f"cifar10.{ending}" for ending in ("tar", "tar.gz", "tgz", "tar.xz", "zip"))]
TAR_MODES = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.xz": "w:xz"}


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def encode(array, kind="png"):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG"}[kind])
    return buffer.getvalue()


def class_folders(kind="png"):
    """File names and contents, in no particular order, for two images a class to train and one to test."""
    content = {
        f"{split}/{name}/{i:04d}.{kind}": encode(pixels((len(split), label, i)), kind)
        for split, count in COUNTS.items()
        for label, name in enumerate(CIFAR10_CLASSES)
        for i in range(count)
    }
    order = sorted(content)
    random.Random(0).shuffle(order)
    return {name: content[name] for name in order}


def expected(split):
    labels = [label for label in range(10) for _ in range(COUNTS[split])]
    arrays = [pixels((len(split), label, i)) for label in range(10) for i in range(COUNTS[split])]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2), torch.tensor(labels)


def write(path, content):
    """``{name: bytes}`` as a folder, or as an archive of the kind that the path's name ends with."""
    ending = path.name.partition(".")[2]
    if not ending:
        for name, data in content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    elif ending == "zip":
        with zipfile.ZipFile(path, "w") as target:
            for name, data in content.items():
                target.writestr(name, data)
    else:
        with tarfile.open(path, TAR_MODES[ending]) as target:
            for name, data in content.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                target.addfile(member, io.BytesIO(data))
    return path


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote in 2009: every string a byte string, protocol 2, numpy's old module name."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        data = value.encode() if isinstance(value, str) else value
        self.write(b"T" + len(data).to_bytes(4, "little") + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def pickle_batch(value):
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def official_batches(length=10):
    batches = {}
    for seed, name in enumerate(["data_batch_1", "data_batch_2", "test_batch"]):
        data = np.random.default_rng(seed).integers(0, 256, (length, 3072), dtype=np.uint8)
        labels = [(seed + i) % 10 for i in range(length)]
        batches[name] = {"data": data, "labels": labels, "batch_label": name, "filenames": ["x.png"] * length}
    return batches


def release_of(batches: dict[str, bytes], archive: bytes, length=10, urls=()) -> Release:
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in batches.items()}
    splits = {"train": ("data_batch_1", "data_batch_2"), "test": ("test_batch",)}
    return Release(
        urls=urls,
        checksum=f"md5:{hashlib.md5(archive).hexdigest()}",
        size=len(archive),
        batches={split: {name: md5[name] for name in names} for split, names in splits.items()},
        batch_length=length,
    )


@pytest.fixture
def official(tmp_path):
    """The batches, their pickles as files of the archive, the archive, and its release."""
    batches = official_batches()
    pickles = {name: pickle_batch(batch) for name, batch in batches.items()}
    members = {f"cifar-10-batches-py/{name}": pickles[name] for name in ("data_batch_2", "test_batch", "data_batch_1")}
    members["cifar-10-batches-py/batches.meta"] = pickle_batch({"label_names": list(CIFAR10_CLASSES)})
    members["cifar-10-batches-py/readme.html"] = b"<html>"
    (tmp_path / "official").mkdir()
    archive = write(tmp_path / "official" / "x.tar.gz", members).read_bytes()
    return batches, members, archive, release_of(pickles, archive)


def assert_official(images, batches, split):
    names = ["data_batch_1", "data_batch_2"] if split == "train" else ["test_batch"]
    data = np.concatenate([batches[name]["data"] for name in names]).reshape(-1, 3, 32, 32)
    assert np.array_equal(images.images, data)
    assert images.labels.tolist() == [label for name in names for label in batches[name]["labels"]]
    assert (images.classes, images.source) == (CIFAR10_CLASSES, "CIFAR-10")


def nothing_cached(places):
    return [path for path in places.cache.rglob("*") if path.is_file()] == []


# Layouts


@pytest.mark.parametrize("top", ["", "cifar10/"])
@pytest.mark.parametrize("split", COUNTS)
@pytest.mark.parametrize("name", FOLDER_NAMES)
def test_class_folders(places, name, split, top):
    write(places.data / name, {top + file: data for file, data in class_folders().items()})
    result = cifar10(split)
    images, labels = expected(split)
    assert torch.equal(result.images, images)
    assert torch.equal(result.labels, labels)
    assert (result.classes, result.source) == (CIFAR10_CLASSES, "CIFAR-10")


@pytest.mark.parametrize("kind", ["jpg", "jpeg"])
def test_jpeg_files_say_so(places, kind):
    content = class_folders(kind)
    write(places.data / "cifar10.tar.xz", content)
    result = cifar10("test")
    assert result.source == "JPEG re-encoding of CIFAR-10"
    decoded = np.asarray(Image.open(io.BytesIO(content[f"test/cat/0000.{kind}"])))
    assert np.array_equal(result.images[3].permute(1, 2, 0), decoded)


def test_everything_else_in_the_archive_is_ignored(places):
    junk = {"labels.txt": b"", "train/._x.png": b"", "train/cat/._0.png": b"", "__MACOSX/cifar10/test/cat/0.png": b""}
    write(places.data / "cifar10.zip", {**junk, **class_folders(), "train/cat/readme.md": b""})
    assert len(cifar10("train")) == 20
    assert len(cifar10("test")) == 10


@pytest.mark.parametrize("split", COUNTS)
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_official_batches_in_their_order(places, official, form, split):
    batches, members, archive, release = official
    if form == "archive":
        (places.data / "cifar-10-python.tar.gz").write_bytes(archive)
    else:
        write(places.data, members)
    assert_official(cifar10(split, release=release), batches, split)


def test_known_release_is_the_published_one():
    assert OFFICIAL.urls[0] == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert OFFICIAL.checksum == "md5:c58f30108f718f92721af3b95e74349a"
    # An independent copy of the checksums.
    from torchvision.datasets import CIFAR10

    assert list(OFFICIAL.batches["train"].items()) == [tuple(row) for row in CIFAR10.train_list]
    assert list(OFFICIAL.batches["test"].items()) == [tuple(row) for row in CIFAR10.test_list]


# Finding


def test_own_data_come_before_the_cache_and_that_before_a_download(places, official, server):
    batches, members, archive, release = official
    server.files["x"] = archive
    release = replace(release, urls=(server.url("x"),))
    assert find_cifar10() is None

    assert_official(cifar10("test", release=release, progress=False), batches, "test")
    assert find_cifar10() == places.cache / "cifar-10-python.tar.gz" == get_cifar10()
    assert_official(cifar10("train", release=release), batches, "train")
    assert len(server.requests) == 1

    own = write(places.data / "cifar10", class_folders())
    assert find_cifar10() == own
    assert torch.equal(cifar10("test", release=release).images, expected("test")[0])


def test_unknown_split(places):
    with pytest.raises(InputError, match="'train' or 'test', not 'val'"):
        cifar10("val")


def test_absent_says_what_to_do(places):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        urls = tuple(f"http://127.0.0.1:{unused.getsockname()[1]}/{name}" for name in "ab")
    with pytest.raises(DataUnavailableError) as caught:
        cifar10("train", progress=False, release=replace(OFFICIAL, urls=urls))
    message = str(caught.value)
    for part in (
        *urls,
        f"SALKIT_DATA={places.data}",
        str(places.cache / "cifar-10-python.tar.gz"),
        "SALKIT_PROFILE=fast",
    ):
        assert part in message
    assert nothing_cached(places)


def test_absent_names_a_data_folder_that_does_not_exist(places, monkeypatch, server):
    monkeypatch.setenv("SALKIT_DATA", "/no/such/folder")
    with pytest.raises(DataUnavailableError, match="SALKIT_DATA=/no/such/folder, which does not exist"):
        cifar10("train", release=replace(OFFICIAL, urls=(server.url("x"),)))


# Downloading


def test_download_cut_in_the_middle(places, official, server):
    batches, _, archive, release = official
    server.files["x"] = archive
    server.cuts["x"] = [len(archive) // 2]
    result = cifar10("train", progress=False, release=replace(release, urls=(server.url("x"),)))
    assert_official(result, batches, "train")
    assert len(server.requests) == 2
    assert (places.cache / "cifar-10-python.tar.gz").read_bytes() == archive
    assert list(places.cache.glob("*.part")) == []


def test_download_with_a_wrong_checksum(places, official, server):
    *_, archive, release = official
    server.files["x"] = archive[:-1] + b"?"
    with pytest.raises(DataUnavailableError, match="checksum"):
        cifar10("train", progress=False, release=replace(release, urls=(server.url("x"),)))
    assert nothing_cached(places)


# Damage


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("name", [name for name in FOLDER_NAMES if "." in name])
def test_truncated_archive(places, name, share):
    path = write(places.data / name, class_folders())
    whole = path.read_bytes().rstrip(b"\0")
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CorruptDataError, match=name):
        cifar10("train")
    assert nothing_cached(places)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_truncated_official_archive(places, official, share):
    *_, archive, release = official
    (places.data / "cifar-10-python.tar.gz").write_bytes(archive[: int(len(archive) * share)])
    with pytest.raises(CorruptDataError, match="its checksum is md5:"):
        cifar10("train", release=release)
    assert nothing_cached(places)


@pytest.mark.parametrize("name", ["cifar10.tgz", "cifar10.tar.xz", "cifar10.zip"])
def test_corrupted_archive(places, name):
    content = class_folders()
    path = write(places.data / name, content)
    damaged = bytearray(path.read_bytes())
    # A zip file has a checksum for each member, so damage shows in a member that is read.
    start = damaged.find(content["train/cat/0000.png"])
    damaged[start + 500 if name.endswith(".zip") else len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptDataError, match=name):
        cifar10("train")
    assert nothing_cached(places)


def test_corrupted_official_folder(places, official):
    _, members, _, release = official
    members["cifar-10-batches-py/data_batch_2"] = members["cifar-10-batches-py/data_batch_2"][:-1] + b"?"
    write(places.data, members)
    with pytest.raises(CorruptDataError, match="data_batch_2.*wrong checksum"):
        cifar10("train", release=release)


def test_official_folder_that_lacks_a_batch(places, official):
    _, members, _, release = official
    del members["cifar-10-batches-py/data_batch_2"]
    write(places.data, members)
    with pytest.raises(CorruptDataError, match="lacks data_batch_2"):
        cifar10("train", release=release)
    assert len(cifar10("test", release=release)) == 10


@pytest.mark.parametrize(
    "change, message",
    [
        ({"train/cat/0000.png": None, "train/cat/0001.png": None}, "no images .* of cat"),
        ({"train/plane/0000.png": encode(pixels(0))}, "it has a class 'plane'"),
        ({"train/cat/0000.png": encode(pixels(0)[:, :31])}, "train/cat/0000.png .* 31x32 pixels"),
        ({"train/cat/0000.png": encode(pixels(0))[:500]}, "train/cat/0000.png .* damaged image"),
        ({"train/cat/0000.png": b"no image"}, "train/cat/0000.png .* damaged image"),
        ({"cifar10/train/cat/0000.png": encode(pixels(0))}, "two files train/cat/0000.png"),
    ],
)
@pytest.mark.parametrize("name", ["cifar10", "cifar10.tar.xz"])
def test_wrong_class_folders(places, name, change, message):
    content = {**class_folders(), **change}
    write(places.data / name, {file: data for file, data in content.items() if data is not None})
    with pytest.raises(CorruptDataError, match=message):
        cifar10("train")
    assert nothing_cached(places)


def test_hostile_paths_write_nothing(places):
    path = write(places.data / "cifar10.tar.gz", {"../../train/cat/evil.png": encode(pixels(0)), **class_folders()})
    before = sorted(places.data.parent.rglob("*"))
    with pytest.raises(CorruptDataError, match="leads out"):
        cifar10("train")
    assert sorted(places.data.parent.rglob("*")) == before
    assert path.exists()


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("checksums_fit", [True, False])
def test_pickle_that_calls_a_function_is_not_obeyed(places, official, tmp_path, checksums_fit):
    _, members, _, release = official
    marker = tmp_path / "executed"
    evil = pickle.dumps({b"data": Malicious(marker), b"labels": []})
    members["cifar-10-batches-py/test_batch"] = evil
    write(places.data, members)
    if checksums_fit:
        release = replace(release, batches={"test": {"test_batch": hashlib.md5(evil).hexdigest()}})
    with pytest.raises(CorruptDataError, match="asks for .*mkdir" if checksums_fit else "wrong checksum"):
        cifar10("test", release=release)
    assert not marker.exists()
    pickle.loads(evil)
    assert marker.exists()  # so the pickle was a working one


@pytest.mark.parametrize(
    "batch",
    [
        {"data": np.zeros((9, 3072), np.uint8), "labels": [0] * 10},
        {"data": np.zeros((10, 3072), np.uint8)},
        {"data": 3, "labels": [0] * 10},
        [1, 2, 3],
    ],
)
def test_pickle_of_something_else(places, official, batch):
    _, members, _, release = official
    data = pickle_batch(batch)
    members["cifar-10-batches-py/test_batch"] = data
    write(places.data, members)
    with pytest.raises(CorruptDataError, match="not a batch"):
        cifar10("test", release=replace(release, batches={"test": {"test_batch": hashlib.md5(data).hexdigest()}}))


# The cache


@pytest.mark.parametrize("name", FOLDER_NAMES)
def test_second_load_does_not_read_the_source(places, name, monkeypatch):
    write(places.data / name, class_folders())
    first = cifar10("train")
    monkeypatch.setattr(cifar, "files", lambda path: pytest.fail("the source was read again"))
    second = cifar10("train")
    assert first.digest() == second.digest()
    assert first.source == second.source


def test_replaced_source_is_read_again(places):
    path = write(places.data / "cifar10.zip", class_folders())
    first = cifar10("train")
    path.unlink()
    write(path, {**class_folders(), "train/cat/0000.png": encode(pixels(99))})
    second = cifar10("train")
    assert np.array_equal(second.images[6].permute(1, 2, 0), pixels(99))
    assert first.digest() != second.digest()


def test_read_only_cache_warns_and_goes_on(places, monkeypatch):
    write(places.data / "cifar10.tar", class_folders())
    blocker = places.data / "blocker"
    blocker.write_text("no folder can be made in a file")
    monkeypatch.setenv("SALKIT_CACHE", str(blocker / "cache"))
    with pytest.warns(UserWarning, match="SALKIT_CACHE") as caught:
        train, test = cifar10("train"), cifar10("test")
    assert torch.equal(train.images, expected("train")[0])
    assert torch.equal(test.images, expected("test")[0])
    assert len(caught) == 1


def test_read_only_cache_and_nothing_to_read(places, monkeypatch, server):
    blocker = places.data / "blocker"
    blocker.write_text("no folder can be made in a file")
    monkeypatch.setenv("SALKIT_CACHE", str(blocker / "cache"))
    with pytest.raises(DataUnavailableError, match="can't be written.*SALKIT_CACHE"):
        cifar10("train", release=replace(OFFICIAL, urls=(server.url("x"),)))
    assert server.requests == []
