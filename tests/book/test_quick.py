"""Which tests ``make quick`` takes for a change."""

import pytest

from tools import quick


@pytest.mark.parametrize(
    "file, first",
    [
        ("salkit/attribution/cams.py", "tests/attribution/test_cams.py"),
        ("salkit/data/cifar.py", "tests/data/test_cifar.py"),
        ("tests/test_targets.py", "tests/test_targets.py"),
        ("tools/slides.py", "tests/book/test_slides.py"),
    ],
)
def test_the_nearest_comes_first(file, first):
    assert quick.nearest([file])[0] == first


def test_what_all_lean_on_and_what_nothing_is_near():
    assert "tests/attribution/test_cams.py" in quick.nearest(["salkit/_state.py"])
    assert quick.nearest(["no" + "thing-of-this-name"]) == []


def test_no_more_than_fits(monkeypatch):
    monkeypatch.setattr(quick, "SECONDS", 0)
    assert quick.nearest(["salkit/attribution/cams.py"]) == []
