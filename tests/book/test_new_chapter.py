"""A new chapter's skeleton is a chapter: it runs, can be published, and has an exercise."""

import re
import shutil

import pytest
import yaml

from tools import build, chapters, new_chapter, student


def test_the_skeleton_runs_and_can_be_published(tmp_path, monkeypatch):
    # In full, as a chapter is published; the skeleton's data is drawn by code in both profiles.
    monkeypatch.setenv("SALKIT_PROFILE", "full")
    monkeypatch.setenv("PYTHONPATH", str(chapters.ROOT))
    source = new_chapter.new_chapter("smooth-maps", tmp_path)
    assert source == tmp_path / "01-smooth-maps.md"
    assert chapters.execute_one(source)
    assert chapters.problems(source) == []

    edition = "\n".join(cell.source for cell in student.student_edition(source).cells)
    assert "check.saliency(my_saliency)" in edition and "Solution" not in edition


def test_the_skeleton_has_every_part_of_a_chapter(tmp_path):
    text = new_chapter.new_chapter("smooth-maps", tmp_path).read_text()
    assert not re.search(r"\b(?:TITLE|SETUP)\b", text)
    for part in ("**The question.**", "in one picture", "The formula", "guess", "Where it fails", "To take away"):
        assert part in text


def test_the_next_number_is_taken_or_a_chosen_one(tmp_path):
    names = [new_chapter.new_chapter(name, tmp_path).stem for name in ("maps", "09-more-maps", "last")]
    assert names == ["01-maps", "09-more-maps", "10-last"]


@pytest.mark.parametrize("name", ["", "Maps", "my maps", "../maps", "1-maps", "-maps", "maps.md"])
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="is no name"):
        new_chapter.new_chapter(name, tmp_path)


@pytest.mark.parametrize("name", ["maps", "01-other", "05-maps"])
def test_a_chapter_that_is_there_is_never_overwritten(tmp_path, name):
    first = new_chapter.new_chapter("maps", tmp_path)
    first.write_text("mine")
    with pytest.raises(ValueError, match="already: 01-maps"):
        new_chapter.new_chapter(name, tmp_path)
    assert first.read_text() == "mine" and list(tmp_path.iterdir()) == [first]


def test_the_line_for_the_contents_is_one_that_the_book_reads(tmp_path):
    said = new_chapter.NEXT.format(path="p", stem="14-maps", number="14")
    (line,) = re.findall(r'_toc.yml: add "(.*?)"', said)
    shutil.copy(chapters.ROOT / "_toc.yml", tmp_path)
    contents = yaml.safe_load((tmp_path / "_toc.yml").read_text())
    contents["parts"][-1]["chapters"] += yaml.safe_load(line)
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(contents))
    assert build.pages(tmp_path)[-1] == "book/14-maps"
