"""A private data folder and cache for each test."""

from types import SimpleNamespace

import pytest

from salkit import _cache


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Empty folders ``data`` and ``cache``, named by the environment."""
    folders = SimpleNamespace(data=tmp_path / "data", cache=tmp_path / "cache")
    folders.data.mkdir()
    folders.cache.mkdir()
    monkeypatch.setenv("SALKIT_DATA", str(folders.data))
    monkeypatch.setenv("SALKIT_CACHE", str(folders.cache))
    monkeypatch.setattr(_cache, "_warned", set())
    return folders
