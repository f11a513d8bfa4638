"""Photographs from files: upright, three channels, 8 bits; the middle square as a network sees it."""

import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from salkit.data import middle_square, place_back, read_photo
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


def png(values, colour_type):
    """A PNG file with 16 bits a channel, ``(H, W, C)``, which Pillow can't write."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("colour_type, channels", [(0, 1), (2, 3), (6, 4)])
def test_sixteen_bits_become_the_nearest_of_256_levels(tmp_path, colour_type, channels):
    deep = RNG.integers(0, 65536, (20, 30, channels))
    deep[0, 0], deep[0, 1] = 0, 65535
    if channels == 4:
        deep[..., 3] = 65535
    (tmp_path / "deep.png").write_bytes(png(deep, colour_type))
    photo = read_photo(tmp_path / "deep.png")
    expected = torch.from_numpy(np.round(deep[..., :3] / 65535 * 255)).permute(2, 0, 1).expand(3, -1, -1)
    assert photo.dtype == torch.uint8 and torch.equal(photo, expected.byte())
    if channels == 4:
        deep[5, 5, 3] = 0
        (tmp_path / "deep.png").write_bytes(png(deep, colour_type))
        assert read_photo(tmp_path / "deep.png")[:, 5, 5].tolist() == [255, 255, 255]


def test_sixteen_bits_that_cannot_be_read_whole_are_refused(tmp_path):
    (tmp_path / "deep.png").write_bytes(png(RNG.integers(0, 65536, (20, 30, 2)), 4))
    with pytest.raises(InputError, match="16 bits a channel, of which Pillow reads only half: save it as"):
        read_photo(tmp_path / "deep.png")


def test_sixteen_bits_in_other_files(tmp_path):
    grey = RNG.integers(0, 65536, (20, 30)).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 3
    photo = read_photo(saved(tmp_path, Image.fromarray(grey), "grey.tif"))
    assert torch.equal(photo[1], torch.from_numpy(np.round(grey / 257)).byte())
    turned = read_photo(saved(tmp_path, Image.fromarray(grey), "turned.png", exif=exif))
    assert torch.equal(turned, photo.flip(1, 2))
    content = np.arange(12, dtype="<u2").tobytes()
    tags = [(256, 4, 2), (257, 4, 2), (259, 3, 1), (262, 3, 2), (277, 3, 3), (278, 4, 2), (279, 4, 24)]
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    start = 8 + 2 + 12 * (len(tags) + 2) + 4  # of the three bit depths, with the pixels after them
    entries += [struct.pack("<HHII", 258, 3, 3, start), struct.pack("<HHII", 273, 4, 1, start + 6)]
    directory = struct.pack("<H", len(entries)) + b"".join(sorted(entries)) + struct.pack("<I", 0)
    (tmp_path / "rgb.tif").write_bytes(b"II*\0\x08\0\0\0" + directory + struct.pack("<HHH", 16, 16, 16) + content)
    with pytest.raises(InputError, match="16 bits a channel, of which Pillow reads only half: save it as"):
        read_photo(tmp_path / "rgb.tif")
    with pytest.raises(InputError, match="more than 8 bits a channel: save it as"):
        read_photo(saved(tmp_path, Image.fromarray(np.ones((8, 8), np.float32)), "float.tif"))


def test_too_many_pixels_are_refused_by_their_number(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(InputError, match="bomb.png has more than 179 million pixels, the limit here"):
        read_photo(tmp_path / "bomb.png")


def test_many_pixels_are_read_without_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photo(saved(tmp_path, Image.fromarray(COLOURS))).shape == (3, 20, 30)


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


@pytest.mark.parametrize("height, width, rows, columns", [(20, 30, (0, 20), (5, 25)), (31, 20, (5, 25), (0, 20))])
def test_a_map_goes_back_to_where_the_square_was(height, width, rows, columns):
    maps = torch.rand(2, 20, 20, generator=torch.Generator().manual_seed(0))
    whole = place_back(maps, height, width)
    assert whole.shape == (2, height, width)
    torch.testing.assert_close(whole[:, slice(*rows), slice(*columns)], maps)
    assert whole.sum().item() == pytest.approx(maps.sum().item(), rel=1e-5)
    assert place_back(maps, 10, 15).shape == (2, 10, 15)  # of a picture smaller than what the network sees
