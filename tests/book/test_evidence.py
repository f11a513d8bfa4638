"""What the chapters' texts say of results is what is recorded, and a text that says something else is found out."""

import json
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
import yaml

from salkit.course.records import MIME
from tools import address, cells, chapters, records, student

CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

The **fully connected** network is right on <!--r:A1.accuracy.fc:.1%--><!--/r--> of the images, the convolutional one
on less: <!--r:A1.accuracy.cnn.count--><!--/r--> of <!--r:A1.accuracy.cnn.n--><!--/r--> are right.<!--s:A1-fc-ahead-->

| | weights | change |
|---|---|---|
| FC | <!--r:A1.weights--><!--/r--> | <!--r:A1.change:.1%--><!--/r--> <!--r:A1.change.interval:+.1%--><!--/r--> |

```{code-cell} ipython3
:tags: [remove-cell]

SETUP
```

```{code-cell} ipython3
from matplotlib import pyplot as plt

from salkit import course
from salkit.evaluation import Interval

run = course.start()
```

```{code-cell} ipython3
---
mystnb:
  figure:
    caption: '{A1.winner} at {A1.accuracy.fc:.0%}.'
  image:
    alt: 'A line to {A1.accuracy.fc:.0%}, {A1.winner} is ahead.'
---
accuracy = {"fc": course.proportion(607, 1000), "cnn": course.proportion(7, 80)}
change = Interval(-0.123, -0.15, -0.1, 80)
run.record("A1", unit="images", accuracy=accuracy, change=change, weights=4_889_834, winner="FC")
plt.plot([0, 1])
plt.show()
```
"""
EVIDENCE = """\
- id: A1-fc-ahead
  kind: comparison
  predicate: A1.accuracy.fc.low > A1.accuracy.cnn.high
"""


def entry(value, **parts):
    return {"value": value, **parts}


TREE = {
    "A1": {
        "accuracy": {
            "fc": entry(0.607, n=1000, low=0.576, high=0.637, unit="images"),
            "cnn": entry(0.0875, n=80, low=0.036, high=0.172, unit="images"),
        },
        "gain": entry(-0.1234, n=80, low=-0.15, high=-0.1),
        "weights": entry(4_889_834),
        "p": entry(0.001),
        "gap": entry(3e-8),
        "winner": entry("FC"),
        "same": entry(True),
    }
}


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A chapter with evidence, run in full."""
    source = tmp_path_factory.mktemp("book") / "07-trial.md"
    source.write_text(CHAPTER.replace("SETUP", address.current().setup_cell))
    (source.parent / "evidence").mkdir()
    (source.parent / "evidence" / "07.yml").write_text(EVIDENCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALKIT_PROFILE", "full")
        patch.setenv("PYTHONPATH", str(chapters.ROOT))
        assert chapters.execute_one(source)
    return source


@pytest.fixture
def executed(once, tmp_path, monkeypatch):
    """A copy of that chapter; what is executed is so in full."""
    monkeypatch.setenv("SALKIT_PROFILE", "full")
    monkeypatch.setenv("PYTHONPATH", str(chapters.ROOT))
    monkeypatch.setattr(chapters, "REFUSED", tmp_path / "refused")
    return shutil.copytree(once.parent, tmp_path / "book") / once.name


# ------------------------------------------------------------------------------------------------ the chapters


@pytest.mark.parametrize("chapter", chapters.chapters(), ids=lambda path: path.stem)
def test_every_sentence_with_an_id_is_true_of_the_stored_records(chapter):
    tree, twice = records.stored(chapters.read_twin(chapter))
    evidence = chapters.BOOK / "evidence" / f"{chapter.stem[:2]}.yml"
    assert twice + records.evidence_problems(chapter.read_text(), tree, evidence) == []


def test_every_file_of_evidence_belongs_to_a_chapter():
    numbers = {chapter.stem[:2] for chapter in chapters.chapters()}
    assert {path.stem for path in (chapters.BOOK / "evidence").glob("*")} <= numbers


# ------------------------------------------------------------------------------------------- from run to page


def test_execute_fills_text_twin_and_alt_text(executed):
    text = executed.read_text()
    assert "<!--r:A1.accuracy.fc:.1%-->60.7 %<!--/r-->" in text
    assert "\non less: <!--r:A1.accuracy.cnn.count-->7<!--/r--> of <!--r:A1.accuracy.cnn.n-->80<!--/r-->" in text
    assert "| FC | <!--r:A1.weights-->4,889,834<!--/r--> | <!--r:A1.change:.1%-->−12.3 %<!--/r--> " in text
    assert "<!--r:A1.change.interval:+.1%-->[−15.0 %, −10.0 %]<!--/r--> |" in text
    assert "{A1.accuracy.fc:.0%}, {A1.winner} is" in text, "the source keeps the marker of an alt text"
    twin = chapters.read_twin(executed)
    assert records.bare(twin.cells[1].source) in records.bare(text)
    shown = chapters.code_cells(twin)[2].metadata["mystnb"]
    assert shown["image"]["alt"] == "A line to 61 %, FC is ahead." and shown["figure"]["caption"] == "FC at 61 %."
    assert chapters.problems(executed) == []


def test_sync_keeps_what_was_filled_and_fills_a_new_marker(executed):
    before = executed.read_bytes(), chapters.twin_of(executed).read_bytes()
    assert chapters.sync_one(executed)
    assert (executed.read_bytes(), chapters.twin_of(executed).read_bytes()) == before
    new = "# A chapter\n\nSo <!--r:A1.winner-->?<!--/r-->."
    executed.write_text(executed.read_text().replace("# A chapter\n", new))
    assert chapters.problems(executed)
    assert chapters.sync_one(executed)
    assert "So <!--r:A1.winner-->FC<!--/r-->." in executed.read_text()
    assert chapters.problems(executed) == []


def test_fast_never_fills(executed, monkeypatch):
    emptied = records.emptied(executed.read_text())
    executed.write_text(emptied)
    before = chapters.twin_of(executed).read_bytes()
    monkeypatch.setenv("SALKIT_PROFILE", "fast")
    assert chapters.try_one(executed)
    assert not chapters.execute_one(executed)
    assert executed.read_text() == emptied and chapters.twin_of(executed).read_bytes() == before


def test_an_edit_of_the_notebook_brings_markers_and_alt_texts_along(executed):
    text = executed.read_text()
    notebook = chapters.read_twin(executed)
    notebook.cells[1].source = notebook.cells[1].source.replace("are right.", "of them are right.")
    chapters.write_twin(chapters.twin_of(executed), notebook)
    assert not chapters.sync_one(executed)
    assert chapters.sync_one(executed, from_notebook=True)
    assert executed.read_text() == text.replace("are right.", "of them are right.")
    assert chapters.problems(executed) == []


def test_a_record_of_another_run_is_found_out(executed):
    """By hand: one stored number is another one."""
    notebook = chapters.read_twin(executed)
    (output,) = [o for o in chapters.code_cells(notebook)[2].outputs if MIME in o.get("data", {})]
    output.data[MIME]["values"]["accuracy"]["fc"].update(value=0.1, low=0.08, high=0.12)
    found = "\n".join(chapters.problems(executed, notebook))
    assert "A1-fc-ahead: is not true of the stored records" in found
    assert "a marker doesn't show what is recorded" in found and "out of step" in found


def test_a_sentence_that_is_no_longer_true_is_said_after_a_run(executed, capsys):
    executed.write_text(executed.read_text().replace("proportion(607, 1000)", "proportion(70, 1000)"))
    assert not chapters.execute_one(executed)
    assert "A1-fc-ahead: is not true" in capsys.readouterr().err
    assert "7.0 %<!--/r--> of the images" in executed.read_text(), "the run is kept: the sentence has to change"


def test_a_name_that_two_cells_record_is_refused(executed, capsys):
    before = chapters.twin_of(executed).read_bytes()
    executed.write_text(executed.read_text() + '\n```{code-cell} ipython3\nrun.record("A1", weights=3)\n```\n')
    assert not chapters.execute_one(executed)
    assert "A1.weights is recorded twice" in capsys.readouterr().err
    assert chapters.twin_of(executed).read_bytes() == before


def test_the_student_edition_has_the_words_without_the_marks(executed):
    edition = student.student_edition(executed)
    assert "60.7 %" in edition.cells[1].source and "<!--" not in edition.cells[1].source
    assert "template" not in str(edition.cells) and "{A1" not in str(edition.cells)


def test_the_page_shows_the_number_and_nothing_of_the_marks(executed):
    """In a book of one page, built as the course is: every warning is an error."""
    folder = executed.parent / "site"
    folder.mkdir()
    chapters.write_twin(folder / "trial.ipynb", cells.for_page(chapters.read_twin(executed)))
    (folder / "_config.yml").write_text('title: Trial\nexecute: {execute_notebooks: "off"}\n')
    (folder / "_toc.yml").write_text("format: jb-book\nroot: trial\n")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", folder, "-n", "-W", "--keep-going"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    page = (folder / "_build" / "html" / "trial.html").read_text()
    article = page[page.index("<article") : page.index("</article>")]
    assert '<img alt="A line to 61 %, FC is ahead."' in article
    assert "<strong>fully connected</strong>" in article
    kinds = re.findall(r'<div class="output (\w+)', article)
    assert kinds == ["stream"] and article.count("<img ") == 1, "the line of start() and the figure, nothing else"
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", re.sub(r"<!--.*?-->", "", article, flags=re.S)))
    assert "is right on 60.7 % of the images, the convolutional one on less: 7 of 80 are right." in words
    assert "4,889,834 −12.3 % [−15.0 %, −10.0 %]" in words
    assert "r:A1" not in words and "s:A1" not in words and "&lt;!" not in words
    index = (folder / "_build" / "html" / "searchindex.js").read_text()
    assert '"60"' in index and "a1-fc-ahead" not in index.lower()


def test_the_raw_notebook_holds_one_small_output_for_a_record(executed):
    twin = json.loads(chapters.twin_of(executed).read_text())
    (output,) = [o for cell in twin["cells"] for o in cell.get("outputs", []) if MIME in o.get("data", {})]
    assert output["data"]["text/plain"] in ("", []) and output["metadata"]["profile"] == "full"
    assert output["data"][MIME]["key"] == "A1"
    assert set(output["data"][MIME]["values"]["accuracy"]["fc"]) == {"value", "n", "unit", "low", "high", "level"}
    nbformat.validate(twin)


# ---------------------------------------------------------------------------------------------------- markers


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("A1.accuracy.fc:.1%", "60.7 %"),
        ("A1.accuracy.fc.value:.2f", "0.61"),
        ("A1.accuracy.fc:±.2f", "0.61 ± 0.03"),
        ("A1.accuracy.fc:±.1%", "60.7 % ± 3.1 %"),
        ("A1.accuracy.fc.interval:.0%", "[58 %, 64 %]"),
        ("A1.accuracy.fc.n", "1,000"),
        ("A1.accuracy.cnn.count", "7"),
        ("A1.accuracy.fc.unit", "images"),
        ("A1.gain:+.2f", "−0.12"),
        ("-A1.gain.value:+.1%", "+12.3 %"),
        ("A1.weights", "4,889,834"),
        ("A1.weights.value / 1e6:.1f", "4.9"),
        ("A1.gap:.0e", "3e-08"),
        ("A1.winner", "FC"),
        ("100 * (A1.accuracy.fc.value - A1.accuracy.cnn.value):.0f", "52"),
    ],
)
def test_a_marker_shows_a_value_as_the_book_prints_it(marker, text):
    assert records.shown(marker, TREE) == text
    filled = f"It is <!--r:{marker}-->{text}<!--/r-->, we found."
    assert records.fill("It is <!--r:" + marker + "-->old\nwords<!--/r-->, we found.", TREE) == (filled, [])
    assert records.bare(filled) == f"It is {text}, we found."
    assert records.fill("It is {" + marker + "}.", TREE, records.IN_ALT) == (f"It is {text}.", [])


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("B2.accuracy:.1%", "no record 'B2'"),
        ("A1.acuracy:.1%", "no A1.acuracy; there are: accuracy, gain"),
        ("A1.accuracy:.1%", "no A1.accuracy.value; there are: fc, cnn"),
        ("A1.weights.low", "no A1.weights.low"),
        ("A1.accuracy.fc", "needs a format"),
        ("A1.winner:.1%", "A1.winner"),
        ("A1.weights:±d", "no A1.weights.interval"),
        ("A1.:.1%", "no Python expression"),
    ],
)
def test_a_marker_that_can_not_be_filled_stays_and_is_named(marker, words):
    text = f"It is <!--r:{marker}-->60.7 %<!--/r-->."
    filled, found = records.fill(text, TREE)
    assert filled == text and len(found) == 1 and words in found[0], found


def test_an_unclosed_marker_takes_nothing_with_it():
    text = "A <!--r:A1.winner-->FC and a long story, <!--r:A1.winner-->X<!--/r--> end."
    assert records.fill(text, TREE)[0] == text.replace("X", "FC")
    found = records.problems(text.replace("X", "FC"), nbformat.v4.new_notebook())
    assert any("has no end" in problem for problem in found)


@pytest.mark.parametrize("start", ["<!--s:x-->A.", "- <!--r:A1.x--><!--/r-->", "1. <!--s:x-->", "> <!--s:x-->"])
def test_a_mark_at_the_beginning_of_a_line_is_refused(start):
    notebook = nbformat.v4.new_notebook()
    assert any("begins a line" in problem for problem in records.problems(f"Before.\n{start}\n", notebook))
    assert not any("begins a line" in problem for problem in records.problems(f"Before.\nWord {start}\n", notebook))


# --------------------------------------------------------------------------------------------------- evidence

TRUE = [
    "A1.accuracy.fc.low > A1.accuracy.cnn.high",
    "0.5 < A1.accuracy.fc.value < 0.7",
    "A1.accuracy.cnn.count == 7 and A1.accuracy.cnn.n == 80",
    "A1.gain.high < 0",
    "A1.p.value < 0.05",
    "A1.gap.value < 1e-6",
    "A1.winner.value == 'FC'",
    "A1.same.value",
    "all(kind.high < 0.7 for kind in A1.accuracy)",
    "max(A1.accuracy.fc.value, A1.accuracy.cnn.value) == A1.accuracy.fc.value",
    "not A1.gain.value > 0",
]


@pytest.mark.parametrize("predicate", TRUE)
def test_a_predicate_holds_and_a_perturbed_record_makes_it_fail(predicate):
    tree = deepcopy(TREE)
    assert records.holds(predicate, tree) and records.can_fail(predicate, tree)
    assert tree == TREE


@pytest.mark.parametrize(
    "predicate", ["1 < 2", "A1.accuracy.fc.value < 1000", "A1.accuracy.fc.n == 1000", "len(A1.accuracy) == 2"]
)
def test_a_predicate_that_no_record_could_make_false_is_refused(tmp_path, predicate):
    assert records.holds(predicate, TREE)
    assert [problem for problem in evidence(tmp_path, predicate) if "can't fail" in problem]


@pytest.mark.parametrize(
    "predicate",
    [
        "__import__('os').system('true')",
        "A1.accuracy.fc.__class__",
        "A1._tree",
        "open('x')",
        "(lambda: True)()",
        "[x for x in A1.accuracy]",
        "A1.winner.value.upper() == 'FC'",
        "f'{A1}' == 'x'",
        "max(A1.accuracy, key=len)",
        "(x := True)",
        "2 ** 100 > 1",
        "A1.accuracy.fc",
        "A1.accuracy.fc.value",
        "A1.accuracy.fc > 0.5",
        "A1.accuracy.fx.value > 0.5",
        "B1.x.value > 0.5",
        "1 / 0 > 1",
        "A1.",
    ],
)
def test_what_is_no_predicate_is_refused(tmp_path, predicate):
    with pytest.raises(records.ExpressionError):
        records.holds(predicate, TREE)
    assert len(evidence(tmp_path, predicate)) == 1


def evidence(folder, predicate="A1.gain.high < 0", text="It is so.<!--s:x-->", **fields):
    path = folder / "01.yml"
    path.write_text(yaml.safe_dump([{"id": "x", "kind": "number", "predicate": predicate} | fields]))
    return records.evidence_problems(text, TREE, path)


def test_ids_stand_in_the_text_and_in_the_file_once(tmp_path):
    assert evidence(tmp_path) == [] and evidence(tmp_path, note="by hand") == []
    assert "stands 0 times" in evidence(tmp_path, text="It is so.")[0]
    assert "stands 2 times" in evidence(tmp_path, text="So.<!--s:x--> So.<!--s:x-->")[0]
    assert "y: is not in the file" in evidence(tmp_path, text="So.<!--s:x--> And.<!--s:y-->")[0]
    assert "is not true" in evidence(tmp_path, "A1.gain.high > 0")[0]
    assert "has id, kind" in evidence(tmp_path, kind="opinion")[0]
    assert "has id, kind" in evidence(tmp_path, why="because")[0]
    assert records.evidence_problems("No ids.", TREE, tmp_path / "none.yml") == []
    path = tmp_path / "01.yml"
    path.write_text(path.read_text().replace("  why: because\n", "") * 2)
    assert any("x: stands twice in the file" in problem for problem in records.evidence_problems("x", TREE, path))
