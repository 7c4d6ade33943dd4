"""Results by key: what was made, and all that is asked of it later. Knows nothing of how keys are made."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

from helios_pipe.cache.backlog import Writes
from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.database import Database
from helios_pipe.cache.generation import new_generation
from helios_pipe.cache.memo import Outcomes
from helios_pipe.digest import Digest
from helios_pipe.errors import StoreError
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Connection

    from helios_pipe.cache.memo import Looking

_COLUMNS = (
    "key, node, kind, digest, folder, size, mtime_ns, inode, family, start, frames, step, "
    "exit_code, duration_s, worker, tools, log, time"
)
_FIRST_RESULT = "INSERT OR IGNORE INTO results VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PUT_RESULT = "INSERT OR REPLACE INTO results VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PUT_PREIMAGE = "INSERT OR IGNORE INTO preimages VALUES (?,?)"
_PUT_LAST = "INSERT OR REPLACE INTO last VALUES (?,?,?)"
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
    """What one transaction writes: results with their pre-images (as they are, or `packed`), which key each node now has, and
    attempts."""

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
        self._writes = Writes(database)
        self._fresh: dict[str, tuple[Digest, int]] = {}
        """What was put under keys and is not in the database yet."""
        self._absent: set[str] = set()
        """Keys that nothing stood under when they were asked for, and when that was."""
        self._absent_at = 0
        self._intact: dict[Digest, bool] = {}

    def _move_on(self) -> None:
        try:
            new_generation(self._database.folder)
        except OSError as error:
            raise StoreError(f"{self._database.folder} cannot be written: {error.strerror}") from error

    def find(self, keys: Sequence[str]) -> dict[str, Result]:
        """The results under `keys` whose blobs are there. A blob that is missing or damaged makes its result no hit; it
        stays for `damaged` to tell."""
        if (version := self._version()) != self._absent_at:
            self._absent, self._absent_at = set(), version
        rows = self._rows(keys)
        self._absent.update(set(keys).difference(row.key for row in rows))
        return {row.key: row for row in rows if self.usable(row)}

    def of_family(self, family: str) -> list[Result]:
        """All usable results that hold frames of one recipe, by first frame."""
        query = f"SELECT {_COLUMNS} FROM results WHERE family = ? ORDER BY start, frames"  # noqa: S608 - our own names
        rows = [_result(row) for row in self._settled.execute(query, (family,))]
        return [row for row in rows if self.usable(row)]

    def usable(self, row: Result) -> bool:
        """Whether the blob is there as recorded: by its mark, else by its bytes."""
        mark = self._blobs.mark(row.digest)
        if mark is None or mark.size != row.size:
            return False
        if mark != (row.size, row.mtime_ns, row.inode) and not self._bytes_right(row.digest):
            return False
        return not row.folder or self._blobs.members_present(row.digest)

    def not_there(self, known: Outcomes, look: Looking) -> set[int]:
        """The places of those that are no hit by their blobs' marks. They may still be one by their bytes. `look` tells that of
        places, given a way to look at them: at those that nobody looked at just now."""
        off = set(look(range(len(known)), known.moved(str(self._database.folder))))
        if any(known.folders):
            digests, members = known.each_digest, self._blobs.members_present
            off |= {
                at for at, folder in enumerate(known.folders) if folder and at not in off and not members(digests[at])
            }
        return off

    def sound(self, digest: Digest, *, folder: bool) -> bool:
        """Whether a blob's bytes are right, read in full; a tree's files too. What is damaged is removed."""
        return self._blobs.intact(digest, folder=folder)

    def _bytes_right(self, digest: Digest) -> bool:
        if digest not in self._intact:
            self._intact[digest] = self._blobs.intact(digest)
        return self._intact[digest]

    def commit(self, commit: Commit) -> list[tuple[Result, Digest]]:
        """Write it all, or nothing; when this returns, it is as safe as in the database (`cache.backlog`). Where another result
        stands under a key, that one is kept unless `replace`; returned are those whose bytes differ, with the digest that was
        there: such a node is not deterministic."""
        differ: list[tuple[Result, Digest]] = []
        first: list[Result] = []
        again: list[Result] = []
        if commit.replace and commit.results:
            self._move_on()
        absent = self._absent if self._version() == self._absent_at else frozenset[str]()
        for result in commit.results:
            there = None if result.key in absent else self._there(result.key)
            if there is None:
                first.append(result)
                continue
            if there[0] != result.digest:
                differ.append((result, there[0]))
                mark = self._blobs.mark(there[0])
                if not commit.replace and mark is not None and mark.size == there[1]:
                    continue
            again.append(result)
        records = [(key, packed(data)) for key, data in commit.preimages.items()]
        self._writes.put(
            [
                (_FIRST_RESULT, first), (_PUT_RESULT, again), (_PUT_PREIMAGE, records), (_PUT_LAST, commit.last),
                (_PUT_ATTEMPT, commit.attempts),
            ]
        )  # fmt: skip
        put = {result.key: (result.digest, result.size) for result in (*first, *again)}
        self._fresh |= put
        self._absent.difference_update(put)
        return differ

    def _there(self, key: str) -> tuple[Digest, int] | None:
        """The digest and size of the output that stands under a key."""
        if not self._writes.waiting:
            self._fresh.clear()
        if key in self._fresh:
            return self._fresh[key]
        query = "SELECT digest, size FROM results WHERE key = ?"
        found: tuple[Digest, int] | None = self._database.connection.execute(query, (key,)).fetchone()
        return found

    def _version(self) -> int:
        """Another number whenever another process has written into the database."""
        return int(self._database.connection.execute("PRAGMA data_version").fetchone()[0])

    @property
    def _settled(self) -> Connection:
        """The connection, with all in the database that was committed."""
        self._writes.flush()
        return self._database.connection

    def flush(self) -> None:
        """Have all in the database that was committed, for others to see. Raises StoreError."""
        self._writes.flush()

    def close(self) -> None:
        """The same, for good. Idempotent. Raises StoreError; nothing is lost by it."""
        self._writes.close()

    def last_keys(self, job: str) -> dict[str, str]:
        """Node -> the key it had when it was last made or found, for one job id."""
        return dict(self._settled.execute("SELECT node, key FROM last WHERE job = ?", (job,)))

    def last_keys_of(self, job: str, nodes: Sequence[str]) -> dict[str, str]:
        """The same for some of them."""
        found: dict[str, str] = {}
        for at in range(0, len(nodes), 500):
            part = nodes[at : at + 500]
            query = f"SELECT node, key FROM last WHERE job = ? AND node IN ({','.join('?' * len(part))})"  # noqa: S608
            found.update(self._settled.execute(query, (job, *part)))
        return found

    def last_keys_between(self, job: str, first: str, last: str) -> str:
        """The keys that nodes had last, one after another, by name: those whose names are as long as these two, and between
        them."""
        query = (
            "SELECT group_concat(key, '') FROM (SELECT key FROM last"
            " WHERE job = ? AND node BETWEEN ? AND ? AND length(node) = ? ORDER BY node)"
        )
        return self._settled.execute(query, (job, first, last, len(first))).fetchone()[0] or ""

    def durations(self, job: str, name: str) -> list[float]:
        """How many seconds the chunks of the manifest's job `name` took when they were last made."""
        query = (
            "SELECT results.duration_s FROM last JOIN results ON results.key = last.key"
            " WHERE last.job = ? AND last.node > ? AND last.node < ? AND results.kind = 'chunk'"
        )
        return [row[0] for row in self._settled.execute(query, (job, f"{name}/", f"{name}0"))]

    def sizes(self, job: str, name: str) -> tuple[int, int]:
        """How many chunks of the manifest's job `name` were made when they were last made, and their bytes together."""
        query = (
            "SELECT count(*), coalesce(sum(results.size), 0) FROM last JOIN results ON results.key = last.key"
            " WHERE last.job = ? AND last.node > ? AND last.node < ? AND results.kind = 'chunk' AND NOT results.folder"
        )
        count, size = self._settled.execute(query, (job, f"{name}/", f"{name}0")).fetchone()
        return int(count), int(size)

    def preimage(self, key: str) -> bytes | None:
        """The canonical JSON that `key` is the digest of, where it was stored."""
        row = self._settled.execute("SELECT data FROM preimages WHERE key = ?", (key,)).fetchone()
        return _unpacked(row[0]) if row else None

    def proof(self, key: str, digest: Digest) -> bytes | None:
        """What the join under `key` that came out as `digest` can be proved with, where it was stored."""
        return self.preimage(proof_key(key, digest))

    def refresh(self, rows: Iterable[Result]) -> None:
        """Record the marks that blobs have now, for results found intact by their bytes."""
        marks = [(row, self._blobs.mark(row.digest)) for row in rows if self._intact.get(row.digest)]
        values = [(m.size, m.mtime_ns, m.inode, row.key) for row, m in marks if m]
        if values:
            self._writes.flush()
            with self._database.transaction() as connection:
                connection.executemany("UPDATE results SET size=?, mtime_ns=?, inode=? WHERE key=?", values)

    def forget(self, digests: Iterable[Digest]) -> None:
        """Drop the results whose blob is one of `digests`, which were found missing or damaged."""
        self._move_on()
        self._writes.flush()
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM results WHERE digest = ?", [(digest,) for digest in digests])

    def _rows(self, keys: Sequence[str]) -> list[Result]:
        rows: list[Result] = []
        for at in range(0, len(keys), 500):
            part = keys[at : at + 500]
            query = f"SELECT {_COLUMNS} FROM results WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608
            rows += [_result(row) for row in self._settled.execute(query, part)]
        return rows


def packed(data: bytes) -> bytes:
    """A record as it is stored: compressed where that is worth its time. It begins with a brace, which no compressed one does."""
    return zlib.compress(data, 1) if len(data) > _WORTH_PACKING and data[:1] == b"{" else data


def _unpacked(data: bytes) -> bytes:
    return data if data[:1] == b"{" else zlib.decompress(data)


def _result(row: Sequence[object]) -> Result:
    return Result(*row[:4], bool(row[4]), *row[5:])  # type: ignore[arg-type, call-arg]
