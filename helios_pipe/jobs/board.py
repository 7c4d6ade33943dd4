"""All jobs of one cache as another terminal sees them: where each stands, and a way to speak to it. Runs nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helios_pipe.cache.backlog import open_database
from helios_pipe.cache.folders import MEMOS, REPORTS, STANDING
from helios_pipe.engine.options import RunState
from helios_pipe.errors import LockedError
from helios_pipe.jobs.journal import Journal, Progress, RunRecord
from helios_pipe.jobs.locate import find_job
from helios_pipe.jobs.lock import JobLock
from helios_pipe.texts import timestamp

_ANSWER_S = 5.0
"""A run looks for words several times a second; one that has not answered by then is busy with something long."""
_TICK_S = 0.05


@dataclass(frozen=True, slots=True)
class JobView:
    """Where a job stands: its current run, or its last one. `asked` says what the run is doing about a word that it was
    given (`pausing`, `cancelling`), `waiting` how many further runs wait for this one to end, `heard` (where its process
    died) when it was last heard of."""

    id: str
    name: str
    manifest: str
    state: RunState
    asked: str
    record: RunRecord
    progress: Progress
    waiting: int
    summary: Mapping[str, Any]
    heard: float | None = None

    @property
    def going(self) -> bool:
        """Whether a process is at it."""
        return self.state in (RunState.RUNNING, RunState.PENDING)

    def elapsed_s(self, now: float) -> float:
        """How long the run took, or takes so far; where its process died, until it was last heard of. Clocks jump: never less
        than nothing."""
        end = next((at for at in (self.record.ended, self.heard) if at is not None), now)
        if self.summary.get("duration_s") is not None:
            return max(0.0, float(self.summary["duration_s"]))
        return max(0.0, end - self.record.started)

    def to_dict(self, now: float) -> dict[str, Any]:
        """For machines, and for whoever lays it out for people. Times are ISO 8601, durations seconds."""
        record, progress = self.record, self.progress
        running = [
            {"node": r.node, "attempt": r.attempt, "elapsed_s": round(max(0.0, now - r.began), 3)}
            for r in (progress.running if self.going else ())
        ]
        return {
            "job": self.id,
            "name": self.name,
            "manifest": self.manifest,
            "state": str(self.state),
            "asked": self.asked,
            "run": record.id,
            "pid": record.pid,
            "started": iso(record.started),
            "ended": iso(record.ended),
            "elapsed_s": round(self.elapsed_s(now), 3),
            "total": record.total,
            "done": progress.done,
            "executed": progress.executed,
            "cached": progress.cached,
            "failed": progress.failed,
            "skipped": progress.skipped,
            "running": running,
            "waiting": self.waiting,
            "exit_code": self.summary.get("exit_code"),
            "stopped": self.summary.get("stopped", ""),
        }


class Board:
    """The jobs of a cache folder. For one thread; close it when done."""

    def __init__(self, cache: Path, sleep: Callable[[float], None] = time.sleep) -> None:
        self.cache = cache
        self.database = open_database(cache)
        self.journal = Journal(self.database)
        self._sleep = sleep

    def close(self) -> None:
        """Give the cache back. Idempotent."""
        self.database.close()

    def find(self, word: str) -> str:
        """The id of the job that `word` means. Raises UsageError."""
        return find_job(self.journal.runs(), word)

    def views(self) -> list[JobView]:
        """Every job, the one that ran last first."""
        by_job: dict[str, list[RunRecord]] = {}
        for record in self.journal.runs():
            by_job.setdefault(record.job, []).append(record)
        return [self._view(records) for records in by_job.values()]

    def view(self, job: str) -> JobView | None:
        """One job; None where nothing is known of it."""
        records = self.journal.runs(job)
        return self._view(records) if records else None

    def view_of_run(self, record: RunRecord) -> JobView:
        """A job as one of its runs left it."""
        dead = record.state == "running" and self.journal.newest_running(record.job) != record.id
        return self._view([record], dead=dead)

    def _view(self, records: list[RunRecord], *, dead: bool = False) -> JobView:
        """`dead`: it is known that nobody is at them, though somebody holds the job."""
        held = not dead and self.held(records[0].job)
        if not held:  # a run may have ended between the two looks: what it wrote down counts
            records = [self.journal.run(record.id) or record for record in records[:1]] + records[1:]
        waiting = [r for r in records if r.state == "pending" and _alive(r.pid)]
        running = [r for r in records if r.state == "running"] if held else []
        current = running[0] if running else next((r for r in records if r not in waiting), records[0])
        state = RunState(current.state)
        if current in waiting or (state is RunState.RUNNING and held):
            waiting = [r for r in waiting if r is not current]
        elif state in (RunState.RUNNING, RunState.PENDING):
            state = RunState.INTERRUPTED
        summary = json.loads(current.summary) if current.summary else {}
        progress, heard = _ended(summary) if summary else self.journal.progress(current.id), None
        if not summary and state not in (RunState.RUNNING, RunState.PENDING):  # its process died
            made, last = self.journal.left_by(current.id)
            progress = progress._replace(executed=max(made, progress.executed))
            if state is RunState.INTERRUPTED:
                heard = last or current.started
            else:  # and it was given up since
                open_ = (current.total or 0) - progress.done
                progress = progress._replace(skipped=progress.skipped + max(0, open_))
        return JobView(
            current.job, current.name, current.manifest, state, self._asked(current) if state is RunState.RUNNING else "",
            current, progress, len(waiting), summary, heard,
        )  # fmt: skip

    def _asked(self, record: RunRecord) -> str:
        said = [c.state for c in self.journal.changes(record.job) if c.run == record.id]
        return said[-1] if said and said[-1] in ("pausing", "cancelling") else ""

    def held(self, job: str) -> bool:
        """Whether a process is running the job now."""
        return JobLock(self.cache, job).held()

    def ask(self, job: str, verb: str) -> JobView | None:
        """Ask the job's processes for something, and wait until they have heard it: a second at most, unless they are busy.
        Returns how the job stands then."""
        number = self.journal.ask(job, verb, time.time())
        until = time.monotonic() + _ANSWER_S
        while time.monotonic() < until:
            answers = [change for change in self.journal.changes(job, number) if change.run is not None]
            view = self.view(job)
            if answers or view is None or not view.going:
                return view
            self._sleep(_TICK_S)
        return self.view(job)

    def wait_for_end(self, job: str, seconds: float) -> JobView | None:
        """How the job stands when nothing is at it any more, or after so long."""
        until = time.monotonic() + seconds
        while (view := self.view(job)) is not None and view.going and time.monotonic() < until:
            self._sleep(_TICK_S)
        return view

    def give_up(self, view: JobView) -> None:
        """Mark a job as cancelled that nothing is at: it was paused, it failed, or its process died. Raises LockedError
        where something is at it after all."""
        lock = JobLock(self.cache, view.id)
        lock.acquire(wait=False, on_wait=lambda _: None)
        try:
            self.journal.restate(view.id, view.record.id, str(RunState.CANCELLED), time.time(), view.heard)
        finally:
            lock.release()

    def delete(self, job: str) -> int:
        """Forget the job: its runs, logs and kept workspaces; results stay in the cache for whoever needs them. Returns how
        many runs there were. Raises LockedError while one goes on."""
        from helios_pipe.worker.removal import remove_tree

        lock = JobLock(self.cache, job)
        try:
            lock.acquire(wait=False, on_wait=lambda _: None)
        except LockedError as error:
            raise LockedError(error.message, hint="Cancel it first: helios-pipe cancel " + job) from error
        try:
            count = self.journal.forget(job)
            remove_tree(str(self.cache / "stamps"))  # they would answer for a run that nobody knows of any more
            for folder in ("logs", "failed", MEMOS, STANDING):
                with suppress(FileNotFoundError):  # `cache gc` takes them away, too
                    remove_tree(str(self.cache / folder / job))
            (self.cache / REPORTS / f"{job}.html").unlink(missing_ok=True)
        finally:
            lock.release()
        return count


def iso(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC, with milliseconds."""
    return None if seconds is None else timestamp(seconds)


def _ended(summary: Mapping[str, Any]) -> Progress:
    executed, cached, failed, skipped = (int(summary[name]) for name in ("executed", "cached", "failed", "skipped"))
    return Progress(executed, cached, failed, skipped)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
