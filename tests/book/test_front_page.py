"""The first page keeps up with the chapters, and its picture is what the package draws."""

import io
import re

import nbformat
import numpy as np
import pytest
from PIL import Image

from tools import chapters, front_page

PAGE = front_page.PAGE.read_text(encoding="utf-8")
NOTHING = front_page.NOT_MEASURED


def coarse(file):
    """In 40 x 30 pixels: letters drawn by another version vanish, another map does not."""
    with Image.open(io.BytesIO(file)) as image:
        small = image.convert("RGB").resize((40, 30), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def notebook(*prose):
    cells = [nbformat.v4.new_markdown_cell(text) for text in prose]
    return nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("these = 'are no words of prose'")])


@pytest.fixture(scope="module")
def tiles():
    return front_page.panels()


def test_the_list_of_chapters_is_what_the_tool_writes():
    assert front_page.page(PAGE) == PAGE, "run python -m tools.front_page contents"


def test_every_chapter_is_listed_once_in_its_part():
    found = re.findall(r"^(\d+)\. \[.+\]\((\d\d)-[\w-]+\.ipynb\)", PAGE, re.M)
    executed = [int(path.stem[:2]) for path in chapters.chapters() if chapters.twin_of(path).exists()]
    assert [(int(n), int(file)) for n, file in found] == [(n, n) for n in executed]


def test_a_chapter_that_nobody_described_is_an_error(tmp_path):
    (tmp_path / "14-more.md").write_text("# More\n")
    with pytest.raises(SystemExit, match="chapter 14"):
        front_page.contents([tmp_path / "14-more.md"], {})


def test_words_are_those_of_the_prose():
    text = "Two words, [and a link](https://a.org/b) {cite:p}`key2020`.\n\n$$\nx = y\n$$\n\n<details>more</details>"
    assert front_page.words(notebook(text, "The last.")) == 8


def test_times_come_from_the_record_and_the_benchmark(tmp_path):
    source = tmp_path / "02-trial.md"
    source.write_text("# A trial\n\n" + "word " * 500)
    twin = notebook("# A trial")
    nothing = front_page.Times("3 min", NOTHING, NOTHING, NOTHING)
    chapters.write_twin(chapters.twin_of(source), twin)
    assert front_page.times(source, {}) == nothing

    twin.metadata["salkit"] = {"device": "cpu, 2 cores", "seconds": 386}
    chapters.write_twin(chapters.twin_of(source), twin)
    figures = {"02-trial": {"fast": {"seconds": 27.9}, "gpu": {"seconds": 100}}}
    assert front_page.times(source, figures) == front_page.Times("3 min", "30 s", "6 min", "2 min")

    twin.metadata["salkit"] = {"device": "NVIDIA H100", "seconds": 50}
    chapters.write_twin(chapters.twin_of(source), twin)
    assert front_page.times(source, {}) == front_page.Times("3 min", NOTHING, NOTHING, "50 s")


def test_a_page_without_its_markers_is_an_error():
    for text in ("# No markers", front_page.END + front_page.BEGIN, front_page.BEGIN * 2 + front_page.END):
        with pytest.raises(SystemExit, match="needs the lines"):
            front_page.page(text)


def test_the_picture_is_what_the_package_draws(tiles):
    stored = coarse(front_page.PICTURE.read_bytes())
    assert np.abs(stored - coarse(front_page.picture(tiles))).mean() < 0.02, "run python -m tools.front_page"


def test_another_map_would_be_seen(tiles):
    photograph, gradient, *others = tiles
    swapped = front_page.picture([photograph, others[0], gradient, *others[1:]])
    assert np.abs(coarse(swapped) - coarse(front_page.picture(tiles))).mean() > 0.02


def test_the_caption_says_which_network_and_what_it_answers(tiles):
    """What stands under the picture is checked, too: the network calls the photograph a cat."""
    import torch

    import salkit

    small = torch.nn.functional.interpolate(front_page.photograph(), (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        label = salkit.models.trained(front_page.NETWORK)(small).argmax()
    assert salkit.data.CIFAR10_CLASSES[label] == front_page.CLASS


def test_the_picture_is_small_and_says_what_it_shows():
    assert front_page.PICTURE.stat().st_size < 150_000
    for file, place in ((front_page.PAGE, "_static"), (chapters.ROOT / "README.md", "book/_static")):
        (alt,) = re.findall(rf"!\[([^\]]*)\]\({place}/front\.png\)", file.read_text(encoding="utf-8"))
        assert len(alt.split()) >= 20, file.name
