"""The first page keeps up with the chapters, and what stands under its picture is true."""

import re

import nbformat
import pytest
import skimage.data
import torch

from salkit import models
from salkit.data import CIFAR10_CLASSES
from tools import chapters, front_page

PAGE = front_page.PAGE.read_text(encoding="utf-8")
NOTHING = front_page.NOT_MEASURED


def notebook(*prose):
    cells = [nbformat.v4.new_markdown_cell(text) for text in prose]
    return nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("these = 'are no words of prose'")])


def test_the_list_of_chapters_is_what_the_tool_writes():
    assert front_page.page(PAGE) == PAGE, "run python -m tools.front_page"


def test_every_chapter_is_listed_once_in_its_part():
    found = re.findall(r"^(\d+)\. \[.+\]\((\d\d)-[\w-]+\.ipynb\)", PAGE, re.M)
    executed = [int(path.stem[:2]) for path in chapters.chapters() if chapters.twin_of(path).exists()]
    assert [(int(n), int(file)) for n, file in found] == [(n, n) for n in executed]


def test_a_new_chapter_comes_into_the_part_that_has_it(tmp_path):
    (tmp_path / "book").mkdir()
    parts = "- caption: Start\n  chapters:\n  - file: book/notes\n- caption: 'Two: more'\n  chapters:\n"
    (tmp_path / "_toc.yml").write_text(f"root: book/index\nparts:\n{parts}  - file: book/14-more\n")
    source = tmp_path / "book/14-more.md"
    source.write_text('---\ndescription: "more: and more."\n---\n# More\n')
    assert "More" not in front_page.contents(tmp_path, {}), "before it was executed"
    chapters.write_twin(chapters.twin_of(source), notebook("# More"))
    listed = front_page.contents(tmp_path, {})
    assert "### Part Two: more\n\n14. [More](14-more.ipynb): more: and more. *0 min*" in listed
    assert f"| 14. More | 0 min | {NOTHING} |" in listed and "Start" not in listed

    source.write_text("# More\n")
    with pytest.raises(SystemExit, match="14-more.md: say in its front matter"):
        front_page.contents(tmp_path, {})


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


def test_the_caption_says_what_the_network_answers():
    """What stands under the picture: a small network of the package calls the photograph's face a cat's."""
    face = torch.from_numpy(skimage.data.chelsea().copy()).permute(2, 0, 1)[None, :, :300, 75:375] / 255
    small = torch.nn.functional.interpolate(face, (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        label = models.trained("small_cnn")(small).argmax()
    assert CIFAR10_CLASSES[label] == "cat"


def test_the_picture_is_small_and_says_what_it_shows():
    assert (chapters.BOOK / "_static/front.png").stat().st_size < 150_000
    for file, place in ((front_page.PAGE, "_static"), (chapters.ROOT / "README.md", "book/_static")):
        (alt,) = re.findall(rf"!\[([^\]]*)\]\({place}/front\.png\)", file.read_text(encoding="utf-8"))
        assert len(alt.split()) >= 20, file.name
