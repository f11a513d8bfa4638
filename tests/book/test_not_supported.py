"""The page of what is not supported; its table is tried cell by cell in tests/attribution/test_odd_models.py."""

from tools import odd_models


def test_the_page_is_that_of_the_table():
    assert odd_models.PAGE.read_text(encoding="utf-8") == odd_models.page()
