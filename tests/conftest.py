"""What all tests share."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Tests neither use nor fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
