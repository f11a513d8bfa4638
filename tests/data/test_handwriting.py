"""MNIST from torchvision's layout, the cache, or the network."""

import gzip
import hashlib
import os

import numpy as np
import pytest

from salkit.data import mnist
from salkit.data.handwriting import MNIST_CHECKSUMS, MNIST_FILES
from salkit.errors import CorruptDataError, DataUnavailableError, InputError


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.tobytes())


RANDOM = np.random.default_rng(0)
IMAGES = {split: RANDOM.integers(0, 256, (n, 28, 28), dtype=np.uint8) for split, n in (("train", 6), ("test", 3))}
LABELS = {split: RANDOM.integers(0, 10, len(images), dtype=np.uint8) for split, images in IMAGES.items()}


@pytest.fixture
def content():
    arrays = {split: (IMAGES[split], LABELS[split]) for split in MNIST_FILES}
    pairs = [pair for split, names in MNIST_FILES.items() for pair in zip(names, arrays[split], strict=True)]
    return {name: idx(array) for name, array in pairs}


def checksums(content):
    return {name: f"md5:{hashlib.md5(data).hexdigest()}" for name, data in content.items()}


def place(folder, content):
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, data in content.items():
        (raw / name).write_bytes(data)
    return raw


def assert_right(result, split):
    assert np.array_equal(result.images, IMAGES[split][:, None])
    assert result.labels.tolist() == LABELS[split].tolist()
    assert (result.classes, result.source) == (tuple("0123456789"), "MNIST")


@pytest.mark.parametrize("split", MNIST_FILES)
@pytest.mark.parametrize("where", ["data", "cache"])
def test_found(places, content, where, split):
    place(getattr(places, where), content)
    assert_right(mnist(split, checksums=checksums(content), urls=()), split)


def test_downloaded_once(places, content, server):
    server.files = {f"mnist/{name}": data for name, data in content.items()}
    for _ in range(2):
        assert_right(mnist("test", urls=[server.url("mnist/")], checksums=checksums(content), progress=False), "test")
    assert [name for name, _ in server.requests] == [f"mnist/{name}" for name in MNIST_FILES["test"]]
    assert sorted(os.listdir(places.cache / "MNIST" / "raw")) == sorted(MNIST_FILES["test"])


def test_absent_says_what_to_do(places, server):
    with pytest.raises(DataUnavailableError) as caught:
        mnist("train", urls=[server.url("")], progress=False)
    for part in (server.url(""), "SALKIT_DATA", str(places.cache), "SALKIT_PROFILE=fast", "404"):
        assert part in str(caught.value)


def test_unknown_split(places):
    with pytest.raises(InputError, match="'train' or 'test'"):
        mnist("validation")


def test_truncated(places, content):
    raw = place(places.data, content)
    known = checksums(content)
    images = raw / MNIST_FILES["test"][0]
    images.write_bytes(images.read_bytes()[:-3])
    with pytest.raises(CorruptDataError, match="its checksum is md5:"):
        mnist("test", checksums=known)


NO_IDX = {
    "no gzip": b"no gzip",
    "truncated": idx(IMAGES["test"])[:-9],
    "short": gzip.compress(b"\0\0\x08\x03short"),
    "empty": gzip.compress(b""),
    "of floats": gzip.compress(b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0"),
}


@pytest.mark.parametrize("bad", NO_IDX.values(), ids=NO_IDX)
def test_file_with_a_fitting_checksum_that_is_no_idx(places, content, bad):
    content[MNIST_FILES["test"][0]] = bad
    place(places.data, content)
    with pytest.raises(CorruptDataError):
        mnist("test", checksums=checksums(content))


def test_known_checksums_are_the_published_ones():
    from torchvision.datasets import MNIST

    assert {name: f"md5:{digits}" for name, digits in MNIST.resources} == MNIST_CHECKSUMS
