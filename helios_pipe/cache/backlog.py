"""Writes that come faster than a database likes them: kept in a file first, and put into the database many at a time. Knows
nothing of what the rows mean.

A transaction of SQLite's rewrites every page it touches, and results lie all over the place: two to a transaction, that is
more work than a small command. So where one write follows another within some hundredths of a second, each is appended to
a file of this process's, which is as safe from a kill as a transaction is, and some hundred go into the database together.

<cache>/backlog/<name>.log   a frame for each write: length, checksum, statements with their rows

The process holds a lock on its file, which dies with it. Whoever opens the database first puts into it what dead processes
have left; a frame that was cut off in the middle of its writing was never promised to anybody.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from helios_pipe.cache.database import Database
from helios_pipe.errors import StoreError
from helios_pipe.transfer import write_failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

Statement = tuple[str, Sequence[Sequence[object]]]
"""SQL that inserts a row and ends in `VALUES (?,?)`, and the rows."""
_FOLDER = "backlog"
_FRAME = struct.Struct("<II")
_SOON_S = 0.05
"""A write that comes later than this after the one before goes straight into the database."""
_MOST = 128
"""Writes."""
_TOGETHER = 50
"""Rows put by one statement, with fewer than the 999 values that any SQLite takes. Around each statement the interpreter is let
go of and wanted back, which takes several times as long as the statement where another thread is busy."""
_STALE_S = 86_400.0


class Writes:
    """What one process writes into its database. For the thread that opened that."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Sequence[Statement]] = []
        self._file = -1
        self._path = ""
        self._last = -_SOON_S

    @property
    def waiting(self) -> bool:
        """Whether anything is not in the database yet."""
        return bool(self._waiting)

    def put(self, statements: Sequence[Statement]) -> None:
        """All of it is there when this returns, or none: in the database, or where it will be found. Raises StoreError."""
        now = time.monotonic()
        soon, self._last = now - self._last < _SOON_S, now
        if self._database.durable or not soon:
            self.flush()
            _run(self._database, [statements])
            return
        self._append(statements)
        self._waiting.append(statements)
        if len(self._waiting) >= _MOST:
            self.flush()

    def flush(self) -> None:
        """Have all of it in the database. Idempotent. Raises StoreError; then it is where it was."""
        if self._waiting:
            _run(self._database, self._waiting)
            self._waiting.clear()
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Flush it, and take the file away. Idempotent. Raises StoreError; then the file stays for others to find."""
        try:
            self.flush()
            if self._file != -1:
                os.unlink(self._path)
        finally:
            if self._file != -1:
                os.close(self._file)
                self._file = -1

    def _append(self, statements: Sequence[Statement]) -> None:
        data = marshal.dumps([(sql, [tuple(row) for row in rows]) for sql, rows in statements if rows])
        frame = _FRAME.pack(len(data), zlib.crc32(data)) + data
        if self._file == -1:
            self._open()
        end = os.fstat(self._file).st_size
        try:
            if os.write(self._file, frame) == len(frame):
                return
            raise OSError(28, os.strerror(28))  # ENOSPC is what else cuts a write to a file short
        except OSError as error:
            os.ftruncate(self._file, end)
            raise write_failed(f"{self._path} cannot be written", self._path, error, len(frame)) from error

    def _open(self) -> None:
        """Under a name that nobody looks for until the lock is held."""
        folder = self._database.folder / _FOLDER
        name = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._path = f"{folder}/{name}.log"
        try:
            folder.mkdir(exist_ok=True)
            self._file = os.open(
                f"{folder}/{name}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            )
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.rename(f"{folder}/{name}.new", self._path)
        except OSError as error:
            raise write_failed(f"{self._path} cannot be made", self._path, error) from error


def recover(database: Database) -> None:
    """Put into the database what dead processes had still to write. Whoever comes meanwhile waits. Raises StoreError."""
    folder = database.folder / _FOLDER
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".log")]
        if names:
            _recover_files(database, folder, names)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}") from error


def _recover_files(database: Database, folder: Path, names: Sequence[str]) -> None:
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            _recover_file(database, folder / name)
        for path in folder.glob(
            "*.new"
        ):  # empty, and nobody's if it is old: its process was killed before it had its lock
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _recover_file(database: Database, path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # another process was quicker, or its own has closed it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _run(database, list(_frames(path.read_bytes())))
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return  # somebody writes to it
    finally:
        os.close(file)


def _frames(data: bytes) -> Iterator[Sequence[Statement]]:
    """Each whole frame, up to the first that is not."""
    at = 0
    while at + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(body) != length or zlib.crc32(body) != checksum:
            return
        yield marshal.loads(body)  # noqa: S302 - our own file, whole
        at += _FRAME.size + length


def _run(database: Database, writes: Sequence[Sequence[Statement]]) -> None:
    """One transaction; the rows of a statement together, in the order in which they came."""
    rows: dict[str, list[Sequence[object]]] = {}
    for statements in writes:
        for sql, more in statements:
            rows.setdefault(sql, []).extend(more)
    if not any(rows.values()):
        return
    with database.transaction() as connection:
        for sql, all_rows in rows.items():
            _insert(connection, sql, all_rows)


def _insert(connection: Connection, sql: str, rows: Sequence[Sequence[object]]) -> None:
    """Run a statement that ends in the values of one row, with many."""
    whole = len(rows) - len(rows) % _TOGETHER
    if whole:
        together = sql + f",{sql.rpartition('VALUES')[2]}" * (_TOGETHER - 1)
        for at in range(0, whole, _TOGETHER):
            connection.execute(together, list(chain.from_iterable(rows[at : at + _TOGETHER])))
    connection.executemany(sql, rows[whole:])


def open_database(folder: Path, *, durable: bool = False) -> Database:
    """The database in `folder`, with all in it that was ever promised to be. Raises StoreError."""
    database = Database(folder, durable=durable)
    try:
        recover(database)
    except BaseException:
        database.close()
        raise
    return database
