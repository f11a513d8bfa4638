"""What MyST alone understands, as plain links: a twin reads well in Colab, on GitHub and in JupyterLab.

In a chapter's source stands ``{cite:t}`zhou2016learning``` or ``[Scenes](scenes.md)``. In its twin stands a link to
the work or to the page, whose title keeps what was written, ``[Zhou et al. (2016)](https://... "cite:t zhou2016...")``.
Both directions are exact, so an edited notebook can be taken over, and the book is built from what was written.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pybtex.database import Entry, parse_file

from . import address

BIBLIOGRAPHY = address.ROOT / "book" / "references.bib"
ROLE = re.compile(r"\{cite:([pt])\}`([\w,]+)`")
PAGE = re.compile(r"(?<!!)\[([^\]\[]+)\]\((\w[\w/.-]*)\.md(#[\w-]+)?\)")
# What the two become; the title holds what was written.
PLAIN_ROLE = re.compile(r"\[[^\]\[]*\]\(\S+ \"cite:([pt]) (\w+)\"\)(?:; \[[^\]\[]*\]\(\S+ \"and (\w+)\"\))*")
PLAIN_PAGE = re.compile(r"\[([^\]\[]+)\]\(\S+ \"page:(\w[\w/.-]*\.md(?:#[\w-]+)?)\"\)")
_AND = re.compile(r"\"and (\w+)\"")


def plain(text: str) -> str:
    """The text with links in place of roles and of links to sources.

    Raises:
        KeyError: a citation that is not in the bibliography.
    """
    pages = f"{address.current().pages}book/"
    text = PAGE.sub(lambda m: f'[{m[1]}]({pages}{m[2]}.html{m[3] or ""} "page:{m[2]}.md{m[3] or ""}")', text)
    return ROLE.sub(lambda m: _citation(m[1], m[2].split(",")), text)


def written(text: str) -> str:
    """The text as it is in the source: the inverse of ``plain``."""
    text = PLAIN_PAGE.sub(r"[\1](\2)", text)
    return PLAIN_ROLE.sub(lambda m: f"{{cite:{m[1]}}}`{','.join([m[2], *_AND.findall(m[0])])}`", text)


def label(key: str, kind: str) -> str:
    """``Zhou et al. (2016)`` for the kind ``t``, ``Zhou et al., 2016`` for ``p``."""
    entry = _entries()[key]
    people = entry.persons["author"]
    names = [" ".join(map(str, [*person.rich_prelast_names, *person.rich_last_names])) for person in people]
    who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    return f"{who} ({entry.fields['year']})" if kind == "t" else f"{who}, {entry.fields['year']}"


def target(key: str) -> str:
    """Where a work can be read; the book's list of references for one that is nowhere."""
    fields = _entries()[key].fields
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return fields.get("url") or f"{address.current().pages}book/references.html"


def _citation(kind: str, keys: list[str]) -> str:
    """Links with a semicolon between them; with the kind ``p`` in brackets."""
    titles = [f"cite:{kind} {keys[0]}", *(f"and {key}" for key in keys[1:])]
    texts = [label(key, kind) for key in keys]
    if kind == "p":
        texts[0] = f"({texts[0]}"
        texts[-1] = f"{texts[-1]})"
    return "; ".join(f'[{text}]({target(key)} "{title}")' for text, key, title in zip(texts, keys, titles))


@cache
def _entries(path: Path = BIBLIOGRAPHY) -> dict[str, Entry]:
    return dict(parse_file(path).entries)
