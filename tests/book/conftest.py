"""What the tests of the book share."""

import pytest

from tools import build


@pytest.fixture(scope="session")
def html():
    """The folder with the pages, built if they are not up to date."""
    return build.build().parent
