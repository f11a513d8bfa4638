"""Tables of results: what stands in a cell, as HTML and as text."""

import re

import pytest

from salkit import display
from salkit.errors import InputError
from salkit.evaluation import Interval

HALF = Interval(0.5, 0.4, 0.625, 280)


def test_rows_columns_and_the_number_of_images():
    rows = [{"map": "gradient", "mass": HALF, "hits": 0.25}, {"map": "edges", "mass": HALF, "hits": None}]
    assert repr(display.table(rows, ".2f")) == (
        "map                    mass  hits\n"
        "gradient  0.50 [0.40, 0.62]  0.25\n"
        "edges     0.50 [0.40, 0.62]     –\n"
        "n = 280"
    )


def test_an_interval_over_another_number_of_images_says_so():
    other = Interval(-0.1, -0.2, 0.0, 1000)
    rows = [{"map": "a", "mass": HALF}, {"map": "b", "mass": other}, {"map": "c", "mass": HALF}]
    shown = display.table(rows, {"mass": ".0%"})
    texts = [row[1].replace("\u00a0", " ") for row in shown.rows]
    assert texts == ["50 % [40 %, 62 %]", "−10 % [−20 %, 0 %] (n = 1,000)", "50 % [40 %, 62 %]"]
    assert shown.caption == "n = 280 unless stated"


def test_an_interval_is_not_broken_in_its_middle():
    (text,) = (row[1] for row in display.table([{"map": "a", "mass": HALF}]).rows)
    assert re.findall(r"[ \n]", text) == [" "], "only between the mean and the interval"


def test_html_has_headers_for_readers_and_labels_for_cards():
    html = display.table([{"map": "<b>", "mass": HALF, "of": 1200}], ".1%", caption="a & b")._repr_html_()
    assert "<caption>a &amp; b; n = 280</caption>" in html
    assert '<th scope="col">map</th><th scope="col" class="number">mass</th>' in html
    assert '<th scope="row">&lt;b&gt;</th><td data-label="mass" class="number">50.0\u00a0% [' in html


def test_whole_numbers_have_commas_and_texts_stay():
    (row,) = display.table([{"network": "fc", "weights": 4_900_000, "note": "right", "ok": True}]).rows
    assert row == ("fc", "4,900,000", "right", "True")


@pytest.mark.parametrize(
    "rows, format, words",
    [
        ([], "", "at least one row"),
        ([{}], "", "at least one column"),
        ([{"a": 1}, {"b": 1}], "", "row 1 has the columns b"),
        ([{"a": 1}], {"b": ".1f"}, "no column b"),
    ],
)
def test_tables_that_cannot_be_drawn(rows, format, words):
    with pytest.raises(InputError, match=words):
        display.table(rows, format)
