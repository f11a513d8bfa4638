"""Photographs from files: upright, three channels, 8 bits; the middle square as a network sees it."""

import numpy as np
import pytest
import torch
from PIL import Image

from salkit.data import middle_square, read_photo
from salkit.errors import CorruptDataError, InputError

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def saved(tmp_path, picture, name="photo.png", **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


def test_colours_come_in_their_order(tmp_path):
    photo = read_photo(str(saved(tmp_path, Image.fromarray(COLOURS))))
    assert photo.dtype == torch.uint8 and photo.shape == (3, 20, 30) and photo.is_contiguous()
    assert torch.equal(photo.permute(1, 2, 0), torch.from_numpy(COLOURS))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_stands_as_the_camera_was_held(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = read_photo(saved(tmp_path, Image.fromarray(COLOURS), exif=exif))
    array = torch.from_numpy(COLOURS).permute(2, 0, 1)
    upright = {
        1: array,
        2: array.flip(2),
        3: array.flip(1, 2),
        4: array.flip(1),
        5: array.transpose(1, 2),
        6: array.transpose(1, 2).flip(2),  # the sensor's rows are columns, from right to left
        7: array.transpose(1, 2).flip(1, 2),
        8: array.transpose(1, 2).flip(1),
    }[orientation]
    assert torch.equal(photo, upright)


def test_grey_becomes_three_equal_channels(tmp_path):
    photo = read_photo(saved(tmp_path, Image.fromarray(COLOURS[..., 0])))
    assert torch.equal(photo, torch.from_numpy(COLOURS[..., 0]).expand(3, -1, -1))
    black_and_white = read_photo(saved(tmp_path, Image.fromarray(COLOURS[..., 0] > 127), "fax.png"))
    assert set(black_and_white.unique().tolist()) == {0, 255}


def test_what_is_transparent_is_laid_on_white(tmp_path):
    alpha = np.full((20, 30, 1), 255, np.uint8)
    alpha[:10] = 0
    rgba = read_photo(saved(tmp_path, Image.fromarray(np.concatenate([COLOURS, alpha], 2))))
    assert (rgba[:, :10] == 255).all()
    assert torch.equal(rgba[:, 10:].permute(1, 2, 0), torch.from_numpy(COLOURS[10:]))
    grey = read_photo(saved(tmp_path, Image.fromarray(np.concatenate([COLOURS[..., :1], alpha], 2)), "la.png"))
    assert (grey[:, :10] == 255).all() and torch.equal(grey[0, 10:], torch.from_numpy(COLOURS[10:, :, 0]))
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((0, 0), 1)
    photo = read_photo(saved(tmp_path, palette, "palette.png", transparency=0))
    assert photo[:, 0, 0].tolist() == [40, 50, 60] and (photo[:, 1:] == 255).all()


def test_other_kinds_of_file(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    photo = read_photo(saved(tmp_path, frames[0], "moving.gif", save_all=True, append_images=frames[1:]))
    assert photo[:, 4, 4].tolist() == [255, 0, 0]
    cmyk = read_photo(saved(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "print.jpg"))
    assert (cmyk[:, 4, 4].int() - torch.tensor([255, 0, 0])).abs().max() < 10


def test_sixteen_bits_are_refused_rather_than_clipped(tmp_path):
    deep = saved(tmp_path, Image.fromarray(np.full((8, 8), 40_000, np.uint16)))
    with pytest.raises(InputError, match="more than 8 bits a channel: save it as"):
        read_photo(deep)


def test_files_without_a_picture(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_photo(tmp_path / "absent.jpg")
    with pytest.raises(CorruptDataError, match="can't be read as a picture"):
        read_photo(tmp_path)  # a folder
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(CorruptDataError, match="text.jpg can't be read as a picture"):
        read_photo(tmp_path / "text.jpg")
    whole = saved(tmp_path, Image.fromarray(COLOURS)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptDataError, match="cut.png can't be read"):
        read_photo(tmp_path / "cut.png")
    (tmp_path / "phone.HEIC").write_bytes(b"\0\0\0\x24ftypheic" + b"\0" * 40)
    with pytest.raises(InputError, match="HEIC picture.* save it as a JPEG"):
        read_photo(tmp_path / "phone.HEIC")


def test_the_path_may_start_with_a_tilde(tmp_path, monkeypatch):
    saved(tmp_path, Image.fromarray(COLOURS))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_photo("~/photo.png").shape == (3, 20, 30)


@pytest.mark.parametrize("height, width, rows, columns", [(20, 30, (0, 20), (5, 25)), (31, 20, (5, 25), (0, 20))])
def test_the_square_is_the_middle_one(height, width, rows, columns):
    photo = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    square = middle_square(photo, 20)
    assert square.shape == (1, 3, 20, 20) and square.dtype == torch.float32
    assert torch.equal(square[0] * 255, photo[:, slice(*rows), slice(*columns)].float())


def test_shrinking_averages_and_gives_whole_grey_levels():
    checkers = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 200
    square = middle_square(checkers.byte().expand(3, -1, -1), 16)
    assert square.sub(100 / 255).abs().max() < 0.02  # without smoothing it would be 0 or 200
    photo = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    levels = middle_square(photo, 33) * 255
    assert (levels - levels.round()).abs().max() < 1e-4
    assert levels.min() >= 0 and levels.max() <= 255


@pytest.mark.parametrize(
    "photo", [torch.rand(3, 8, 8), torch.zeros(8, 8, 3, dtype=torch.uint8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)]
)
def test_other_tensors_are_refused(photo):
    with pytest.raises(InputError, match=r"\(3, H, W\) uint8"):
        middle_square(photo, 8)


def test_a_size_below_one_is_refused():
    with pytest.raises(InputError, match="size must be at least 1"):
        middle_square(torch.zeros(3, 8, 8, dtype=torch.uint8), 0)
