"""A worker's home is one process's at a time, and what others left is cleared away."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from helios_pipe.worker.home import Home


def test_two_have_homes_of_their_own_and_one_that_was_left_is_taken_over(tmp_path: Path) -> None:
    first, second = Home(tmp_path), Home(tmp_path)
    assert first.folder != second.folder
    (first.folder / "kept").touch()
    first.leave()
    third = Home(tmp_path)
    assert third.folder == first.folder
    assert (third.folder / "kept").exists()


def test_of_several_that_were_left_the_others_are_removed(tmp_path: Path) -> None:
    for left in [Home(tmp_path) for _ in range(3)]:
        left.leave()
    only = Home(tmp_path)
    assert sorted(tmp_path.iterdir()) == [only.folder, Path(f"{only.folder}.lock")]


def test_a_lock_that_is_cleared_away_just_then_is_nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Home(tmp_path).leave()
    (left,) = tmp_path.glob("*.lock")
    real = fcntl.flock

    def cleared(lock: int, how: int) -> None:
        left.unlink(missing_ok=True)
        real(lock, how)

    monkeypatch.setattr(fcntl, "flock", cleared)
    mine = Home(tmp_path)
    assert f"{mine.folder}.lock" != str(left)
    assert os.path.samestat(os.fstat(mine.lock), os.stat(f"{mine.folder}.lock"))


def test_a_relative_place_is_where_it_was_when_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home(Path("work")).folder.is_relative_to(tmp_path)
