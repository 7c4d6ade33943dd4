"""The journal, the lock and the board over them: states, words, and clocks that jump."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.database import Database
from helios_pipe.cache.results import Attempt, Commit, Results
from helios_pipe.engine.options import RunState
from helios_pipe.errors import LockedError, UsageError
from helios_pipe.jobs.board import Board, iso
from helios_pipe.jobs.journal import Entry, Journal, Progress, RunJob, RunningNode, job_id
from helios_pipe.jobs.locate import find_job
from helios_pipe.jobs.lock import JobLock
from helios_pipe.jobs.nodes import nodes_of
from helios_pipe.report import jobs as texts

SUMMARY: dict[str, object] = {
    "executed": 2,
    "cached": 1,
    "failed": 0,
    "skipped": 0,
    "duration_s": "3.5",
    "exit_code": 0,
}


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    found = Board(tmp_path / "cache")
    yield found
    found.close()


def begin(board: Board, name: str = "film", now: float = 1000.0, *, total: int = 3) -> Entry:
    return board.journal.begin(f"{name}-0001", Path(f"/p/{name}.yaml"), name, {"jobs": []}, total, now)


def test_an_id_is_the_name_and_four_digits_of_the_path(tmp_path: Path) -> None:
    one, two = job_id("film", tmp_path / "a.yaml"), job_id("film", tmp_path / "b.yaml")
    assert one != two
    assert len(one) == len("film-") + 4
    assert job_id("film", tmp_path / "x/../a.yaml") == one


def test_a_run_that_is_recorded_as_running_runs_only_while_its_lock_is_held(board: Board) -> None:
    entry = begin(board)
    view = board.view("film-0001")
    assert view is not None
    assert view.state is RunState.INTERRUPTED
    lock = JobLock(board.cache, "film-0001")
    lock.acquire(wait=False, on_wait=lambda _: None)
    view = board.view("film-0001")
    assert view is not None
    assert (view.state, view.record.id) == (RunState.RUNNING, entry.run)
    lock.release()
    board.journal.end("film-0001", entry.run, "completed", SUMMARY, 1003.5)
    view = board.view("film-0001")
    assert view is not None
    assert (view.state, view.progress.done, view.elapsed_s(0.0)) == (RunState.COMPLETED, 3, 3.5)


def test_a_clock_that_jumps_back_makes_no_negative_durations(board: Board) -> None:
    entry = begin(board, now=5000.0)
    board.journal.report(entry.run, Progress(0, 0, 0, 0, [RunningNode("film/0000", 1, 5000.0)]), 5000.0)
    Results(board.database, Blobs(board.cache)).commit(
        Commit(attempts=[Attempt(entry.run, "film/0001", 1, "done", 4000.0, -2.0, "local", 0, "", None, None)])
    )
    lock = JobLock(board.cache, "film-0001")
    lock.acquire(wait=False, on_wait=lambda _: None)
    view = board.view("film-0001")
    assert view is not None
    assert view.elapsed_s(10.0) == 0.0
    shown = view.to_dict(10.0)
    assert shown["running"][0]["elapsed_s"] == 0.0
    nodes = {node.node: node for node in nodes_of(board, view)}
    assert nodes["film/0001"].duration_s == 0.0
    assert "\n".join(texts.show(shown, [n._asdict() for n in nodes.values()], [], everything=False))
    lock.release()
    board.journal.end("film-0001", entry.run, "failed", {}, 10.0)
    view = board.view("film-0001")
    assert view is not None
    assert view.elapsed_s(10.0) == 0.0


def test_words_are_for_the_runs_that_were_there_when_they_were_said(board: Board) -> None:
    journal = board.journal
    first = begin(board)
    waiting = journal.wait("film-0001", Path("/p/film.yaml"), "film", {}, 900.0)
    other = begin(board, "other")
    journal.ask("film-0001", "pause", 1.0)
    journal.ask("film-0001", "cancel", 0.5)
    later = begin(board, now=0.0)
    heard = [journal.control("film-0001", entry) for entry in (first, waiting, later)]
    assert [change.detail if change is not None else None for change in heard] == ["cancel", "cancel", None]
    assert journal.control("other-0001", other) is None


def test_a_run_that_waited_keeps_its_number(board: Board) -> None:
    waited = board.journal.wait("film-0001", Path("/p/film.yaml"), "film", {}, 1.0)
    assert board.journal.runs()[0].state == "pending"
    assert board.journal.begin("film-0001", Path("/p/film.yaml"), "film", {}, 3, 2.0, waited) == waited
    record = board.journal.run(waited.run)
    assert record is not None
    assert (record.state, record.total, record.started) == ("running", 3, 2.0)


def test_progress_of_a_run_is_gone_when_it_ends(board: Board) -> None:
    entry = begin(board)
    progress = Progress(1, 2, 0, 0, [RunningNode("film/0002", 1, 999.0)])
    board.journal.report(entry.run, progress, 1000.0)
    assert board.journal.progress(entry.run) == progress
    assert board.journal.progress(entry.run).done == 3
    board.journal.end("film-0001", entry.run, "completed", SUMMARY, 1001.0)
    assert board.journal.progress(entry.run) == Progress()


def test_a_run_ends_whatever_is_in_the_texts_of_its_summary(board: Board) -> None:
    entry = begin(board)
    board.journal.end("film-0001", entry.run, "failed", {**SUMMARY, "stopped": "caf\udce9 \ud83c"}, 1001.0)
    record = board.journal.run(entry.run)
    assert record is not None
    assert (record.state, json.loads(record.summary or "")["stopped"]) == ("failed", "caf\ufffd \ufffd")


def test_forgetting_a_job_leaves_the_others(board: Board) -> None:
    begin(board)
    begin(board)
    begin(board, "other")
    assert board.delete("film-0001") == 2
    assert [view.id for view in board.views()] == ["other-0001"]
    assert board.journal.changes("film-0001") == []


@pytest.mark.parametrize(("word", "found"), [("film-0001", "film-0001"), ("film", "film-0001"), ("oth", "other-0001")])
def test_a_word_means_the_job_that_it_can_only_mean(board: Board, word: str, found: str) -> None:
    begin(board)
    begin(board, "other")
    assert find_job(board.journal.runs(), word) == found


def test_a_word_that_means_nothing_or_several_jobs_is_refused(board: Board) -> None:
    with pytest.raises(UsageError, match="nothing has run in this cache yet"):
        find_job(board.journal.runs(), "film")
    begin(board, "film-a")
    begin(board, "film-b")
    with pytest.raises(UsageError, match="'film' may be any of these jobs: film-a-0001, film-b-0001"):
        find_job(board.journal.runs(), "film")
    with pytest.raises(UsageError, match="there is no job ''"):
        find_job(board.journal.runs(), "")


def test_looking_at_a_lock_turns_nobody_away(tmp_path: Path) -> None:
    lock = JobLock(tmp_path, "film")
    lock.acquire(wait=False, on_wait=lambda _: None)
    lock.release()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            JobLock(tmp_path, "film").held()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            mine = JobLock(tmp_path, "film")
            assert mine.acquire(wait=False, on_wait=lambda _: None)
            with pytest.raises(LockedError):
                JobLock(tmp_path, "film").acquire(wait=False, on_wait=lambda _: None)
            mine.release()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_lock_says_who_holds_it_and_can_be_waited_for_or_given_up(tmp_path: Path) -> None:
    held = JobLock(tmp_path, "film")
    held.acquire(wait=False, on_wait=lambda _: None)
    other = JobLock(tmp_path, "film")
    with pytest.raises(LockedError, match=rf"another run holds job film \(process {other.holder()}\)"):
        other.acquire(wait=False, on_wait=lambda _: None)
    said: list[str] = []
    assert not other.acquire(wait=True, on_wait=said.append, give_up=lambda: True)
    assert len(said) == 1
    threading.Timer(0.1, held.release).start()
    assert other.acquire(wait=True, on_wait=said.append)
    other.release()
    other.release()


def test_times_are_iso_8601() -> None:
    assert (iso(0.0), iso(None)) == ("1970-01-01T00:00:00.000Z", None)


def test_an_older_database_gets_what_it_lacks(tmp_path: Path) -> None:
    old = Database(tmp_path)
    old.connection.execute("DROP TABLE live")
    old.connection.execute("PRAGMA user_version=1")
    old.close()
    database = Database(tmp_path)
    assert Journal(database).progress(1) == Progress()
    database.close()


def test_what_an_older_program_forgot_is_not_taken_for_another_run(board: Board) -> None:
    def named(name: str, now: float, job: RunJob) -> list[str]:
        entry = board.journal.begin(f"{name}-0001", Path(f"/p/{name}.yaml"), name, {}, 1, now, jobs=[job])
        assert entry.run == 1
        view = board.view(f"{name}-0001")
        assert view is not None
        return [node.node for node in nodes_of(board, view)]

    assert named("film", 1000.0, RunJob("a", 2, "a/stitch")) == ["a/0000", "a/0001", "a/stitch"]
    board.database.connection.execute(
        "DELETE FROM runs"
    )  # the number is free again, and the jobs of the run are still there
    assert named("other", 2000.0, RunJob("b", 0, "b")) == ["b"]
