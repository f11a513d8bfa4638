"""Sphinx extension: how often each page uses each word goes into the search index, for ``scorer.js`` to rank by.

Sphinx's own index says only on which pages a word stands, so that a page about a method and a page that mentions it
come in the order of the alphabet.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.search import IndexBuilder, WordCollector

counts: dict[str, Counter] = {}  # of this build, by page
FEWEST = 2  # a word that stands on a page once is not counted: half of the table would be of these


def counted(index: IndexBuilder, doctree: nodes.document) -> Counter:
    """How often a page has each word, in the form in which the index has it."""
    collector = WordCollector(doctree, index.lang)
    doctree.walk(collector)
    found: Counter = Counter()
    for word, often in Counter(collector.found_words).items():
        stem = index.lang.stem(word).lower()
        if index.lang.word_filter(stem):
            found[stem] += often
    return found


def count_words(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if app.builder.format == "html":
        counts[docname] = counted(app.builder.indexer, doctree)


def table(counts: dict[str, Counter]) -> dict[str, dict[int, int]]:
    """``{word: {number of the page in the index: how often}}``; the index has its pages in the alphabet's order."""
    found: dict[str, dict[int, int]] = {}
    for number, docname in enumerate(sorted(counts)):
        for word, often in counts[docname].items():
            if often >= FEWEST:
                found.setdefault(word, {})[number] = often
    return found


def write_counts(app: Sphinx, error: Exception | None) -> None:
    index = Path(app.outdir, "searchindex.js")
    if error is None and index.exists():
        text = index.read_text(encoding="utf-8")
        added = json.dumps(table(counts), ensure_ascii=False, separators=(",", ":"))
        index.write_text(f"Search.counts={added};\n{text}", encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", count_words)
    app.connect("build-finished", write_counts)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
