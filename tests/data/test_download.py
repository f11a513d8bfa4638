"""Whatever the network does, the file is whole and right, or it is not there."""

import hashlib
import random
import socket

import pytest

from salkit.data.download import download
from salkit.errors import DataUnavailableError

CONTENT = random.Random(0).randbytes(300_000)
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def fetch(path, *servers, **options):
    return download([s.url("file") for s in servers], path, expected=CHECKSUM, progress=False, timeout=5, **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "file"


def names(path):
    return sorted(p.name for p in path.parent.iterdir())


def assert_right(path):
    assert path.read_bytes() == CONTENT
    assert names(path) == ["file"]


def offset(request):
    return int(request[1].removeprefix("bytes=").removesuffix("-"))


def test_plain(server, path):
    server.files["file"] = CONTENT
    assert fetch(path, server, size=len(CONTENT)) == path
    assert_right(path)
    assert server.requests == [("file", None)]


def test_progress_bar_counts_all_bytes(server, path, capsys):
    server.files["file"] = CONTENT
    download([server.url("file")], path, expected=CHECKSUM, size=len(CONTENT))
    assert "293k/293k" in capsys.readouterr().out


def test_cut_in_the_middle_is_resumed(server, path):
    server.files["file"] = CONTENT
    server.cuts["file"] = [100_000, 70_000]
    fetch(path, server)
    assert_right(path)
    first, second, third = server.requests
    assert first == ("file", None)
    assert 0 < offset(second) <= 100_000
    assert offset(second) < offset(third) <= offset(second) + 70_000


def test_what_an_earlier_call_left_is_used(server, path):
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(CONTENT[:1234])
    server.files["file"] = CONTENT
    fetch(path, server)
    assert_right(path)
    assert server.requests == [("file", "bytes=1234-")]


def test_part_survives_a_dead_server_for_the_next_call(server, path):
    server.files["file"] = CONTENT
    server.cuts["file"] = [100_000, 0]
    with pytest.raises(DataUnavailableError, match="cut after"):
        fetch(path, server)
    assert names(path) == ["file.part"]
    fetch(path, server)
    assert_right(path)
    assert 0 < offset(server.requests[-1]) <= 100_000


def test_server_that_ignores_ranges_starts_again(server, path):
    server.files["file"] = CONTENT
    server.cuts["file"] = [100_000]
    server.ignores_ranges = True
    fetch(path, server)
    assert_right(path)


def test_damaged_part_is_fetched_again_from_the_start(server, path):
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(bytes(1234))
    server.files["file"] = CONTENT
    fetch(path, server)
    assert_right(path)
    assert server.requests == [("file", "bytes=1234-"), ("file", None)]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_part_that_is_complete_already(server, path, size):
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(CONTENT)
    server.files["file"] = CONTENT
    fetch(path, server, size=size)
    assert_right(path)


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("length", [len(CONTENT), len(CONTENT) + 5])
def test_part_of_full_length_with_wrong_bytes(server, path, size, length):
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(bytes(length))
    server.files["file"] = CONTENT
    fetch(path, server, size=size)
    assert_right(path)


def test_missing_file_leads_to_the_mirror(server, mirror, path):
    mirror.files["file"] = CONTENT
    fetch(path, server, mirror)
    assert_right(path)
    assert len(server.requests) == 1


def test_mirror_goes_on_where_the_first_server_broke_off(server, mirror, path):
    server.files["file"] = mirror.files["file"] = CONTENT
    server.cuts["file"] = [100_000, 0]
    fetch(path, server, mirror)
    assert_right(path)
    assert 0 < offset(mirror.requests[0]) <= 100_000


def test_slow_server_is_left_and_the_last_one_never(server, mirror, path):
    server.files["file"] = mirror.files["file"] = CONTENT
    fetch(path, server, mirror, min_speed=float("inf"), patience=0)
    assert_right(path)
    assert offset(mirror.requests[0]) > 0


def test_wrong_checksum_leaves_nothing(server, mirror, path):
    server.files["file"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    mirror.files["file"] = CONTENT[1:]
    with pytest.raises(DataUnavailableError) as caught:
        fetch(path, server, mirror)
    assert names(path) == []
    for url in (server.url("file"), mirror.url("file")):
        assert f"{url}: the checksum of what it gave" in str(caught.value)


def test_wrong_checksum_on_one_server_leads_to_the_next(server, mirror, path):
    server.files["file"] = bytes(len(CONTENT))
    mirror.files["file"] = CONTENT
    fetch(path, server, mirror)
    assert_right(path)
    assert mirror.requests == [("file", None)]


def test_answer_of_another_length_is_refused_unread(server, mirror, path):
    server.files["file"] = b"<html>Please log in</html>"
    mirror.files["file"] = CONTENT
    fetch(path, server, mirror, size=len(CONTENT))
    assert_right(path)


def test_nobody_there(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
    with pytest.raises(DataUnavailableError, match="refused") as caught:
        download([url], path, expected=CHECKSUM, progress=False)
    assert url in str(caught.value)
    assert names(path) == []


def test_unwritable_folder_is_found_before_anything_is_fetched(server, tmp_path):
    server.files["file"] = CONTENT
    blocker = tmp_path / "blocker"
    blocker.write_text("not a folder")
    with pytest.raises(DataUnavailableError, match="set SALKIT_CACHE"):
        fetch(blocker / "file", server)
    assert server.requests == []


def test_full_disk_is_not_blamed_on_the_server(server, mirror, path, monkeypatch):
    server.files["file"] = mirror.files["file"] = CONTENT

    class FullDisk:
        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def write(self, chunk):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("salkit.data.download.open", lambda path, mode: FullDisk(), raising=False)
    with pytest.raises(DataUnavailableError, match="No space left.*SALKIT_CACHE"):
        fetch(path, server, mirror)
    assert mirror.requests == []
