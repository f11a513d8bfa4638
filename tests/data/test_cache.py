"""Files appear whole or not at all, and work is done once."""

import pytest
import torch

from salkit._cache import cache_dir, cached, data_dir, replacing


def contents(value=1):
    return {"x": torch.full((3,), value)}, {"note": "made"}


class Maker:
    """Counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return contents(self.calls)


def test_folders_come_from_the_environment(places, monkeypatch):
    assert (data_dir(), cache_dir()) == (places.data, places.cache)
    monkeypatch.delenv("SALKIT_DATA")
    monkeypatch.delenv("SALKIT_CACHE")
    assert data_dir() is None
    assert cache_dir().name == "salkit"


def test_replacing(tmp_path):
    path = tmp_path / "new" / "file"
    with replacing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half of the sec")
        raise KeyboardInterrupt
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_made_once_for_each_identity(places):
    make = Maker()
    for _ in range(2):
        tensors, metadata = cached("thing", "a", make)
        assert (tensors["x"].tolist(), metadata) == ([1, 1, 1], {"note": "made"})
    assert cached("thing", "b", make)[0]["x"].tolist() == [2, 2, 2]
    assert cached("thing", "a", make)[0]["x"].tolist() == [1, 1, 1]


def test_others_can_read_the_cache_as_the_umask_allows(places):
    cached("thing", "a", contents)
    plain = places.cache / "plain"
    plain.touch()
    (file,) = (places.cache / "tensors").iterdir()
    assert file.stat().st_mode == plain.stat().st_mode


def test_changing_the_result_does_not_change_the_cache(places):
    cached("thing", "a", contents)
    cached("thing", "a", contents)[0]["x"].zero_()
    assert cached("thing", "a", contents)[0]["x"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("length", [0, 5, 40, -1])
def test_damaged_file_is_made_anew(places, length):
    make = Maker()
    cached("thing", "a", make)
    (file,) = (places.cache / "tensors").iterdir()
    file.write_bytes(file.read_bytes()[:length])
    assert cached("thing", "a", make)[0]["x"].tolist() == [2, 2, 2]
    assert cached("thing", "a", make)[0]["x"].tolist() == [2, 2, 2]


def test_unwritable_cache_warns_once_and_goes_on(places, monkeypatch):
    blocker = places.data / "blocker"
    blocker.write_text("not a folder")
    monkeypatch.setenv("SALKIT_CACHE", str(blocker / "cache"))
    make = Maker()
    with pytest.warns(UserWarning, match="set SALKIT_CACHE") as caught:
        cached("thing", "a", make)
        cached("thing", "a", make)
    assert make.calls == 2
    assert len(caught) == 1


def test_disk_that_fills_up_leaves_nothing(places, monkeypatch):
    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("salkit._cache.save_file", fail)
    with pytest.warns(UserWarning, match="No space left"):
        tensors, _ = cached("thing", "a", contents)
    assert tensors["x"].tolist() == [1, 1, 1]
    assert list((places.cache / "tensors").iterdir()) == []
