"""Bytes are copied and hashed whole, however long a file was said to be."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from helios_pipe.digest import BUFFER_SIZE, digest_file, digest_open
from helios_pipe.transfer import copy_file, same_bytes

SIZES = [0, 1, 65_535, 65_536, 65_537, BUFFER_SIZE, BUFFER_SIZE + 1, (16 << 20) + 3]


def filled(path: Path, size: int) -> bytes:
    data = (b"0123456789abcde" * (size // 15 + 1))[:size]
    path.write_bytes(data)
    return data


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_has_the_bytes_and_their_digest(size: int, tmp_path: Path) -> None:
    data = filled(tmp_path / "a", size)
    assert copy_file(str(tmp_path / "a"), str(tmp_path / "b")) == sha256(data).hexdigest()
    assert (tmp_path / "b").read_bytes() == data
    assert same_bytes(str(tmp_path / "a"), str(tmp_path / "b"))
    with pytest.raises(FileExistsError):
        copy_file(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == data, "what is there is not ours"


def test_a_file_that_is_longer_than_it_says_is_copied_whole(tmp_path: Path) -> None:
    source = "/proc/version"  # which says that it is empty, as a file does that just grows
    assert os.stat(source).st_size == 0
    data = Path(source).read_bytes()
    assert copy_file(source, str(tmp_path / "b")) == sha256(data).hexdigest()
    assert (tmp_path / "b").read_bytes() == data


def test_what_cannot_be_read_is_not_copied(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "missing"):
        with pytest.raises(OSError, match=r"Is a directory|No such file"):
            copy_file(str(source), str(tmp_path / "b"))
    assert not (tmp_path / "b").exists()
    (tmp_path / "b").write_text("ours")
    with pytest.raises(OSError, match="Is a directory"):
        copy_file(str(tmp_path), str(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "ours"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("off", [-70_000, -1, 0, 1, 70_000])
def test_a_digest_is_of_all_bytes_whatever_the_size_was(size: int, off: int, tmp_path: Path) -> None:
    data = filled(tmp_path / "a", size)
    file = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        assert digest_open(file, max(-1, size + off)) == sha256(data).hexdigest() == digest_file(tmp_path / "a")
    finally:
        os.close(file)


@pytest.mark.parametrize("size", SIZES[1:])
def test_files_differ_by_a_byte_or_by_their_length(size: int, tmp_path: Path) -> None:
    data = filled(tmp_path / "a", size)
    for place in {0, size // 2, size - 1}:
        other = bytearray(data)
        other[place] ^= 1
        (tmp_path / "b").write_bytes(other)
        assert not same_bytes(str(tmp_path / "a"), str(tmp_path / "b"))
    for longer in (data[:-1], data + b"\0"):
        (tmp_path / "b").write_bytes(longer)
        assert not same_bytes(str(tmp_path / "a"), str(tmp_path / "b"))
