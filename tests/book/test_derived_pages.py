"""The cheat sheet and the page of referees keep up with the methods; neither is written anew here."""

import re

import pytest

from salkit import METHODS
from tools import completeness, referees

CHEAT_SHEET = referees.PAGE.with_name("cheat-sheet.md").read_text(encoding="utf-8")
PAGE = referees.PAGE.read_text(encoding="utf-8")
KINDS = referees.SMALL | referees.TORCHVISION | referees.SHIPPED


def tables():
    """The tables of methods on the page: ``{network: {method: cell}}``."""
    found = {}
    for block in re.findall(r"^\| method \|.*\n(?:\|.*\n)+", PAGE, re.M):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        for column, network in enumerate(head[1:], start=1):
            found.setdefault(network, {}).update({row[0].strip("`"): row[column] for row in rows})
    return found


@pytest.mark.parametrize("name", METHODS)
def test_the_cheat_sheet_has_every_method(name):
    assert re.search(rf"^\| \[`{name}`\]\(#{name}\) \|", CHEAT_SHEET, re.M), "it is not in the table"
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", CHEAT_SHEET, re.M | re.S)
    assert section, "it has no section"
    for word in ("$$", "**Cost**", "**Needs**", "**Blind to**", "**Use it**"):
        assert word in section[1]


def test_the_cheat_sheet_has_no_method_that_is_gone():
    assert set(re.findall(r"^### (\w+)$", CHEAT_SHEET, re.M)) == set(METHODS)


def test_the_list_of_what_does_not_apply_is_where_the_cheat_sheet_takes_it_from():
    begin, end = re.findall(r'^:(?:start-after|end-before): "(.*)"$', CHEAT_SHEET, re.M)
    listed = PAGE.split(begin)[1].split(end)[0]
    assert set(re.findall(r"`(\w+)`", listed)) >= set(referees.CLASSIFIERS)


def test_the_referees_name_every_method_and_every_network():
    assert tables().keys() == KINDS.keys()
    for cells in tables().values():
        assert list(cells) == [name for name in METHODS if name not in referees.NO_REFEREE]
    assert all(f"`{name}`" in PAGE for name in referees.NO_REFEREE)


def test_no_method_is_far_from_its_referee():
    signs = referees.BY_DEFINITION + referees.BY_REWRITING
    cells = {cell.rstrip(signs) for cells in tables().values() for cell in cells.values()}
    assert cells <= {"–", "< 1e-9", "< 1e-6"}


@pytest.mark.parametrize("network", ["functional", "pre-activation"])
def test_the_page_says_what_a_run_gives(network):
    found = referees.column(referees.SMALL[network])
    assert tables()[network] == {method: cell for method, (cell, _) in found.items()}
    for method, (_, of_captum) in found.items():
        if of_captum:
            assert f"| {network} | `{method}` | {of_captum} |" in PAGE


def test_a_wrong_map_would_be_seen():
    assert referees.rounded(3e-16) == "< 1e-9"
    assert referees.rounded(2e-4) == "< 1e-3"
    assert referees.rounded(0.31) == "0.3"


@pytest.mark.parametrize("name", completeness.MODULES)
def test_completeness_of_a_small_network_is_as_written(name):
    """Never a gap of more than 1 % without a word; and the page says what comes out."""
    path, rescale = completeness.row(*completeness.module(name))
    assert f"| {name} | {path} | {rescale} |" in PAGE
    assert rescale == "< 1e-6" or "warns" in rescale or "refused" in rescale or float(rescale) < 1


def test_completeness_names_every_network():
    listed = PAGE.split("## Completeness, in per cent")[1]
    assert len(completeness.MODULES) >= 25
    assert all(f"| `{name}` |" in listed for name in referees.CLASSIFIERS)
    assert all(f"`{name}`, trained" in listed for name in completeness.PRETRAINED)
