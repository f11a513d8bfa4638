"""Archives of every kind give the same files; damaged and hostile ones give an error."""

import io
import random
import tarfile
import zipfile

import pytest

from salkit.data import archive
from salkit.data.archive import files, identity
from salkit.errors import CorruptDataError, DataUnavailableError

CONTENT = {
    ("top", "a.bin"): random.Random(1).randbytes(5000),
    ("top", "deep", "b.bin"): random.Random(2).randbytes(512),
    ("top", "deep", "empty"): b"",
}
TAR_MODES = {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}


def write(path, content=CONTENT):
    """``content`` as a folder, or as an archive of the kind that the path's name ends with."""
    ending = path.name.partition(".")[2]
    if not ending:
        for parts, data in content.items():
            file = path.joinpath(*parts)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    elif ending == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for parts, data in content.items():
                target.writestr("/".join(parts), data)
    else:
        with tarfile.open(path, TAR_MODES[ending]) as target:
            for parts, data in content.items():
                add(target, "./" + "/".join(parts), data)
    return path


def add(target, name, data=b"", kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(data), kind, link
    target.addfile(member, io.BytesIO(data))


def read(path):
    return {parts: read() for parts, read in files(path)}


@pytest.mark.parametrize("name", ["x", "x.zip", *(f"x.{ending}" for ending in TAR_MODES)])
def test_same_files_from_every_kind(tmp_path, name):
    assert read(write(tmp_path / name)) == CONTENT


def test_kind_is_told_by_content_not_by_name(tmp_path):
    path = write(tmp_path / "x.tar.xz").rename(tmp_path / "x.zip")
    assert read(path) == CONTENT


@pytest.mark.parametrize("name", ["x.zip", *(f"x.{ending}" for ending in TAR_MODES)])
@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
def test_truncated(tmp_path, name, share):
    path = write(tmp_path / name)
    whole = path.read_bytes()
    used = whole.rstrip(b"\0")  # The padding at the end of a plain tar file may be lost.
    path.write_bytes(used[: int(len(used) * share)])
    with pytest.raises(CorruptDataError, match="truncated or damaged"):
        read(path)


def test_plain_tar_cut_between_two_members(tmp_path):
    path = write(tmp_path / "x.tar")
    with tarfile.open(path) as source:
        second = source.getmembers()[1].offset
    path.write_bytes(path.read_bytes()[:second])
    with pytest.raises(CorruptDataError, match="end of the archive is missing"):
        read(path)


def test_plain_tar_with_a_damaged_header(tmp_path):
    path = write(tmp_path / "x.tar")
    with tarfile.open(path) as source:
        second = source.getmembers()[1].offset
    damaged = bytearray(path.read_bytes())
    damaged[second] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptDataError):
        read(path)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.xz"])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_flipped_bit(tmp_path, name, place):
    path = write(tmp_path / name)
    damaged = bytearray(path.read_bytes())
    damaged[int(len(damaged) * place)] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(CorruptDataError):
        read(path)


@pytest.mark.parametrize("content", [b"", b"this is no archive " * 100, b"PK\3\4 neither is this"])
def test_no_archive_at_all(tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(CorruptDataError):
        read(path)


def test_absent(tmp_path):
    with pytest.raises(DataUnavailableError, match="can't be read"):
        read(tmp_path / "x.tar")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil", "a/.."])
@pytest.mark.parametrize("kind", ["x.tar", "x.tar.gz", "x.zip"])
def test_paths_that_lead_out(tmp_path, name, kind):
    path = tmp_path / kind
    if kind == "x.zip":
        with zipfile.ZipFile(path, "w") as target:
            target.writestr(name, b"evil")
    else:
        with tarfile.open(path, TAR_MODES[kind[2:]]) as target:
            add(target, name, b"evil")
    with pytest.raises(CorruptDataError, match="leads out"):
        read(path)
    assert [p.name for p in tmp_path.rglob("*")] == [kind]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar(tmp_path, kind):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as target:
        add(target, "innocent", kind=kind, link="../../etc/passwd")
    with pytest.raises(CorruptDataError, match="link or a device"):
        read(path)


def test_link_in_zip(tmp_path):
    path = tmp_path / "x.zip"
    member = zipfile.ZipInfo("innocent")
    member.create_system, member.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as target:
        target.writestr(member, "../../etc/passwd")
    with pytest.raises(CorruptDataError, match="link or a device"):
        read(path)


@pytest.mark.parametrize("name", ["x", "x.zip", "x.tar.gz"])
def test_file_that_would_fill_the_memory(tmp_path, monkeypatch, name):
    monkeypatch.setattr(archive, "MAX_BYTES", 4999)
    with pytest.raises(CorruptDataError, match="has 5,000 bytes"):
        read(write(tmp_path / name))


def test_folder_with_a_link_to_itself_ends(tmp_path):
    folder = write(tmp_path / "x")
    (folder / "top" / "again").symlink_to(folder)
    found = read(folder)
    assert CONTENT.items() <= found.items()


@pytest.mark.parametrize("name", ["x", "x.tar"])
def test_identity_follows_the_contents(tmp_path, name):
    path = write(tmp_path / name)
    before = identity(path)
    assert identity(path) == before
    write(path, {**CONTENT, ("top", "a.bin"): b"something else"})
    assert identity(path) != before
