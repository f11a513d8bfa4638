"""The figures of cells become lossless WebP, and every figure of a page is a link to its file."""

import base64
import re

import numpy as np
import pytest
from PIL import Image

from tools import build, chapters
from tools.extensions.figures import FRAMES, shrink

CHAPTERS = {f"book/{chapter.stem}": chapter for chapter in chapters.chapters()}


@pytest.mark.parametrize("alpha", [255, 128])
def test_no_pixel_changes(tmp_path, alpha):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 4), dtype=np.uint8)
    pixels[:, :25] = pixels[0, 0]  # something to shrink
    pixels[..., 3] = alpha
    Image.fromarray(pixels).save(tmp_path / "map.png")
    smaller = shrink(tmp_path / "map.png")
    assert smaller.suffix == ".webp" and smaller.stat().st_size < (tmp_path / "map.png").stat().st_size
    with Image.open(smaller) as image:
        assert np.array_equal(np.asarray(image.convert("RGBA")), pixels)


def test_the_smaller_file_is_taken(tmp_path, monkeypatch):
    Image.new("RGB", (9, 9)).save(tmp_path / "map.png")
    monkeypatch.setattr(Image.Image, "save", lambda image, path, **options: path.write_bytes(bytes(9999)))
    assert shrink(tmp_path / "map.png").suffix == ".png"


@pytest.mark.parametrize("name", build.pages())
def test_every_figure_is_a_link_to_its_file(html, name):
    # The pictures of cards and of the poster's tiles are none: they stand for a page.
    text = re.sub(r'<img [^>]*class="[^"]*no-enlarge[^>]*>', "", (html / f"{name}.html").read_text())
    figures = re.findall(r'(<a [^>]*>)?\s*<img [^>]*src="([^"]*_images/[^"]*)"', text)
    for link, source in figures:
        assert 'class="enlarge' in link and f'href="{source}"' in link
    drawings = re.findall(rf'<a class="enlarge[^>]*href="([^"]*{FRAMES}/[^"]+)"><div class="salkit-figure">', text)
    assert all((html / name).parent.joinpath(picture).is_file() for picture in drawings)
    assert len(figures) + len(drawings) == text.count('class="enlarge')


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_frames_of_sliders_are_files_with_the_bytes_of_the_notebook(html, name):
    page = html / f"{name}.html"
    text = page.read_text()
    outputs = [output for cell in chapters.code_cells(chapters.read_twin(CHAPTERS[name])) for output in cell.outputs]
    html_outputs = " ".join(output.get("data", {}).get("text/html", "") for output in outputs)
    html_outputs = re.sub(r'<img class="salkit-fallback"[^>]*>', "", html_outputs)
    stored = re.findall(r'<img [^>]*src="data:image/\w+;base64,([^"]+)"', html_outputs)
    frames = re.findall(rf'<img [^>]*src="(../{FRAMES}/[^"]+)"', text)
    assert [base64.b64decode(frame) for frame in stored] == [(page.parent / frame).read_bytes() for frame in frames]
    assert not re.search(r"<img [^>]*data:image", text)
