"""A log that stayed empty is used again, one that holds something never."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helios_pipe.adapters.local_logs import Logs
from helios_pipe.errors import StoreError


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(lambda node, attempt: tmp_path / f"{node}.{attempt}.log")


def test_an_empty_log_is_the_next_ones(logs: Logs, tmp_path: Path) -> None:
    first = logs.open("0000", 1)
    first.touch()
    inode = first.stat().st_ino
    assert not logs.holds(first)
    logs.close(first, alone=True)
    second = logs.open("0001", 1)
    assert second.stat().st_ino == inode
    assert os.listdir(tmp_path) == ["0001.1.log"]
    second.write_text("said")
    assert logs.holds(second)
    logs.close(second, alone=True)
    assert not logs.open("0002", 1).exists()
    logs.clear()
    assert second.read_text() == "said"


def test_what_stays_empty_is_removed_in_the_end_and_what_was_written_later_is_not(logs: Logs, tmp_path: Path) -> None:
    paths = [logs.open(f"{at}", 1) for at in range(3)]
    for path in paths:
        path.touch()
    for path in paths:
        logs.close(path, alone=path != paths[0])
    paths[1].write_text("late")
    paths[2].unlink()
    logs.clear()
    logs.clear()
    assert os.listdir(tmp_path) == ["1.1.log"]


def test_a_log_that_the_command_removed_is_no_log(logs: Logs) -> None:
    path = logs.open("0000", 1)
    assert not logs.holds(path)
    logs.close(path, alone=True)
    assert not logs.open("0001", 1).exists()


def test_a_log_that_somebody_may_still_write_to_is_nobody_elses(logs: Logs) -> None:
    first = logs.open("0000", 1)
    first.touch()
    logs.close(first, alone=False)
    assert not logs.open("0001", 1).exists()


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    logs = Logs(lambda node, attempt: tmp_path / ("here" if attempt == 1 else "gone/there"))
    path = logs.open("0000", 1)
    path.touch()
    logs.close(path, alone=True)
    logs.open("0000", 2)  # there is none to give by then: whoever opens it says so
    (tmp_path / "gone").touch()
    path.touch()
    logs.close(path, alone=True)
    with pytest.raises(StoreError, match=r"the log .*gone/there cannot be written: Not a directory"):
        logs.open("0000", 2)
