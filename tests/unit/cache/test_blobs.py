"""What is stored twice is there once, and its file stays the one that others may be reading."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helios_pipe.action.model import Entry, Tree
from helios_pipe.cache.blobs import Blob, Blobs
from helios_pipe.cache.marks import Mark
from helios_pipe.digest import BUFFER_SIZE, digest_bytes
from helios_pipe.errors import BlobDamagedError, StoreError

OLD = 1_000_000_000


@pytest.fixture(params=[False, True], ids=["usual", "durable"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return Blobs(tmp_path, durable=request.param)


def store(blobs: Blobs, data: bytes = b"frames") -> Blob:
    """Adopt a new file of these bytes; it is gone afterwards."""
    path = Path(blobs.temp_path())
    path.write_bytes(data)
    blob = blobs.adopt(path)
    assert not path.exists()
    return blob


def looks(path: Path) -> Mark:
    found = path.stat()
    return Mark(found.st_size, found.st_mtime_ns, found.st_ino)


def test_a_blob_that_is_there_stays(blobs: Blobs) -> None:
    first = store(blobs)
    path = Path(blobs.path(first.digest))
    os.utime(path, (OLD, OLD))
    was = path.stat()
    again = store(blobs)
    assert again == Blob(first.digest, looks(path))
    assert path.stat().st_ino == was.st_ino
    assert path.stat().st_mtime == OLD
    assert path.stat().st_ctime_ns > was.st_ctime_ns, "gc must see that somebody made it now"
    assert path.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("data", [b"frameS", b"fra", b""])
def test_a_damaged_one_is_replaced(data: bytes, blobs: Blobs) -> None:
    first = store(blobs)
    path = Path(blobs.path(first.digest))
    path.chmod(0o644)
    path.write_bytes(data)
    again = store(blobs)
    assert path.read_bytes() == b"frames"
    assert again == Blob(first.digest, looks(path))


@pytest.mark.parametrize("size", [1, BUFFER_SIZE - 1, BUFFER_SIZE, BUFFER_SIZE + 1, 3 * BUFFER_SIZE + 7])
def test_one_that_is_damaged_in_one_byte_anywhere_is_replaced(size: int, blobs: Blobs) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    data = data[:size]
    first = store(blobs, data)
    path = Path(blobs.path(first.digest))
    inode = path.stat().st_ino
    assert store(blobs, data) == first
    assert path.stat().st_ino == inode
    for place in {0, size // 2, size - 1, BUFFER_SIZE * ((size - 1) // BUFFER_SIZE)}:
        damaged = bytearray(data)
        damaged[place] ^= 1
        path.chmod(0o644)
        path.write_bytes(damaged)
        store(blobs, data)
        assert path.read_bytes() == data


def test_bytes_that_are_there_stay_too(blobs: Blobs) -> None:
    first = blobs.put_bytes(b"a tree")
    inode = os.stat(blobs.path(first.digest)).st_ino
    assert blobs.put_bytes(b"a tree") == first
    assert os.stat(blobs.path(first.digest)).st_ino == inode
    assert not list((blobs.folder.parent / "tmp").iterdir())


def test_a_tree_is_read_as_it_was_stored_whatever_its_files_are_called(blobs: Blobs) -> None:
    tree = Tree.of([Entry("a/\udcff.png", digest_bytes(b"x"), 1), Entry("ä.png", digest_bytes(b"y"), 1, True)])
    assert blobs.tree(blobs.put_bytes(tree.data).digest) == tree


def test_of_a_file_with_another_name_a_copy_is_taken(blobs: Blobs, tmp_path: Path) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    source.write_bytes(b"frames")
    os.link(source, other)
    with pytest.raises(BlobDamagedError):
        blobs.adopt(source, digest_bytes(b"others"))
    assert (source.read_bytes(), left_over(blobs)) == (b"frames", [])
    blob = blobs.adopt(source, digest_bytes(b"frames"))
    other.write_bytes(b"changed")
    assert Path(blobs.path(blob.digest)).read_bytes() == b"frames"
    assert (source.exists(), left_over(blobs)) == (False, [])


@pytest.mark.parametrize("linked", [False, True])
def test_what_cannot_be_stored_stays_where_it_was_and_leaves_nothing(
    linked: bool, blobs: Blobs, tmp_path: Path
) -> None:
    """A file is in the way of the folder that the blob belongs in."""
    source, place = tmp_path / "source", Path(blobs.path(digest_bytes(b"frames")))
    source.write_bytes(b"frames")
    if linked:
        os.link(source, tmp_path / "other")
    place.parent.parent.mkdir(parents=True, exist_ok=True)
    place.parent.write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be stored"):
        blobs.adopt(source)
    with pytest.raises(StoreError, match="cannot be stored"):
        blobs.put_bytes(b"frames")
    assert (source.read_bytes(), left_over(blobs)) == (b"frames", [])


def left_over(blobs: Blobs) -> list[Path]:
    """What is in the folder for temporary files."""
    return list(Path(blobs.temp_path()).parent.iterdir())
