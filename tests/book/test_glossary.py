"""The glossary is in order, and the first use of a term on a page leads to it."""

import re
import subprocess
import sys

import pytest

from tools import chapters
from tools.extensions.glossary_links import split

PAGE = (chapters.BOOK / "glossary.md").read_text()
LINES = re.search(r"```\{glossary\}\n(.*?)\n```", PAGE, re.S)[1]
ENTRIES = [entry.split("\n  ") for entry in LINES.split("\n\n")]
TERMS = [term for names, *_ in ENTRIES for term in names.split("\n")]


def test_terms_are_in_alphabetical_order_and_each_is_defined_once():
    firsts = [names.split("\n")[0].lower() for names, *_ in ENTRIES]
    assert firsts == sorted(firsts) and len(firsts) >= 20
    assert len(set(map(str.lower, TERMS))) == len(TERMS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[0].split("\n")[0])
def test_a_definition_is_short(entry):
    _, *definition = entry
    assert 6 <= len(" ".join(definition).split()) <= 50
    assert definition[-1].endswith(".")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A saliency map and another saliency map.", ["saliency map"]),
        ("Saliency maps, logits, and then a logit", ["Saliency maps", "logits"]),
        ("The relevance mass, then relevance", ["relevance mass", "relevance"]),
        ("A saliency\nmap over two lines", ["saliency\nmap"]),
        ("Unmasked, masking, cam, CAMs, Grad-CAM", []),
        ("By CAM alone", ["CAM"]),
    ],
)
def test_what_counts_as_a_use(text, expected):
    terms = ["saliency map", "logit", "relevance", "relevance mass", "mask", "CAM"]
    pieces = split(text, terms, set())
    assert [word for word, term in pieces if term] == expected
    assert "".join(word for word, _ in pieces) == text


def test_a_term_that_was_seen_is_not_linked_again():
    seen = {"logit"}
    assert split("A logit and a mask.", ["logit", "mask"], seen)[1] == ("mask", "mask")
    assert seen == {"logit", "mask"}


def test_sphinx_links_running_text_and_nothing_else(tmp_path):
    (tmp_path / "book").mkdir()
    extensions = str(chapters.ROOT / "tools" / "extensions")
    (tmp_path / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {extensions!r})\nextensions = ['myst_parser', 'glossary_links']\n"
    )
    (tmp_path / "book/glossary.md").write_text(
        "# Glossary\n\n```{glossary}\nlogit\n  A number, see mask.\n\nmask\n  True.\n```\n"
    )
    (tmp_path / "index.md").write_text(
        "# A mask in a heading\n\n`mask` as code and [a mask](https://example.org) as a link.\n\n"
        "| mask |\n|---|\n| mask |\n\n- Logits, and **masks** in a list.\n\nOne more mask and logit.\n\n"
        "```{toctree}\nbook/glossary\n```\n"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "-b", "html", tmp_path, tmp_path / "html"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "html/index.html").read_text()
    links = re.findall(r'<a class="glossary-use[^"]*" href="([^"]*)">(.*?)</a>', html)
    assert links == [("book/glossary.html#term-logit", "Logits"), ("book/glossary.html#term-mask", "masks")]
    assert "glossary-use" not in (tmp_path / "html/book/glossary.html").read_text()
