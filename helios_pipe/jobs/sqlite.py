"""Records of jobs in an SQLite database. Knows nothing of what runs them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from helios_pipe.errors import StoreError
from helios_pipe.job_status import CorruptRecordError, JobStatus, check_job_id
from helios_pipe.jobs.records import from_text, newest_first, same_job, to_text, warn_of

_BUSY_S = 60.0
_TABLE = "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"


class SqliteJobRepository:
    """A JobRepository in one file. Threads and processes may share it, on one machine."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens (and creates) it when it is first used."""
        self._path = Path(path)
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    def save(self, status: JobStatus) -> None:
        """See JobRepository."""
        check_job_id(status.id)
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", (status.id, to_text(status)))

    def get(self, job_id: str) -> JobStatus | None:
        """See JobRepository."""
        check_job_id(job_id)
        with self._open() as connection:
            row = connection.execute("SELECT record FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else self._record(job_id, row[0])

    def list(self) -> list[JobStatus]:
        """See JobRepository."""
        with self._open() as connection:
            rows = connection.execute("SELECT id, record FROM jobs").fetchall()
        found = []
        for job_id, text in rows:
            try:
                found.append(self._record(job_id, text))
            except CorruptRecordError as error:
                warn_of(error)
        return newest_first(found)

    def delete(self, job_id: str) -> None:
        """See JobRepository."""
        check_job_id(job_id)
        with self._writing() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def update(self, job_id: str, change: Callable[[JobStatus], JobStatus]) -> JobStatus | None:
        """See JobRepository."""
        check_job_id(job_id)
        with self._writing() as connection:
            row = connection.execute("SELECT record FROM jobs WHERE id = ?", (job_id,)).fetchone()
            if row is None:
                return None
            status = self._record(job_id, row[0])
            changed = same_job(status, change(status))
            connection.execute("UPDATE jobs SET record = ? WHERE id = ?", (to_text(changed), job_id))
        return changed

    def close(self) -> None:
        """Give the database back. Idempotent; it is opened again when it is used again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _record(self, job_id: str, text: object) -> JobStatus:
        place = f"{self._path}, job {job_id}"
        if not isinstance(text, str | bytes):
            raise CorruptRecordError(f"{place}: it is no text")
        return from_text(text, job_id, place)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # a full disk has ended it already
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time. SQLite's errors become StoreError."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                if self._connection is not None and self._connection.in_transaction:
                    self._connection.rollback()
                raise StoreError(f"the jobs in {self._path} cannot be used: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(_TABLE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection
