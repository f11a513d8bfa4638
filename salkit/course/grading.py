"""Marking a class: notebooks in, a row for each learner and exercise out. It is what ``salkit grade`` runs.

A learner's function is called in a process of its own, which can be stopped without harm to the others. What holds it:

========================  ==================  ==================  ==================
limit                     Linux               macOS               Windows
========================  ==================  ==================  ==================
time                      yes                 yes                 yes
memory, as its parent     yes                 yes                 yes
sees it
network                   cut off, where      open                open
                          the kernel lets
                          a user do that
files                     those of who runs   those of who runs   those of who runs
                          the command         the command         the command
========================  ==================  ==================  ==================

So it holds accidents. Whom you don't trust, mark in a container, or under an account that owns nothing.

Of a notebook only what a function needs is run: the imports, definitions and constants of the cells before the
exercise, and all of the exercise's own cell. Whatever the notebook's checks say is not looked at: the exercises are
those of this installation, on cases that nobody has seen before.
"""

from __future__ import annotations

import ast
import csv
import ctypes
import json
import linecache
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError


class Mark(NamedTuple):
    """One row: what one learner's answer to one exercise was found to be.

    Attributes:
        learner: the folder of the notebook, or the notebook's name where it lies in none.
        name: what stands in the notebook's field for it.
        notebook: its file, seen from the folder of all submissions.
        exercise: as in ``check.EXERCISES``; empty where the notebook has none, or can't be read.
        passed: 1 if the function agreed with the reference on all sets of cases, else 0.
        mistake: what is wrong, as the learner would be told.
        seed: of the cases on which it went wrong, or of the first set.
    """

    learner: str
    name: str
    notebook: str
    exercise: str
    passed: int
    mistake: str
    seed: int


def grade(folder: Path, seed: int, *, seconds: float = 60, memory: float = 2e9, jobs: int = 2) -> Iterator[Mark]:
    """Mark all notebooks in a folder, those in its folders too, in their order.

    Args:
        folder: with ``learner/notebook.ipynb``, or ``learner.ipynb``.
        seed: of the cases, the same for everybody.
        seconds: how long one answer may take.
        memory: how many bytes one answer may hold.
        jobs: how many answers to mark at once.
    """
    notebooks = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    tasks = [task for path in notebooks for task in _tasks(path, folder, seed)]
    if not tasks:
        raise InputError(f"There is no notebook (.ipynb) in {folder}.")
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        # What answers import, loaded once for all of them.
        context.set_forkserver_preload(["salkit.course.check", "matplotlib.figure", "scipy.stats", "torchvision"])
    loading = context.Process(target=int)
    loading.start()
    loading.join()  # so that nobody's time runs while all that is loaded

    def mark(blank: Mark, *where) -> Mark:
        return blank if blank.mistake else blank._replace(**_apart(context, (blank, *where), seconds, memory))

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(mark, *zip(*tasks))


def _tasks(path: Path, folder: Path, seed: int) -> Iterator[tuple[Mark, list[str], int]]:
    """For each exercise of a notebook a mark to be filled in, the code of all cells, and the place of its own."""
    inside, cells, places = path.relative_to(folder), [], {}
    blank = Mark(inside.with_suffix("").parts[0], "", inside.as_posix(), "", 0, "", seed)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for place, cell in enumerate(notebook["cells"]):
            text, code = "".join(cell["source"]), cell["cell_type"] == "code"
            cells.append(re.sub(r"^(\s*)[%!].*$", r"\1pass", text, flags=re.M) if code else "")
            if match := not code and re.search(r"^\*\*Name:\*\*[ \t_]*([^\s_].*?)[ \t_]*$", text, re.M):
                blank = blank._replace(name=match[1])
            own = re.fullmatch(r"exercise-(\w+)", str(cell.get("id")))
            places |= dict.fromkeys([own[1]] if own else re.findall(r"\bcheck\.(\w+)\(", cells[-1]), place)
        exercises = [*dict.fromkeys([*notebook["metadata"].get("salkit", {}).get("exercises", []), *places])]
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        yield blank._replace(mistake=f"The file is no notebook that can be read: {type(error).__name__}."), [], 0
        return
    for exercise in exercises or [""]:
        gone = "" if exercise in places else f"The notebook has no cell with {exercise or 'an exercise'}."
        yield blank._replace(exercise=exercise, mistake=gone), cells, places.get(exercise, 0)


def _apart(context, task: tuple, seconds: float, memory: float) -> dict:
    """What :func:`_judge` says of a task, in a process that is stopped when it takes too much."""
    import psutil

    inbox, outbox = context.Pipe(duplex=False)
    found, end = {"mistake": "It ended the program that called it."}, time.monotonic() + seconds
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty, inbox, outbox:
        process = context.Process(target=_child, args=(outbox, empty, *task))
        process.start()
        stopped, family = "", []
        while process.is_alive() and not stopped:
            with suppress(psutil.NoSuchProcess):
                family = [child := psutil.Process(process.pid), *child.children(recursive=True)]
                held, late = sum(one.memory_info().rss for one in family), time.monotonic() > end
                stopped = (
                    f"It was stopped when it held more than {memory / 1e9:g} GB."
                    if held > memory
                    else f"It was stopped after {seconds:g} s: does every loop of the cell end?"
                    if late
                    else ""
                )
            process.join(0.05)
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        # Read only now, when nobody writes any more; and as JSON, which can't run anything here.
        with suppress(EOFError, OSError, ValueError):
            process.join()
            found = json.loads(inbox.recv_bytes(1 << 16)) if inbox.poll() else found
    return {"mistake": stopped} if stopped else found


def _child(outbox, folder: str, blank: Mark, cells: list[str], place: int) -> None:
    """The process of one answer: quiet, in an empty folder, without a network where that can be had."""
    if sys.platform == "linux":  # CLONE_NEWNET, which a user gets together with CLONE_NEWUSER
        any(ctypes.CDLL(None).unshare(flags) == 0 for flags in (0x50000000, 0x40000000))
    os.chdir(folder)
    for stream in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    try:
        found = _judge(cells, place, blank.exercise, blank.seed)
    except BaseException as error:
        kind = "" if isinstance(error, InputError) else f"It can't be marked: {type(error).__name__}: "
        found = {"mistake": f"{kind}{error}"[:1000]}
    outbox.send_bytes(json.dumps(found).encode())
    os._exit(0)  # whatever threads and exit functions the answer may have left


class _NoCheck:
    """What a notebook gets in the place of ``check``: its calls do nothing, and it has no solution to hand over."""

    def __getattr__(self, name: str):
        return lambda *args, **options: None


def _judge(cells: list[str], place: int, exercise: str, seed: int) -> dict:
    """Whether an answer passes; what is wrong with it, and on cases of which seed."""
    from . import check

    known = {name: getattr(check, name) for name in (*check.EXERCISES, "clean_network")}
    for name in [name for name in sys.modules if name.startswith("salkit.course.check")]:
        del sys.modules[name]
    sys.modules["salkit.course.check"] = sys.modules["salkit.course"].check = _NoCheck()  # ty: ignore
    if exercise not in known:
        raise InputError("This edition has no such exercise: the notebook is of another one.")
    function = _handed_over(ast.parse(cells[place]), exercise)
    names, failed = _names(cells, place)
    if function not in names:
        raise InputError(f"The cell defines no {function}. {failed}")
    for draw in range(seed, seed + 3):  # as many sets of cases, so that chance has little to say
        result = known[exercise](names[function], **({"seed": draw} if exercise in check.EXERCISES else {}))
        if not result:
            return {"mistake": result.hint[:1000], "seed": draw}
    return {"passed": 1}


def _handed_over(tree: ast.Module, exercise: str) -> str:
    """The name of what a cell hands to its check, or of its last function where there is no check any more."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    made = {node.name: "; ".join(map(ast.unparse, node.body)) for node in functions}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    name = ["?", *made, *(ast.unparse(c.args[0]) for c in calls if ast.unparse(c.func) == f"check.{exercise}")][-1]
    if not name.isidentifier():
        raise InputError("The line that checks was changed: it hands over nothing that the cell defines.")
    if made.get(name) in ("...", "pass"):
        raise InputError("It is still to be written.")
    return name


def _names(cells: list[str], place: int) -> tuple[dict, str]:
    """What the function of a cell finds when it is called, and the last error on the way."""
    names, failed = {"__name__": "answer"}, ""
    for number, text in enumerate(cells[: place + 1]):
        file = f"<cell {number}>"
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
        with suppress(SyntaxError):
            for node in filter(_defines, ast.parse(text).body) if number < place else ast.parse(text).body:
                try:
                    exec(compile(ast.Module([node], []), file, "exec"), names)
                except Exception as error:
                    failed = failed if failed and number == place else f"{type(error).__name__}: {error}"
    return names, failed


def _defines(node: ast.stmt) -> bool:
    """Whether a statement imports, defines, or names a constant: all that is run of the cells before an exercise."""
    if isinstance(node, ast.Assign):
        return not any(isinstance(part, ast.Call | ast.Name) for part in ast.walk(node.value))
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def write_csv(file: Path, marks: Iterable[Mark]) -> None:
    """Write marks as a table that a spreadsheet opens; no text in it is taken for a formula."""
    with file.open("w", newline="", encoding="utf-8-sig") as stream:
        safe = ([re.sub(r"^(?=[=+\-@\t\r])", "'", str(value)) for value in row] for row in [Mark._fields, *marks])
        csv.writer(stream).writerows(safe)


def summary(marks: list[Mark], most: int = 3) -> str:
    """Of each exercise how many passed, and what was wrong how often."""
    lines = [f"{len({mark.learner for mark in marks})} learners, {len(marks)} answers"]
    for exercise in dict.fromkeys(mark.exercise for mark in marks):
        answers = [mark for mark in marks if mark.exercise == exercise]
        lines += ["", f"{exercise or 'notebooks'}: {sum(mark.passed for mark in answers)} of {len(answers)} passed"]
        # What differs from case to case, a number or a shape, makes no other mistake of it.
        told = Counter(re.sub(r"-?\d[\d.]*", "#", mark.mistake.split(". ")[0]) for mark in answers if mark.mistake)
        lines += [f"  {count:3} x  {sentence[:100]}" for sentence, count in told.most_common(most)]
    return "\n".join(lines)
