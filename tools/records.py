"""What a chapter's text says of its results, held to the records in its notebook (``run.record``).

A *marker* in the text is filled from a record: ``<!--r:A1.accuracy.fc:.1%-->60.7 %<!--/r-->``; in an alt text and
a caption it is ``{A1.accuracy.fc:.1%}``. Before the colon stands an expression over the records' names, after it a
format of Python's, or ``±.2f`` for a value and half the width of its interval. A record has the parts ``value`` (meant
where none is named), ``low``, ``high``, ``interval``, ``n``, ``count`` (of n), ``level`` and ``unit``.

A sentence about a result ends in its id, ``<!--s:A1-fc-behind-->``, and ``book/evidence/NN.yml`` has for each id a
predicate: an expression that is true of the stored records, and would be false if they were others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path

import yaml
from nbformat import NotebookNode

from salkit.course.records import MIME

FIELDS = {"id", "kind", "predicate"}
KINDS = ("number", "comparison", "mechanism", "generalisation", "claim")
# What stands in a marker has no marker in it: one that was never closed takes nothing with it.
MARKER = re.compile(r"<!--r:([^<>]+)-->((?:(?!<!--).)*)<!--/r-->", re.S)
SENTENCE = re.compile(r"<!--s:([^<>]+)-->")
IN_ALT = re.compile(r"\{([^{}]+)\}")
# A comment at the beginning of a line makes HTML of the whole line, and its Markdown is lost.
AT_LINE_START = re.compile(r"^[ >*+-]*(?:\d+[.)] )?(<!--[rs]:.*?-->)", re.M)

FUNCTIONS = {"abs": abs, "min": min, "max": max, "all": all, "any": any, "round": round, "len": len, "sorted": sorted}
ALLOWED = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Attribute, ast.Call, ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp),
    *(ast.Tuple, ast.List, ast.GeneratorExp, ast.comprehension, ast.expr_context, ast.boolop, ast.cmpop),
    *(ast.Not, ast.USub, ast.Add, ast.Sub, ast.Mult, ast.Div),
)


class ExpressionError(Exception):
    """An expression is none, names a record that isn't there, or gives what can't be used."""


class Record:
    """A record, or a group of them: its parts are attributes. ``read`` collects the paths of the records looked at."""

    def __init__(self, tree: dict, path: tuple[str, ...], read: set):
        self._tree, self._path, self._read = tree, path, read

    def __getattr__(self, name: str):
        parts = dict(self._tree)
        if "value" in parts:
            self._read.add(self._path)
            if "low" in parts:
                parts["interval"] = (parts["low"], parts["high"])
            if "n" in parts and abs(parts["value"] * parts["n"] - round(parts["value"] * parts["n"])) < 1e-6:
                parts["count"] = round(parts["value"] * parts["n"])
        if name not in parts:
            raise ExpressionError(f"there is no {'.'.join((*self._path, name))}; there are: {', '.join(parts)}")
        found = parts[name]
        return Record(found, (*self._path, name), self._read) if isinstance(found, dict) else found

    def __iter__(self) -> Iterator:
        return (getattr(self, name) for name in self._tree)

    def __len__(self) -> int:
        return len(self._tree)


def stored(notebook: NotebookNode, profile: str = "full") -> tuple[dict, list[str]]:
    """The records that a notebook holds from runs in a profile, by key and name; and what is wrong with them."""
    found, problems = {}, []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            record = output.get("data", {}).get(MIME)
            if record and output.metadata.get("profile") == profile:
                group = found.setdefault(record["key"], {})
                twice = group.keys() & record["values"].keys()
                problems += [f"{record['key']}.{name} is recorded twice: each needs its own name" for name in twice]
                group.update(record["values"])
    return found, problems


def evaluate(expression: str, tree: dict, read: set | None = None):
    """The value of an expression over records.

    Raises:
        ExpressionError: it is none, contains what isn't allowed, or can't be evaluated.
    """
    read = set() if read is None else read
    try:
        parsed = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ExpressionError(f"{expression!r} is no Python expression: {error.msg}") from None
    for node in ast.walk(parsed):
        name = getattr(node, "attr", getattr(node, "id", ""))
        called = isinstance(node, ast.Call) and getattr(node.func, "id", "") not in FUNCTIONS
        if not isinstance(node, ALLOWED) or called or name.startswith("_"):
            raise ExpressionError(f"{expression!r} has more in it than names, numbers, comparisons and {[*FUNCTIONS]}")
    names = {key: Record(group, (key,), read) for key, group in tree.items()} | FUNCTIONS
    try:
        return eval(compile(parsed, "<records>", "eval"), {"__builtins__": {}, **names})
    except NameError as error:
        raise ExpressionError(f"there is no record {error.name!r}; there are: {', '.join(tree) or 'none'}") from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ExpressionError(f"{expression!r}: {error}; a record's number is its .value") from None


def parts(expression: str, tree: dict) -> dict:
    """The parts of a record, such as ``value``, ``low`` and ``n``; none where the expression is no record."""
    found = evaluate(expression, tree)
    return dict(found._tree) if isinstance(found, Record) else {}


# ------------------------------------------------------------------------------------------------------- markers


def shown(marker: str, tree: dict) -> str:
    """What a marker shows, in the book's typography: ``60.7 %``, ``−0.12``, ``0.52 ± 0.03``, ``[0.49, 0.55]``.

    Raises:
        ExpressionError: no such record, or the format doesn't fit its value.
    """
    expression, _, spec = marker.partition(":")
    found = evaluate(expression, tree)
    if isinstance(found, Record):
        low, high = found.interval if spec.startswith("±") else (0, 0)
        if spec.startswith("±"):
            return f"{_number(found.value, spec[1:])} ± {_number((high - low) / 2, spec[1:])}"
        found = found.value
    try:
        if isinstance(found, tuple):
            return f"[{', '.join(_number(end, spec) for end in found)}]"
        return format(found, spec) if isinstance(found, str) else _number(found, spec)
    except (TypeError, ValueError) as error:
        raise ExpressionError(f"{marker}: {error}") from None


def _number(value: float, spec: str) -> str:
    if not spec and isinstance(value, float):
        raise ValueError("a number with a fraction needs a format, such as :.1% or :.2f")
    return re.sub(r"^-", "−", format(value, spec or ",")).replace("%", " %")


def fill(text: str, tree: dict, pattern: re.Pattern = MARKER) -> tuple[str, list[str]]:
    """The text with its markers filled; those that can't be stay as they are, and the reasons are returned."""
    problems = []

    def filled(match: re.Match) -> str:
        try:
            new = shown(match[1], tree)
        except ExpressionError as error:
            problems.append(f"a marker can't be filled: {error}")
            return match[0]
        return f"<!--r:{match[1]}-->{new}<!--/r-->" if pattern is MARKER else new

    return pattern.sub(filled, text), problems


def emptied(text: str) -> str:
    """The text with nothing in its markers: what a person writes of it."""
    return MARKER.sub(r"<!--r:\1--><!--/r-->", text)


def bare(text: str) -> str:
    """The text without markers and ids, for those who only read."""
    return re.sub(r"<!--(?:[rs]:[^<>]+|/r)-->", "", text)


# ------------------------------------------------------------------------------------------------------ evidence


def perturbed(record: dict) -> Iterator[dict]:
    """The same record with other values: negative, half, double, one minus it, and beyond its interval."""
    value = record["value"]
    if isinstance(value, (bool, str)):
        yield {**record, "value": not value if isinstance(value, bool) else f"not {value}"}
        return
    beyond = 2 * (record.get("high", value) - record.get("low", value))
    for scale, shift in ((-1, 0), (0.5, 0), (2, 0), (-1, 1), (1, beyond), (1, -beyond)):
        moved = {part: scale * record[part] + shift for part in ("value", "low", "high") if part in record}
        if scale < 0 and "low" in moved:
            moved["low"], moved["high"] = moved["high"], moved["low"]
        yield {**record, **moved}


def holds(predicate: str, tree: dict, read: set | None = None) -> bool:
    """Whether a predicate is true of records.

    Raises:
        ExpressionError: it isn't true or false.
    """
    result = evaluate(predicate, tree, read)
    if not isinstance(result, bool):
        raise ExpressionError(f"{predicate!r} is {result!r}, neither true nor false")
    return result


def can_fail(predicate: str, tree: dict) -> bool:
    """Whether a predicate, true now, is false after one of the records that it reads is perturbed."""
    read = set()
    holds(predicate, tree, read)
    for path in read:
        changed = deepcopy(tree)
        record = reduce(getitem, path, changed)
        for other in [*perturbed(record)]:
            record.update(other)
            try:
                if not holds(predicate, changed):
                    return True
            except ExpressionError:  # no whole count any more, for example: that says nothing
                pass
    return False


def evidence_problems(text: str, tree: dict, evidence: Path) -> list[str]:
    """What is wrong with the sentences of a text that have an id, and with the predicates in its file of evidence."""
    entries = (yaml.safe_load(evidence.read_text(encoding="utf-8")) or []) if evidence.exists() else []
    in_text, found = SENTENCE.findall(text), []
    for entry in entries:
        if not FIELDS <= set(entry) <= FIELDS | {"note"} or entry["kind"] not in KINDS:
            found.append(f"{entry}: has id, kind ({', '.join(KINDS)}), predicate and perhaps note")
            continue
        name, predicate = entry["id"], str(entry["predicate"])
        if in_text.count(name) != 1:
            found.append(f"{name}: stands {in_text.count(name)} times in the text, as <!--s:{name}-->, not once")
        try:
            if not holds(predicate, tree):
                found.append(f"{name}: is not true of the stored records: {predicate}")
            elif not can_fail(predicate, tree):
                found.append(f"{name}: can't fail, whatever the records: {predicate}")
        except ExpressionError as error:
            found.append(f"{name}: {error}")
    names = [entry["id"] for entry in entries if FIELDS <= set(entry)]
    found += [f"{name}: stands twice in the file" for name in dict.fromkeys(names) if names.count(name) > 1]
    found += [f"{name}: is not in the file" for name in dict.fromkeys(in_text) if name not in names]
    return [f"evidence/{evidence.name}: {problem}" for problem in found]


def problems(text: str, notebook: NotebookNode, profile: str = "full") -> list[str]:
    """What is wrong with the markers in the text, the alt texts and the captions of a chapter."""
    tree, _ = stored(notebook, profile)
    filled, found = fill(text, tree)
    if filled != text and profile == "full":
        found.append("a marker doesn't show what is recorded: run make sync")
    markers = len(MARKER.findall(text))
    if (text.count("<!--r:"), text.count("<!--/r-->")) != (markers, markers):
        found.append("a marker has no end, or no beginning, <!--r:A1.accuracy:.1%-->...<!--/r-->")
    found += [f"{mark} begins a line, and makes HTML of it: put a word before" for mark in AT_LINE_START.findall(text)]
    for cell in notebook.cells:
        template = cell.metadata.get("salkit", {})
        found += [problem for name in ("alt", "caption") for problem in fill(template.get(name, ""), tree, IN_ALT)[1]]
    return found
