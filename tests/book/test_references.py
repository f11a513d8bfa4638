"""The list of references: each entry leads to the work, begins with surname and year, and says where it is cited."""

import importlib.util
import re

import pytest
from pybtex.database import parse_file
from pybtex.plugin import find_plugin

from tools import build

spec = importlib.util.spec_from_file_location("bibliography", build.ROOT / "tools/extensions/bibliography.py")
bibliography = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bibliography)

ENTRIES = parse_file(str(build.ROOT / "book/references.bib")).entries
NOWHERE = {  # on no page that will stay: reports of students, and a book of 1970
    *("shin2021exploring", "haenel2021sanity", "paul2024explainability", "midha2021visual"),
    "box1970time",
}


@pytest.mark.parametrize("key", ENTRIES)
def test_each_entry_leads_to_the_work(key):
    fields = ENTRIES[key].fields
    assert bool({"doi", "eprint", "url"} & set(fields)) != (key in NOWHERE)
    if "eprint" in fields:
        assert fields["archiveprefix"] == "arXiv" and re.fullmatch(r"\d{4}\.\d{4,5}", fields["eprint"])
    if "doi" in fields:
        assert fields["doi"].startswith("10.")


@pytest.mark.parametrize("key", ["smilkov2017smoothgrad", "box1970time", "ribeiro2016why"])
def test_an_entry_begins_with_surname_and_year(key):
    (entry,) = bibliography.SurnameYear().format_entries([ENTRIES[key]])
    text = entry.text.render(find_plugin("pybtex.backends", "plaintext")())
    person, year = ENTRIES[key].persons["author"][0], ENTRIES[key].fields["year"]
    assert re.match(rf"{person.last_names[0]}, {person.first_names[0][0]}\.", text)
    assert f"({year})." in text[:200]
    assert text.count(year) == 1
    assert ", ." not in text and ",." not in text and "  " not in text


def test_each_entry_of_the_page_says_where_it_is_cited(html):
    page = (html / "book/references.html").read_text()
    entries = re.findall(r'<div class="citation" id="cite-([^"]+)".*?(?=<div class="citation"|</section>)', page, re.S)
    blocks = re.split(r'<div class="citation" id="', page)[1:]
    assert len(entries) == len(blocks) == len(ENTRIES)
    assert all('class="cited-in"' in block and ".html" in block.split('class="cited-in"')[1] for block in blocks)
