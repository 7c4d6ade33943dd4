"""The journal: which runs there were, what became of them, what was asked of them. Knows nothing of how a run is made.

pending ──▶ running ──▶ completed | failed | paused | cancelled
(waits for another run)    │
                           └── its process dies: the record says `running` still, but nobody holds the job's lock
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from helios_pipe.adapters.local_logs import log_file
from helios_pipe.cache.database import Database
from helios_pipe.texts import encodable
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ID_DIGITS = 4
_ASKED = "asked"


def job_id(name: str, manifest: Path) -> str:
    """The id under which all runs of one manifest file are recorded: its name and four hex digits of its path."""
    path = os.path.realpath(manifest).encode("utf-8", "surrogateescape")
    return f"{name}-{sha256(path).hexdigest()[:_ID_DIGITS]}"


def log_folder(cache: Path, job: str, run: int) -> Path:
    """Where the logs of a run are."""
    return Path(f"{cache}/logs/{job}/{run}")


def log_path(cache: Path, job: str, run: int, node: str, attempt: int) -> Path:
    """Where the output of an attempt goes."""
    return log_file(log_folder(cache, job, run), node, attempt)


class RunRecord(NamedTuple):
    """One run as recorded. Times are seconds since 1970; `ended` is None while it goes on, or where its process died."""

    id: int
    job: str
    manifest: str
    name: str
    request: str
    pid: int
    started: float
    ended: float | None
    state: str
    total: int | None
    summary: str | None


class Change(NamedTuple):
    """One change of a job's state, or a word to its process (state `asked`). Numbers rise, whatever clocks do."""

    id: int
    job: str
    run: int | None
    time: float
    state: str
    detail: str


_CHANGE = ", ".join(Change._fields)
_RUN = ", ".join(RunRecord._fields)


class RunningNode(NamedTuple):
    """An attempt under way. `began` is in seconds since 1970."""

    node: str
    attempt: int
    began: float


class Progress(NamedTuple):
    """How far a run was when it last said so."""

    executed: int = 0
    cached: int = 0
    failed: int = 0
    skipped: int = 0
    running: Sequence[RunningNode] = ()

    @property
    def done(self) -> int:
        """Nodes that came to their end."""
        return self.executed + self.cached + self.failed + self.skipped


class RunJob(NamedTuple):
    """The nodes of one job of a run's manifest: so many chunks, and what comes after them (or is all there is)."""

    name: str
    chunks: int
    final: str | None


class Entry(NamedTuple):
    """A run as its own process knows it: its number, and since which change words of other terminals are meant for it."""

    run: int
    since: int


class Journal:
    """Runs of all jobs of one cache. For the thread that opened the database; many processes may write."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- by the run itself ----------------------------------------------------------------------------------------

    def wait(self, job: str, manifest: Path, name: str, request: dict[str, object], now: float) -> Entry:
        """Record a run that has to wait for another one of its job."""
        with self._database.transaction():
            return self._enter(job, manifest, name, request, now, "pending", None)

    def begin(
        self,
        job: str,
        manifest: Path,
        name: str,
        request: dict[str, object],
        total: int,
        now: float,
        waited: Entry | None = None,
        jobs: Sequence[RunJob] = (),
    ) -> Entry:
        """Record that a run of these `jobs` starts now: a new one, or the one that `waited`."""
        with self._database.transaction() as connection:
            entry = waited or self._enter(job, manifest, name, request, now, "running", total)
            if waited is not None:
                values = (now, total, waited.run)
                connection.execute("UPDATE runs SET state='running', started=?, total=? WHERE id=?", values)
                self._change(job, waited.run, "running", "", now)
            rows = [(entry.run, place, *row, now) for place, row in enumerate(jobs)]
            connection.executemany("INSERT OR REPLACE INTO run_jobs VALUES (?,?,?,?,?,?)", rows)
        return entry

    def _enter(
        self, job: str, manifest: Path, name: str, request: dict[str, object], now: float, state: str, total: int | None
    ) -> Entry:
        row = (job, str(manifest), name, _text(request), os.getpid(), now, state, total)
        cursor = self._database.connection.execute(
            "INSERT INTO runs (job, manifest, name, request, pid, started, state, total) VALUES (?,?,?,?,?,?,?,?)", row
        )
        run = cursor.lastrowid or 0
        return Entry(run, self._change(job, run, state, "", now))

    def note(self, job: str, run: int, state: str, detail: str, now: float) -> None:
        """Record that the run has heard what was asked of it, and is `pausing`, `cancelling`."""
        with self._database.transaction():
            self._change(job, run, state, detail, now)

    def report(self, run: int, progress: Progress, now: float) -> None:
        """Say how far the run is."""
        state = json.dumps(progress, ensure_ascii=False, separators=(",", ":"))
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO live VALUES (?,?,?)", (run, now, state))

    def end(self, job: str, run: int, state: str, summary: dict[str, object], now: float) -> None:
        """Record how a run ended."""
        with self._database.transaction() as connection:
            text = _text(summary)
            connection.execute("UPDATE runs SET ended=?, state=?, summary=? WHERE id=?", (now, state, text, run))
            connection.execute("DELETE FROM live WHERE run=?", (run,))
            self._change(job, run, state, "", now)

    def control(self, job: str, entry: Entry) -> Change | None:
        """The last thing that another terminal asked of the job since this run is there: its detail is `pause`, `pause now`,
        `resume`, `cancel`. None where nothing."""
        query = f"SELECT {_CHANGE} FROM changes WHERE job=? AND id>? AND state=? ORDER BY id DESC LIMIT 1"  # noqa: S608
        row = self._database.connection.execute(query, (job, entry.since, _ASKED)).fetchone()
        return Change(*row) if row else None

    # -- by others ------------------------------------------------------------------------------------------------

    def ask(self, job: str, verb: str, now: float) -> int:
        """Ask the processes of all the job's runs for something. They look several times a second. Returns the number of
        the change, after which their answer will come."""
        with self._database.transaction():
            return self._change(job, None, _ASKED, verb, now)

    def restate(self, job: str, run: int, state: str, now: float, heard: float | None) -> None:
        """Say of a run that nobody is at any more, and that was last `heard` of at a time, how it ended after all."""
        ended = now if heard is None else heard
        with self._database.transaction() as connection:
            connection.execute("UPDATE runs SET ended=coalesce(ended, ?), state=? WHERE id=?", (ended, state, run))
            self._change(job, run, state, "", now)

    def runs(self, job: str | None = None, limit: int = -1) -> list[RunRecord]:
        """The runs of one job, or of all, the newest first."""
        where, values = ("WHERE job=?", (job,)) if job is not None else ("", ())
        query = f"SELECT {_RUN} FROM runs {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own names
        return [RunRecord(*row) for row in self._database.connection.execute(query, (*values, limit))]

    def newest_running(self, job: str) -> int | None:
        """The number of the last run of a job that has not been recorded as ended; what came of the others, nobody wrote down."""
        query = "SELECT max(id) FROM runs WHERE job=? AND state='running'"
        number: int | None = self._database.connection.execute(query, (job,)).fetchone()[0]
        return number

    def run(self, number: int) -> RunRecord | None:
        """The run of that number."""
        query = f"SELECT {_RUN} FROM runs WHERE id=?"  # noqa: S608 - our own names
        row = self._database.connection.execute(query, (number,)).fetchone()
        return RunRecord(*row) if row else None

    def changes(self, job: str, after: int = 0) -> list[Change]:
        """The job's changes with a higher number, in order."""
        query = f"SELECT {_CHANGE} FROM changes WHERE job=? AND id>? ORDER BY id"  # noqa: S608 - our own names
        return [Change(*row) for row in self._database.connection.execute(query, (job, after))]

    def progress(self, run: int) -> Progress:
        """How far a run that goes on (or whose process died) was when it last said so."""
        row = self._database.connection.execute("SELECT state FROM live WHERE run=?", (run,)).fetchone()
        return _progress(json.loads(row[0])) if row else Progress()

    def left_by(self, run: int) -> tuple[int, float | None]:
        """How many nodes a run has made whose process died, and when it was last heard of, in seconds since 1970: it wrote
        that down, or that an attempt was over. None where it never did."""
        query = (
            "SELECT count(DISTINCT CASE WHEN status='done' THEN node END), max(started + duration_s),"
            " (SELECT time FROM live WHERE live.run=?) FROM attempts WHERE run=?"
        )
        made, *heard = self._database.connection.execute(query, (run, run)).fetchone()
        return made, max((time for time in heard if time is not None), default=None)

    def jobs_of(self, run: int) -> list[RunJob]:
        """The jobs of a run, in the order in which they come; none of a run that is too old, or has not begun. A run of that
        number may have been forgotten by a program that knows nothing of these: what was recorded then is another run's."""
        query = (
            "SELECT run_jobs.name, chunks, final FROM run_jobs JOIN runs ON runs.id = run_jobs.run"
            " WHERE run_jobs.run=? AND run_jobs.started = runs.started ORDER BY place"
        )
        return [RunJob(*row) for row in self._database.connection.execute(query, (run,))]

    def forget(self, job: str) -> int:
        """Forget all runs of a job, and what its nodes were last; results stay in the cache. Returns how many runs."""
        with self._database.transaction() as connection:
            for table in ("attempts", "live", "run_jobs"):
                connection.execute(f"DELETE FROM {table} WHERE run IN (SELECT id FROM runs WHERE job=?)", (job,))  # noqa: S608
            connection.execute("DELETE FROM changes WHERE job=?", (job,))
            connection.execute("DELETE FROM last WHERE job=?", (job,))
            connection.execute("DELETE FROM memos WHERE job=?", (job,))
            return connection.execute("DELETE FROM runs WHERE job=?", (job,)).rowcount

    def _change(self, job: str, run: int | None, state: str, detail: str, now: float) -> int:
        query = "INSERT INTO changes (job, run, time, state, detail) VALUES (?,?,?,?,?)"
        return self._database.connection.execute(query, (job, run, now, state, detail)).lastrowid or 0


def _text(record: dict[str, object]) -> str:
    """A record as JSON that the database takes, whatever the texts in it were read from."""
    return encodable(json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":")))


def _progress(data: list[Any]) -> Progress:
    executed, cached, failed, skipped, running = data
    return Progress(executed, cached, failed, skipped, [RunningNode(*row) for row in running])
