"""The cache's SQLite database: where it is, how it is opened, its tables. Knows nothing of what the rows mean."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helios_pipe.cache.folders import DATABASE
from helios_pipe.errors import DiskFullError, StoreError
from helios_pipe.transfer import MAKE_ROOM, missing_room

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
else:
    try:
        # What `sqlite3` adds is converters of dates, which nobody here uses: loading them takes twice as long as all the rest.
        import _sqlite3 as sqlite3
    except ImportError:  # another interpreter
        import sqlite3

_NETWORK_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "lustre"}
)
_BUSY_MS = 60_000
_AGAIN_S = 0.005
_PAGE = 4096
"""The least that SQLite writes."""
DAMAGED = "Move that file away: the blobs stay, and what it knew of them is made again. Or give another folder with --cache-dir."
_LOG_PAGES = 8000
"""How long SQLite's log gets before it is written into the database, which waits for the disk: 32 MB at most."""
_SCHEMA = 5
"""Counted up when a table is added: older programs go on working with what they know."""

_TABLES = """
CREATE TABLE IF NOT EXISTS results (
  key TEXT PRIMARY KEY, node TEXT NOT NULL, kind TEXT NOT NULL,
  digest TEXT NOT NULL, folder INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
  family TEXT, start INTEGER, frames INTEGER, step INTEGER,
  exit_code INTEGER, duration_s REAL NOT NULL, worker TEXT NOT NULL, tools TEXT NOT NULL, log TEXT, time REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS results_family ON results (family, start) WHERE family IS NOT NULL;
CREATE TABLE IF NOT EXISTS preimages (key TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last (
  job TEXT NOT NULL, node TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (job, node)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
  digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tool_lines (
  path TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (path, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
  path TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
  id INTEGER PRIMARY KEY, job TEXT NOT NULL, manifest TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL,
  pid INTEGER NOT NULL, started REAL NOT NULL, ended REAL, state TEXT NOT NULL, total INTEGER, summary TEXT
);
CREATE INDEX IF NOT EXISTS runs_job ON runs (job, id);
CREATE TABLE IF NOT EXISTS attempts (
  run INTEGER NOT NULL, node TEXT NOT NULL, attempt INTEGER NOT NULL, status TEXT NOT NULL, started REAL NOT NULL,
  duration_s REAL NOT NULL, worker TEXT NOT NULL, exit_code INTEGER, reason TEXT NOT NULL, log TEXT, tail TEXT,
  PRIMARY KEY (run, node, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
  id INTEGER PRIMARY KEY, job TEXT NOT NULL, run INTEGER, time REAL NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS changes_job ON changes (job, id);
CREATE TABLE IF NOT EXISTS memos (
  job TEXT NOT NULL, name TEXT NOT NULL, mark TEXT NOT NULL, generation TEXT NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (job, name)
);
CREATE TABLE IF NOT EXISTS run_jobs (
  run INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, chunks INTEGER NOT NULL, final TEXT,
  started REAL NOT NULL, PRIMARY KEY (run, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pins (
  name TEXT NOT NULL, job TEXT NOT NULL, key TEXT NOT NULL, time REAL NOT NULL, PRIMARY KEY (name, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS live (run INTEGER PRIMARY KEY, time REAL NOT NULL, state TEXT NOT NULL);
"""


class Database:
    """One connection to the cache's database, for the thread that opened it.

    Many processes may hold one; a write waits for its turn. A killed process loses at most the transaction it was in, and
    leaves no lock behind.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """Open (and create) the database in `folder`. Raises StoreError where it cannot be used."""
        self.folder = folder
        self.durable = durable
        _refuse_network_share(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(folder / DATABASE, timeout=_BUSY_MS / 1000, isolation_level=None)
            self._prepare(durable=durable)
            _keep_out_of_git(folder)
        except FileExistsError as error:
            raise StoreError(
                f"the cache folder {folder} is no folder", hint="Move it away, or give another one with --cache-dir."
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error
        except OSError as error:
            raise StoreError(
                f"the cache folder {folder} cannot be used: {error}",
                hint="Give another one with --cache-dir or HELIOS_PIPE_CACHE_DIR.",
            ) from error

    def _prepare(self, *, durable: bool) -> None:
        run = self.connection.execute
        if self._journal_mode() != "wal":
            raise StoreError(
                f"the cache folder {self.folder} is on a file system that cannot share a database between processes",
                hint="Give a local folder with --cache-dir or HELIOS_PIPE_CACHE_DIR.",
            )
        run(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        run(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        if run("PRAGMA user_version").fetchone()[0] < _SCHEMA:
            with self.transaction():
                for statement in filter(str.strip, _TABLES.split(";")):
                    run(statement)
                run(f"PRAGMA user_version={_SCHEMA}")

    def _journal_mode(self) -> str:
        """Have a log beside the database, and say whether there is one. Where several processes do so with a new database at
        one moment, SQLite lets none wait for the other, whatever it was told: so they come again."""
        until = time.monotonic() + _BUSY_MS / 1000
        while True:
            try:
                mode: str = self.connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(_AGAIN_S)
            else:
                return mode

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All writes inside are committed together, or none. Waits for other writers; raises StoreError."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self._roll_back()
                raise
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._unwritten(error) from error

    def _roll_back(self) -> None:
        """A full disk or a bad one has ended the transaction already, or will not even let it be ended."""
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass

    def _unwritten(self, error: sqlite3.Error) -> StoreError:
        path = self.folder / DATABASE
        if _code(error) == sqlite3.SQLITE_FULL:
            text = missing_room(path, _PAGE)
            return DiskFullError(f"the cache's database {path} cannot be written: {text}", hint=MAKE_ROOM)
        return StoreError(f"the cache's database {path} cannot be written: {error}", hint=_hint(error))

    def _unusable(self, error: sqlite3.Error) -> StoreError:
        if _code(error) == sqlite3.SQLITE_FULL:
            return self._unwritten(error)
        hint = _hint(error) or "Give another cache folder with --cache-dir or HELIOS_PIPE_CACHE_DIR."
        return StoreError(f"the cache's database {self.folder / DATABASE} cannot be used: {error}", hint=hint)

    def close(self) -> None:
        """Give the connection back. Idempotent."""
        self.connection.close()


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _hint(error: sqlite3.Error) -> str:
    return DAMAGED if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else ""


def _keep_out_of_git(folder: Path) -> None:
    """Results are made, not written: a project that is under version control need not say so itself."""
    if not os.path.exists(folder / ".gitignore"):
        (folder / ".gitignore").write_text("*\n", encoding="ascii")


def _refuse_network_share(folder: Path) -> None:
    """SQLite's locks do not hold on a network share: say so before anything is written there."""
    kind = _file_system_type(os.path.abspath(folder))
    if kind in _NETWORK_TYPES:
        raise StoreError(
            f"the cache folder {folder} is on a network share ({kind}), where a database cannot be kept",
            hint="Give a local folder with --cache-dir or HELIOS_PIPE_CACHE_DIR; share results with `cache.remote`.",
        )


def _file_system_type(path: str) -> str | None:
    """The type of the file system that holds `path`, None where the system does not tell."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
            rows = [line.split(" ", 3)[:3] for line in mounts]
    except OSError:
        return None
    best, kind = "", None
    real = os.path.realpath(path)
    for _, point, fs_type in rows:
        place = point.replace("\\040", " ")
        if (real == place or real.startswith(place.rstrip("/") + "/")) and len(place) >= len(best):
            best, kind = place, fs_type
    return kind
