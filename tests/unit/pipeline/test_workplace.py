"""A run's workspaces are in a folder of its own, and what killed runs left is gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from helios_pipe.cache.blobs import Blobs
from helios_pipe.errors import StoreError
from helios_pipe.pipeline.workplace import work_folder


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


def test_an_ext4_is_told_that_runs_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    place = folder(tmp_path).parent
    kind = subprocess.run(["stat", "-f", "-c", "%T", place], capture_output=True, text=True, check=True).stdout.strip()
    shown = subprocess.run(["lsattr", "-d", place], capture_output=True, text=True, check=False).stdout.split(" ")[0]
    if kind == "ext2/ext3" and os.access(place, os.W_OK):
        assert "T" in shown
    else:
        assert "T" not in shown  # it was asked, refused, and nobody minds
