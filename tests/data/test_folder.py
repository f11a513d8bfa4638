"""Pictures of one's own: classes from sub-folders, and all the way from two folders to maps."""

import numpy as np
import pytest
import torch
from PIL import Image

import salkit
from salkit import data, models
from salkit.course import Batches, evaluate, fit, sgd
from salkit.errors import CorruptDataError, InputError


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)


def plain(value, height=16, width=16):
    return np.full((height, width, 3), value)


@pytest.fixture
def pictures(tmp_path):
    save(tmp_path / "pear" / "b.png", plain(20))
    save(tmp_path / "pear" / "a.png", plain(10))
    save(tmp_path / "apple" / "photo.JPG", plain(200, 24, 40), format="JPEG")
    return tmp_path


def test_sub_folders_are_the_classes_and_names_the_order(pictures):
    images = data.folder(pictures, size=16)
    assert images.classes == ("apple", "pear")
    assert images.labels.tolist() == [0, 1, 1]
    assert images.images.shape == (3, 3, 16, 16) and images.images.dtype == torch.uint8
    assert [int(image.float().mean().round()) for image in images.images] == [200, 10, 20]
    assert images.masks is None
    assert str(pictures) not in images.source and "own" in images.source
    assert data.folder(str(pictures)).images.shape == (3, 3, 64, 64)


def test_what_is_no_picture_is_left_out(pictures):
    (pictures / "notes.txt").write_text("hello")
    (pictures / "pear" / "Thumbs.db").write_bytes(b"no picture")
    (pictures / "pear" / "._a.png").write_bytes(b"no picture either")
    save(pictures / ".hidden" / "a.png", plain(0))
    save(pictures / "pear" / "deeper" / "c.png", plain(0))
    assert data.folder(pictures, size=16).labels.tolist() == [0, 1, 1]


def test_the_middle_square_upright(tmp_path):
    # The sensor's picture: black, white, black from left to right. Orientation 6: it has to be turned by 90 degrees.
    sensor = plain(0, 10, 30)
    sensor[:, 10:20] = 255
    sensor[:2, 10:20] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a" / "turned.png", sensor, exif=exif)
    save(tmp_path / "b" / "straight.png", sensor)
    turned, straight = data.folder(tmp_path, size=10).images
    assert (turned > 0).any(0).all() and (straight > 0).any(0).all(), "only the middle third is left"
    red = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]
    assert torch.equal(straight[:, :2], red.expand(3, 2, 10)), "red on top"
    assert torch.equal(turned[:, :, -2:], red.expand(3, 10, 2)), "red at the right"


@pytest.mark.parametrize("size", [7, 0, -1, 32.0, True, "32"])
def test_a_bad_size_is_refused_before_anything_is_read(tmp_path, size):
    with pytest.raises(InputError, match="size must be a whole number of at least 8"):
        data.folder(tmp_path / "nowhere", size=size)


def test_bad_folders_are_named_with_what_to_do(pictures, tmp_path_factory):
    with pytest.raises(InputError, match="does not exist: pass a folder with one sub-folder"):
        data.folder(pictures / "nowhere")
    with pytest.raises(InputError, match="is a file: pass a folder"):
        data.folder(pictures / "pear" / "a.png")
    with pytest.raises(InputError, match="needs two sub-folders or more.* has none"):
        data.folder(pictures / "pear")
    lonely = tmp_path_factory.mktemp("lonely")
    save(lonely / "pear" / "a.png", plain(0))
    with pytest.raises(InputError, match="has only 'pear'"):
        data.folder(lonely)


def test_an_empty_class_is_found_before_a_damaged_picture_is_read(pictures):
    (pictures / "apple" / "photo.JPG").write_bytes(b"\xff\xd8\xff damaged")
    (pictures / "plum").mkdir()
    with pytest.raises(InputError, match="no pictures in .*plum.*must end in .jpg"):
        data.folder(pictures)


def test_a_damaged_picture_is_named(pictures):
    whole = (pictures / "apple" / "photo.JPG").read_bytes()
    (pictures / "apple" / "photo.JPG").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptDataError, match="photo.JPG"):
        data.folder(pictures)


def test_from_two_folders_to_a_map_that_finds_the_shortcut(tmp_path):
    """What chapter 11 does with one's own photographs, on pictures of noise where one class has a bright corner."""
    rng = np.random.default_rng(0)
    for i in range(60):
        for name in ("marked", "plain"):
            pixels = rng.integers(0, 120, (40, 32, 3))  # taller than wide: the corner is inside the middle square
            if name == "marked":
                pixels[4:12, :8] = (250, 240, 0)
            save(tmp_path / name / f"{i:02d}.png", pixels)
    own = data.folder(tmp_path, size=32)
    learn, choose = own.split(24, seed=0)
    torch.manual_seed(0)
    network = models.small_cnn(len(own.classes), width=4)
    fit(network, Batches(learn, 16, augment=None), choose, epochs=4, optimizer=sgd(network, lr=0.1))
    assert evaluate(network, choose)[1] > 0.9
    marked = choose[choose.labels == own.classes.index("marked")]
    maps = salkit.occlusion(network, marked.pixels(), marked.labels, window=8, stride=8)[:, 0]
    strongest = maps.flatten(1).argmax(1)
    assert ((strongest // 32 < 8) & (strongest % 32 < 8)).float().mean() > 0.8
