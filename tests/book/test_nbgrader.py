"""nbgrader itself takes an assignment, hides what learners must not see, and marks what they hand in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import student

pytest.importorskip("nbgrader", reason="nbgrader is in a group of its own: make interop installs it")

NAME = "07-trial"
CHAPTER = """---
jupytext:
  text_representation:
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
# A trial

```{code-cell} ipython3
from salkit.course import check
```

**1. The share that is right.**

```{code-cell} ipython3
def my_accuracy(logits, labels):
    ...  # your code


check.accuracy(my_accuracy)
```

```{code-cell} ipython3
:tags: [solution]

# @title Solution
def my_accuracy(logits, labels):
    right = logits.argmax(1) == labels
    return right.float().mean()


assert check.accuracy(my_accuracy)
```
"""
SUBMITTED = {
    "ada": "return (logits.argmax(1) == labels).float().mean()",
    "ben": student.STUB,
}


@pytest.fixture(autouse=True)
def scripts_are_found(monkeypatch):
    """nbgrader calls ``alembic``, which lies beside this Python."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def run(course, *command):
    done = subprocess.run([sys.executable, "-m", "nbgrader", *command], cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_nbgrader_makes_the_release_and_marks_submissions(tmp_path):
    from nbgrader.api import Gradebook

    (tmp_path / "book").mkdir()
    (tmp_path / "book" / f"{NAME}.md").write_text(CHAPTER)
    course = student.write_for_nbgrader(5, tmp_path / "course", tmp_path / "book")
    source = (course / "source" / NAME / f"{NAME}.ipynb").read_text()
    assert "right.float().mean()" in source and "seed=5" in source

    run(course, "generate_assignment", NAME)
    release = course / "release" / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(release, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert f"    {student.STUB}\n\n\ncheck.accuracy(my_accuracy)" in code
    assert "right" not in code and "seed" not in code and "# Marked on other cases." in code

    for learner, answer in SUBMITTED.items():
        handed_in = course / "submitted" / learner / NAME / f"{NAME}.ipynb"
        handed_in.parent.mkdir(parents=True)
        shutil.copy(release, handed_in)
        handed_in.write_text(release.read_text().replace(student.STUB, answer))
    run(course, "autograde", NAME)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        scores = {learner: book.find_submission(NAME, learner).score for learner in SUBMITTED}
        assert book.find_assignment(NAME).max_score == 1
    assert scores == {"ada": 1, "ben": 0}
