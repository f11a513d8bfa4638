"""A class is marked: right and wrong answers, stubs, and notebooks and functions that try to stop it."""

import csv
import json
import os
import sys

import pytest

from salkit import cli
from salkit.course import grading

pytest.importorskip("psutil", reason="salkit grade watches memory with psutil: pip install psutil")

IMPORTS = "import torch\n\nimport salkit\nfrom salkit.course import check"
SALIENCY = """def my_saliency(model, images, labels):
    x = images.detach().clone().requires_grad_()
    score = model(x).gather(1, labels[:, None]).sum()
    return torch.autograd.grad(score, x)[0].abs().amax(1)


check.saliency(my_saliency)"""
STUB = "def my_saliency(model, images, labels):\n    ...  # your code\n\n\ncheck.saliency(my_saliency)"
HELPED = SALIENCY.replace("return ", "return LARGEST * by_channel(").replace("[0].abs().amax(1)", "[0])")
HELPER = "LARGEST = 1\nopened = undefined_data()\n\n\ndef by_channel(gradient):\n    return gradient.abs().amax(1)"
MEMORY = "def my_saliency(*case):\n    kept = [torch.ones(10**7) for _ in range(60)]\n    return kept\n\n\n"
NETWORK = "import socket\n\n\ndef my_saliency(*case):\n    socket.create_connection(('127.0.0.1', 9))\n\n\n"
CHECKED = "check.saliency(my_saliency)"

# What a learner's cell holds, and what the mark says of it; nothing where it passes.
ANSWERS = {
    "right": (SALIENCY, ""),
    "no_check_left": (SALIENCY.removesuffix(CHECKED), ""),
    "magic": (f"%matplotlib inline\n{SALIENCY}\n!ls", ""),
    "wrong": (SALIENCY.replace(".abs()", ""), "maximum of the gradient"),
    "empty": (STUB, "It is still to be written."),
    "raises": ("def my_saliency(*case):\n    return 1 / 0\n\n\n" + CHECKED, "in the line `return 1 / 0`"),
    "no_python": (SALIENCY.replace("labels):", "labels)"), "SyntaxError"),
    "not_defined": ("my_saliency = my_other\n" + CHECKED, "NameError: name 'my_other'"),
    "endless": ("while True:\n    pass\n" + CHECKED, "It was stopped after"),
    "memory": (MEMORY + CHECKED, "It was stopped when it held more than"),
    "leaves": ("import os\n\n\ndef my_saliency(*case):\n    os._exit(0)\n\n\n" + CHECKED, "ended the program"),
    "exits": ("import sys\n\nsys.exit()\n" + CHECKED, "SystemExit"),
    "hands_over_the_solution": ("check.saliency(check.saliency.reference)", "The line that checks was changed"),
    "calls_the_solution": (
        "def my_saliency(*case):\n    return check.saliency.reference(*case)\n\n\n" + CHECKED,
        "no attribute 'reference'",
    ),
    "imports_the_solution": (
        "from salkit.course.check.gradients import saliency\nmy_saliency = saliency.reference\n" + CHECKED,
        "The cell defines no my_saliency. ",
    ),
    "changes_the_check": (f"check.saliency = print\n{STUB.replace('...', 'return 1')}", "The result has shape ()"),
    "another_edition": (SALIENCY.replace("check.saliency", "check.threshold"), "another one"),
}


def notebook(*cells, **metadata):
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": metadata,
        "cells": [
            {"cell_type": kind, "id": f"cell-{n}", "metadata": {}, "source": text.splitlines(keepends=True)}
            for n, (kind, text) in enumerate([("code", IMPORTS), *cells])
        ],
    }


def hand_in(folder, learner, content):
    (folder / learner).mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / learner / "02.ipynb").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def marks(tmp_path_factory):
    """The marks of all these answers, by learner; and those of notebooks that are none, or not as handed out."""
    folder = tmp_path_factory.mktemp("submissions")
    for learner, (answer, _) in ANSWERS.items():
        hand_in(folder, learner, notebook(("markdown", "**Name:** __Ada L.__"), ("code", answer)))
    hand_in(folder, "helped", notebook(("code", HELPER), ("code", HELPED)))
    hand_in(folder, "cut_off", json.dumps(notebook(("code", SALIENCY)))[:200])
    hand_in(folder, "without", notebook(("code", "print(1)")))
    hand_in(folder, "took_out", notebook(("code", "print(1)"), salkit={"exercises": ["saliency"]}))
    by_id = notebook(("code", SALIENCY.removesuffix(CHECKED)))
    by_id["cells"][1]["id"] = "exercise-saliency"
    hand_in(folder, "known_by_its_id", by_id)
    (folder / "alone.ipynb").write_text(json.dumps(notebook(("code", SALIENCY))))
    found = grading.grade(folder, seed=3, seconds=6, memory=1.5e9, jobs=os.cpu_count())
    return {mark.learner: mark for mark in found}


@pytest.mark.parametrize("learner", sorted(set(ANSWERS) - {"no_check_left"}))
def test_every_answer_gets_its_mark(marks, learner):
    mark, (_, said) = marks[learner], ANSWERS[learner]
    assert mark.passed == (not said) and said in mark.mistake and bool(mark.mistake) == bool(said), mark
    assert (mark.name, mark.notebook) == ("Ada L.", f"{learner}/02.ipynb")
    assert mark.exercise == ("threshold" if learner == "another_edition" else "saliency")


def test_a_notebook_is_marked_as_far_as_it_can_be_read(marks):
    assert marks["helped"].passed and marks["known_by_its_id"].passed and marks["alone"].passed
    assert "can be read" in marks["cut_off"].mistake
    assert "no cell with an exercise" in marks["without"].mistake
    assert "no cell with saliency" in marks["took_out"].mistake and marks["took_out"].exercise == "saliency"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process leave the network")
def test_an_answer_has_no_network(tmp_path):
    hand_in(tmp_path, "ada", notebook(("code", NETWORK + CHECKED)))
    (mark,) = grading.grade(tmp_path, seed=0)
    if "Network is unreachable" not in mark.mistake:
        pytest.skip(f"this kernel lets nobody leave the network: {mark.mistake}")


def test_the_command_writes_a_table_that_is_safe_to_open_and_a_summary(tmp_path, monkeypatch, capsys):
    for learner, right in (("ada", True), ("ben", False), ("cleo", False)):
        text = SALIENCY if right else STUB
        hand_in(tmp_path / "in", learner, notebook(("markdown", '**Name:** =HYPERLINK("x")'), ("code", text)))
    assert cli.main(["grade", str(tmp_path / "in"), "-o", str(tmp_path / "marks.csv"), "--seed", "5"]) == 0
    with (tmp_path / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["learner"], row["passed"], row["seed"]) for row in rows] == [
        ("ada", "1", "5"),
        ("ben", "0", "5"),
        ("cleo", "0", "5"),
    ]
    assert all(row["name"] == "'=HYPERLINK(\"x\")" for row in rows)
    said = capsys.readouterr().out
    assert "saliency: 1 of 3 passed" in said and "2 x  It is still to be written." in said


def test_a_folder_without_notebooks_is_an_error_in_one_line(tmp_path, capsys):
    assert cli.main(["grade", str(tmp_path), "-o", str(tmp_path / "marks.csv")]) == 1
    assert "There is no notebook" in capsys.readouterr().err
