"""A run's workspaces are in a folder of its own, and what killed runs left is gone."""

from __future__ import annotations

import array
import fcntl
import os
import sys
from pathlib import Path

import pytest

from helios_pipe.cache.blobs import Blobs
from helios_pipe.errors import StoreError
from helios_pipe.pipeline.workplace import work_folder

TOP_OF_HIERARCHIES = 0x2_0000
"""`chattr +T`."""


def folder(cache: Path, run: int = 1) -> Path:
    return work_folder(cache, Blobs(cache), "film-1a2b", run)


def test_no_two_runs_have_the_same_folder_even_where_numbers_begin_anew(tmp_path: Path) -> None:
    first, second = folder(tmp_path), folder(tmp_path)
    assert first != second
    assert first.parent == second.parent == tmp_path / "work/film-1a2b"


def test_what_earlier_runs_left_is_removed_and_what_other_jobs_have_is_not(tmp_path: Path) -> None:
    left = folder(tmp_path) / "local/7/w/in"
    left.mkdir(parents=True)
    (left / "look.txt").write_text("warm")
    other = tmp_path / "work/other-3c4d/1"
    other.mkdir(parents=True)
    folder(tmp_path, 2)
    assert list((tmp_path / "work/film-1a2b").iterdir()) == []
    assert other.is_dir()


def test_a_place_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("")
    with pytest.raises(StoreError, match=r"work/film-1a2b cannot be made: "):
        folder(tmp_path)


def flags(folder: Path, *, add: int = 0) -> int | None:
    """The folder's flags, as `lsattr` shows them, after some were added; None where the file system has no such ones."""
    file, found = os.open(folder, os.O_RDONLY), array.array("l", [0])
    try:
        fcntl.ioctl(file, 0x8008_6601, found)
        if add:
            found[0] |= add
            fcntl.ioctl(file, 0x4008_6602, found)
    except OSError:
        return None
    finally:
        os.close(file)
    return found[0]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file systems have no such flag")
def test_a_file_system_that_can_be_told_is_told_that_runs_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    told = (flags(tmp_path, add=TOP_OF_HIERARCHIES) or 0) & TOP_OF_HIERARCHIES
    assert (flags(folder(tmp_path).parent) or 0) & TOP_OF_HIERARCHIES == told
