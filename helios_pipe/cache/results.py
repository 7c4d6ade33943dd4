"""Results by key: what was made, and all that is asked of it later. Knows nothing of how keys are made."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.database import Database
from helios_pipe.cache.generation import new_generation
from helios_pipe.cache.stamp import Signature, signature
from helios_pipe.digest import Digest
from helios_pipe.errors import StoreError

_COLUMNS = (
    "key, node, kind, digest, folder, size, mtime_ns, inode, family, start, frames, step, "
    "exit_code, duration_s, worker, tools, log, time"
)
_PUT_RESULT = "INSERT OR REPLACE INTO results VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PUT_ATTEMPT = "INSERT OR REPLACE INTO attempts VALUES (?,?,?,?,?,?,?,?,?,?,?)"


_WORTH_PACKING = 1024


class Result(NamedTuple):
    """One committed result. `digest` is of the output (a folder's: of its tree); size, mtime_ns and inode are the mark of
    its blob; family, start, frames, step say which frames of which recipe it holds (`frames` is how many); the duration is
    in seconds, the time in seconds since 1970."""

    key: str
    node: str
    kind: str
    digest: Digest
    folder: bool
    size: int
    mtime_ns: int
    inode: int
    family: str | None = None
    start: int | None = None
    frames: int | None = None
    step: int | None = None
    exit_code: int | None = 0
    duration_s: float = 0.0
    worker: str = "local"
    tools: str = ""
    log: str | None = None
    time: float = 0.0


class Attempt(NamedTuple):
    """One finished attempt of one run, as the journal keeps it."""

    run: int
    node: str
    attempt: int
    status: str
    started: float
    duration_s: float
    worker: str
    exit_code: int | None
    reason: str
    log: str | None
    tail: str | None


class Commit(NamedTuple):
    """What one transaction writes: results with their pre-images, which key each node now has, and attempts."""

    results: Sequence[Result] = ()
    preimages: Mapping[str, bytes] = {}
    last: Sequence[tuple[str, str, str]] = ()
    attempts: Sequence[Attempt] = ()
    replace: bool = False


def proof_key(key: str, digest: str) -> str:
    """Where the proof of a join is kept, among the records of keys."""
    return f"proof:{key}:{digest}"


class Results:
    """The records of one cache. For the thread that opened the database."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._intact: dict[Digest, bool] = {}

    def _move_on(self) -> None:
        try:
            new_generation(self._database.folder)
        except OSError as error:
            raise StoreError(f"{self._database.folder} cannot be written: {error.strerror}") from error

    def find(self, keys: Sequence[str]) -> dict[str, Result]:
        """The results under `keys` whose blobs are there. A blob that is missing or damaged makes its result no hit; it
        stays for `damaged` to tell."""
        rows = self._rows(keys)
        return {row.key: row for row in rows if self.usable(row)}

    def of_family(self, family: str) -> list[Result]:
        """All usable results that hold frames of one recipe, by first frame."""
        query = f"SELECT {_COLUMNS} FROM results WHERE family = ? ORDER BY start, frames"  # noqa: S608 - our own names
        rows = [_result(row) for row in self._database.connection.execute(query, (family,))]
        return [row for row in rows if self.usable(row)]

    def usable(self, row: Result) -> bool:
        """Whether the blob is there as recorded: by its mark, else by its bytes."""
        mark = self._blobs.mark(row.digest)
        if mark is None or mark.size != row.size:
            return False
        if mark != (row.size, row.mtime_ns, row.inode) and not self._bytes_right(row.digest):
            return False
        return not row.folder or self._blobs.members_present(row.digest)

    def sound(self, digest: Digest, *, folder: bool) -> bool:
        """Whether a blob's bytes are right, read in full; a tree's files too. What is damaged is removed."""
        return self._blobs.intact(digest, folder=folder)

    def _bytes_right(self, digest: Digest) -> bool:
        if digest not in self._intact:
            self._intact[digest] = self._blobs.intact(digest)
        return self._intact[digest]

    def commit(self, commit: Commit) -> list[tuple[Result, Digest]]:
        """Write it all in one transaction. Where another result stands under a key, that one is kept unless `replace`;
        returned are those whose bytes differ, with the digest that was there: such a node is not deterministic."""
        differ: list[tuple[Result, Digest]] = []
        if commit.replace and commit.results:
            self._move_on()
        with self._database.transaction() as connection:
            for result in commit.results:
                row = connection.execute("SELECT digest, size FROM results WHERE key = ?", (result.key,)).fetchone()
                if row and row[0] != result.digest:
                    differ.append((result, Digest(row[0])))
                    mark = self._blobs.mark(row[0])
                    if not commit.replace and mark is not None and mark.size == row[1]:
                        continue
                connection.execute(_PUT_RESULT, result)
            if commit.preimages:
                packed = [(key, _packed(data)) for key, data in commit.preimages.items()]
                connection.executemany("INSERT OR IGNORE INTO preimages VALUES (?,?)", packed)
            connection.executemany("INSERT OR REPLACE INTO last VALUES (?,?,?)", commit.last)
            connection.executemany(_PUT_ATTEMPT, commit.attempts)
        return differ

    def last_keys(self, job: str) -> dict[str, str]:
        """Node -> the key it had when it was last made or found, for one job id."""
        return dict(self._database.connection.execute("SELECT node, key FROM last WHERE job = ?", (job,)))

    def durations(self, job: str, name: str) -> list[float]:
        """How many seconds the chunks of the manifest's job `name` took when they were last made."""
        query = (
            "SELECT results.duration_s FROM last JOIN results ON results.key = last.key"
            " WHERE last.job = ? AND last.node > ? AND last.node < ? AND results.kind = 'chunk'"
        )
        return [row[0] for row in self._database.connection.execute(query, (job, f"{name}/", f"{name}0"))]

    def sizes(self, job: str, name: str) -> tuple[int, int]:
        """How many chunks of the manifest's job `name` were made when they were last made, and their bytes together."""
        query = (
            "SELECT count(*), coalesce(sum(results.size), 0) FROM last JOIN results ON results.key = last.key"
            " WHERE last.job = ? AND last.node > ? AND last.node < ? AND results.kind = 'chunk' AND NOT results.folder"
        )
        count, size = self._database.connection.execute(query, (job, f"{name}/", f"{name}0")).fetchone()
        return int(count), int(size)

    def preimage(self, key: str) -> bytes | None:
        """The canonical JSON that `key` is the digest of, where it was stored."""
        row = self._database.connection.execute("SELECT data FROM preimages WHERE key = ?", (key,)).fetchone()
        return _unpacked(row[0]) if row else None

    def proof(self, key: str, digest: Digest) -> bytes | None:
        """What the join under `key` that came out as `digest` can be proved with, where it was stored."""
        return self.preimage(proof_key(key, digest))

    def refresh(self, rows: Iterable[Result]) -> None:
        """Record the marks that blobs have now, for results found intact by their bytes."""
        marks = [(row, self._blobs.mark(row.digest)) for row in rows if self._intact.get(row.digest)]
        values = [(m.size, m.mtime_ns, m.inode, row.key) for row, m in marks if m]
        if values:
            with self._database.transaction() as connection:
                connection.executemany("UPDATE results SET size=?, mtime_ns=?, inode=? WHERE key=?", values)

    def forget(self, digests: Iterable[Digest]) -> None:
        """Drop the results whose blob is one of `digests`, which were found missing or damaged."""
        self._move_on()
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM results WHERE digest = ?", [(digest,) for digest in digests])

    def _rows(self, keys: Sequence[str]) -> list[Result]:
        rows: list[Result] = []
        for at in range(0, len(keys), 500):
            part = keys[at : at + 500]
            query = f"SELECT {_COLUMNS} FROM results WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608
            rows += [_result(row) for row in self._database.connection.execute(query, part)]
        return rows


class Memory:
    """What else is remembered between runs: the lines that tools print, and the files that were put in place."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tool_line(self, name: str, seen: Signature) -> str | None:
        """What the executable, called by that name, printed when it looked like this."""
        query = (
            "SELECT line FROM tool_lines WHERE path=? AND name=? AND size=? AND mtime_ns=? AND ctime_ns=? AND inode=?"
        )
        row = self._database.connection.execute(query, (seen[0], name, *seen[1:])).fetchone()
        return row[0] if row else None

    def keep_tool_line(self, name: str, seen: Signature, line: str) -> None:
        """Remember it."""
        with self._database.transaction() as connection:
            row = (seen[0], name, *seen[1:], line)
            connection.execute("INSERT OR REPLACE INTO tool_lines VALUES (?,?,?,?,?,?,?)", row)

    def in_place(self, path: str, digest: Digest) -> bool:
        """Whether the file at `path` is still the one that was put there, with that content."""
        seen = self.placed(path, digest)
        return seen is not None and not os.path.islink(path) and signature(path) == seen

    def placed(self, path: str, digest: Digest) -> Signature | None:
        """How the file looked when that content was put at `path`; None where it was not."""
        query = "SELECT path, size, mtime_ns, ctime_ns, inode FROM places WHERE path=? AND digest=?"
        row: Signature | None = self._database.connection.execute(query, (path, digest)).fetchone()
        return row

    def note_placed(self, placed: Iterable[tuple[str, Digest]]) -> None:
        """Remember which content was put where."""
        looked = [(signature(path), digest) for path, digest in placed]
        rows = [(seen[0], digest, *seen[1:]) for seen, digest in looked if seen is not None]
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO places VALUES (?,?,?,?,?,?)", rows)

    def placed_as(self, path: str) -> list[Signature]:
        """How what was put at `path` looked then: the file, or all that was put below the folder."""
        query = "SELECT path, size, mtime_ns, ctime_ns, inode FROM places WHERE path = ? OR (path >= ? AND path < ?)"
        return list(self._database.connection.execute(query, (path, f"{path}/", f"{path}0")))

    def placed_below(self, folder: str) -> list[str]:
        """The files that were put somewhere below the folder."""
        query = "SELECT path FROM places WHERE path >= ? AND path < ?"
        return [row[0] for row in self._database.connection.execute(query, (f"{folder}/", f"{folder}0"))]

    def still_ours(self, path: str) -> bool:
        """Whether the file is as it was put there."""
        row = self._database.connection.execute("SELECT digest FROM places WHERE path=?", (path,)).fetchone()
        return row is not None and self.in_place(path, row[0])

    def forget_placed(self, paths: Iterable[str]) -> None:
        """They are no longer there, or no longer ours."""
        rows = [(path,) for path in paths]
        if rows:
            with self._database.transaction() as connection:
                connection.executemany("DELETE FROM places WHERE path=?", rows)


def _packed(data: bytes) -> bytes:
    """Compressed where that is worth its time; a record begins with a brace, which no compressed one does."""
    return zlib.compress(data, 1) if len(data) > _WORTH_PACKING else data


def _unpacked(data: bytes) -> bytes:
    return data if data[:1] == b"{" else zlib.decompress(data)


def _result(row: Sequence[object]) -> Result:
    return Result(*row[:4], bool(row[4]), *row[5:])  # type: ignore[arg-type, call-arg]
