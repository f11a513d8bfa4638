"""What all tests share."""

from contextlib import ExitStack

import pytest

from tools.browser import NoBrowserError, launched


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Tests neither use nor fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium or Chrome, closed after each file: Playwright's event loop must not meet another one."""
    pytest.importorskip("playwright")
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(launched())
        except NoBrowserError as error:
            pytest.skip(str(error))
        yield browser
