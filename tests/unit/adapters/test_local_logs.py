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


@pytest.fixture(params=[True, False], ids=["by its descriptor", "by its name"], autouse=True)
def by_descriptor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the command got at its log."""
    monkeypatch.setattr(f"{__name__}._hold", request.param)


_hold = False


def at(log: Log) -> Path:
    return Path(log.place)


def opened(logs: Logs, node: str) -> Log:
    """One that a command has open."""
    log = logs.open(node, 1)
    if _hold:
        assert log.descriptor() is not None
    else:
        at(log).touch()
    return log


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_an_empty_log_is_the_next_ones(logs: Logs, tmp_path: Path) -> None:
    first = opened(logs, "0000")
    inode = at(first).stat().st_ino
    assert first.kept() is None
    first.close(alone=True)
    second = opened(logs, "0001")
    assert at(second).stat().st_ino == inode
    at(second).write_text("said")
    assert second.kept() == tmp_path / "logs/0001.1.log"
    second.close(alone=True)
    assert not at(logs.open("0002", 1)).exists()
    logs.clear()
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
    assert at(second).exists()
    second.close(alone=True)
    logs.clear()
    assert os.listdir(tmp_path / "scratch") == []


def test_what_stays_empty_is_removed_in_the_end_and_what_was_written_later_is_not(logs: Logs, tmp_path: Path) -> None:
    left = [opened(logs, f"{number}") for number in range(3)]
    for log in left:
        log.close(alone=False)
    at(left[1]).write_text("late")
    at(left[2]).unlink()
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
    assert not at(logs.open("0001", 1)).exists()


def test_a_folder_that_is_gone_is_named(logs: Logs, tmp_path: Path) -> None:
    log = opened(logs, "gone/0000")
    at(log).write_text("said")
    log.show()  # nobody can look there, which is no reason to end a command
    with pytest.raises(StoreError, match=r"the log .*gone/0000.1.log cannot be written: No such file"):
        log.kept()
    (tmp_path / "logs/gone").touch()
    with pytest.raises(StoreError, match=r"the log .*gone/0000.1.log cannot be written: Not a directory"):
        log.kept()


def test_descriptors_are_given_back(logs: Logs, tmp_path: Path) -> None:
    before = descriptors()
    silent, said, left, removed = (opened(logs, f"{number}") for number in range(4))
    removed.show()
    at(removed).unlink()
    at(said).write_text("said")
    for log in (silent, said, left, removed):
        log.kept()
        log.close(alone=log is not left)
    after = opened(logs, "4")
    after.close(alone=True)
    logs.clear()
    assert descriptors() == before
    assert os.listdir(tmp_path / "logs") == ["1.1.log"]


def test_the_same_descriptor_serves_again(logs: Logs) -> None:
    first = logs.open("0000", 1)
    descriptor = first.descriptor()
    assert descriptor is not None
    assert first.descriptor() == descriptor
    first.kept()
    first.close(alone=True)
    second = logs.open("0001", 1)
    assert second.descriptor() == descriptor
    os.write(descriptor, b"said")
    kept = second.kept()
    assert kept is not None
    assert kept.read_text() == "said"
    second.close(alone=True)
    third = logs.open("0002", 1)
    assert third.descriptor() is not None
    assert at(third).read_text() == ""


def test_one_that_cannot_be_opened_has_no_descriptor(tmp_path: Path) -> None:
    assert Logs(lambda node, _: tmp_path / node, tmp_path / "not/there").open("0000", 1).descriptor() is None


@pytest.mark.parametrize("alone", [True, False])
def test_what_comes_late_is_kept_and_never_the_next_ones(logs: Logs, tmp_path: Path, alone: bool) -> None:
    """A daemon writes after the end of the command that started it, and may be gone itself when that is tidied up."""
    first = opened(logs, "0000")
    assert first.kept() is None
    with at(first).open("a") as file:
        file.write("late")
    first.close(alone=alone)
    second = opened(logs, "0001")
    assert at(second).read_text() == ""
    second.close(alone=True)
    logs.clear()
    assert (tmp_path / "logs/0000.1.log").read_text() == "late"
    assert sorted(path.name for path in tmp_path.rglob("*.log")) == ["0000.1.log"]
