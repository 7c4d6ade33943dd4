"""A log that stayed empty is used again, one that holds something never; it has its name as soon as somebody may look."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helios_pipe.adapters.local_logs import Log, Logs
from helios_pipe.errors import StoreError


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "logs").mkdir()
    return Logs(lambda node, attempt: tmp_path / "logs" / f"{node}.{attempt}.log", tmp_path / "scratch")


def opened(logs: Logs, node: str) -> Log:
    """One that a command has open."""
    log = logs.open(node, 1)
    log.file.touch()
    return log


def test_an_empty_log_is_the_next_ones(logs: Logs, tmp_path: Path) -> None:
    first = opened(logs, "0000")
    inode = first.file.stat().st_ino
    assert first.kept() is None
    first.close(alone=True)
    second = opened(logs, "0001")
    assert second.file.stat().st_ino == inode
    second.file.write_text("said")
    assert second.kept() == tmp_path / "logs/0001.1.log"
    second.close(alone=True)
    assert not logs.open("0002", 1).file.exists()
    logs.clear()
    assert (tmp_path / "logs/0001.1.log").read_text() == "said"
    assert os.listdir(tmp_path / "logs") == ["0001.1.log"]


def test_one_that_was_shown_is_where_people_look_and_when_empty_another_ones_after_all(
    logs: Logs, tmp_path: Path
) -> None:
    log = opened(logs, "0000")
    log.show()
    log.show()
    assert os.listdir(tmp_path / "logs") == ["0000.1.log"]
    log.close(alone=True)
    assert os.listdir(tmp_path / "logs") == []
    second = logs.open("0001", 1)
    assert second.file.exists()
    second.close(alone=True)
    logs.clear()
    assert os.listdir(tmp_path / "scratch") == []


def test_what_stays_empty_is_removed_in_the_end_and_what_was_written_later_is_not(logs: Logs, tmp_path: Path) -> None:
    left = [opened(logs, f"{at}") for at in range(3)]
    for log in left:
        log.close(alone=False)
    left[1].file.write_text("late")
    left[2].file.unlink()
    logs.clear()
    logs.clear()
    assert os.listdir(tmp_path / "logs") == ["1.1.log"]
    assert os.listdir(tmp_path / "scratch") == []


def test_a_log_that_the_command_removed_is_no_log(logs: Logs) -> None:
    log = logs.open("0000", 1)
    log.show()
    assert log.kept() is None
    log.close(alone=True)
    assert not opened(logs, "0001").kept()


def test_a_log_that_somebody_may_still_write_to_is_nobody_elses(logs: Logs) -> None:
    opened(logs, "0000").close(alone=False)
    assert not logs.open("0001", 1).file.exists()


def test_a_folder_that_is_gone_is_named(logs: Logs, tmp_path: Path) -> None:
    log = opened(logs, "gone/0000")
    log.file.write_text("said")
    log.show()  # nobody can look there, which is no reason to end a command
    with pytest.raises(StoreError, match=r"the log .*gone/0000.1.log cannot be written: No such file"):
        log.kept()
    (tmp_path / "logs/gone").touch()
    with pytest.raises(StoreError, match=r"the log .*gone/0000.1.log cannot be written: Not a directory"):
        log.kept()
