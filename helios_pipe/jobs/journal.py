"""The journal: which runs there were, and what became of them. Knows nothing of how a run is made."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from helios_pipe.cache.database import Database
from helios_pipe.digest import canonical

_ID_DIGITS = 4


def job_id(name: str, manifest: Path) -> str:
    """The id under which all runs of one manifest file are recorded: its name and four hex digits of its path."""
    path = os.path.realpath(manifest).encode("utf-8", "surrogateescape")
    return f"{name}-{sha256(path).hexdigest()[:_ID_DIGITS]}"


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


class Journal:
    """Runs of all jobs of one cache."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, job: str, manifest: Path, name: str, request: dict[str, object], total: int, now: float) -> int:
        """Record a run that starts now, and return its number."""
        row = (job, str(manifest), name, canonical(request).decode(), os.getpid(), now, "running", total)
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (job, manifest, name, request, pid, started, state, total) VALUES (?,?,?,?,?,?,?,?)",
                row,
            )
            connection.execute(
                "INSERT INTO changes (job, run, time, state, detail) VALUES (?,?,?,'running','')",
                (job, cursor.lastrowid, now),
            )
            connection.execute("DELETE FROM controls WHERE job=?", (job,))
        return cursor.lastrowid or 0

    def end(self, job: str, run: int, state: str, summary: dict[str, object], now: float) -> None:
        """Record how a run ended."""
        with self._database.transaction() as connection:
            text = canonical(summary).decode()
            connection.execute("UPDATE runs SET ended=?, state=?, summary=? WHERE id=?", (now, state, text, run))
            connection.execute(
                "INSERT INTO changes (job, run, time, state, detail) VALUES (?,?,?,?,'')", (job, run, now, state)
            )

    def runs(self, job: str | None = None) -> list[RunRecord]:
        """The runs of one job, or of all, the newest first."""
        where, values = ("WHERE job=?", (job,)) if job is not None else ("", ())
        columns = ", ".join(RunRecord._fields)
        query = f"SELECT {columns} FROM runs {where} ORDER BY id DESC"  # noqa: S608 - our own names
        return [RunRecord(*row) for row in self._database.connection.execute(query, values)]

    def control(self, job: str) -> str | None:
        """What another terminal asked of the job: `pause`, `pause now`, `cancel`; None where nothing."""
        row = self._database.connection.execute("SELECT verb FROM controls WHERE job=?", (job,)).fetchone()
        return row[0] if row else None

    def ask(self, job: str, verb: str, now: float) -> None:
        """Ask the job's process for something. It looks several times a second."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO controls VALUES (?,?,?)", (job, verb, now))
