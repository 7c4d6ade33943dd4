"""What the chunks of a job were when all of them were there, in one row a job: looking ten thousand results up one by one takes
longer than looking at their blobs. Knows nothing of how keys are made.

A memo says no more than the results it was made of. It stands in the same database, so it goes where that goes; it holds for
one generation of the cache, so it says nothing of a result that may have been taken away or replaced since; and whoever
believes it looks at the blobs all the same.
"""

from __future__ import annotations

import marshal
import sqlite3
from array import array
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.database import FILE_NAME, Database
from helios_pipe.cache.generation import generation_file
from helios_pipe.cache.sources import Origins
from helios_pipe.cache.stamp import checksum_of, seal, signature, unseal
from helios_pipe.columns import all_digests, nth_digest
from helios_pipe.digest import Digest

FORMAT = 3

Mark = tuple[int, int, int]
"""How a blob's file looks: size in bytes, mtime in ns, inode."""


class Known(NamedTuple):
    """A result, as far as a hit needs it: its key, its output's digest, and the mark of that blob."""

    key: str
    digest: Digest
    folder: bool
    size: int
    mtime_ns: int
    inode: int


class Outcomes:
    """What came of a job's chunks, in columns: keys and digests each in one text, whether it is a folder a byte each. How the
    blobs looked is asked for when somebody looks at one."""

    def __init__(
        self, keys: str, digests: str, folders: bytes, sizes: Sequence[int], marks: Callable[[], list[Mark]]
    ) -> None:
        self.keys, self.digests, self.folders, self.sizes, self._marks = keys, digests, folders, sizes, marks

    @classmethod
    def of(cls, known: Sequence[Known]) -> Outcomes:
        """Those of `known`."""
        keys, digests = "".join(row.key for row in known), "".join(row.digest for row in known)
        marks = [row[3:] for row in known]
        return cls(keys, digests, bytes(row.folder for row in known), [mark[0] for mark in marks], lambda: marks)

    def __len__(self) -> int:
        return len(self.folders)

    @cached_property
    def marks(self) -> list[Mark]:
        """How the blobs looked."""
        return self._marks()

    def known(self, at: int) -> Known:
        """What came of the chunk at that place."""
        return Known(self.key(at), nth_digest(self.digests, at), bool(self.folders[at]), *self.marks[at])

    def key(self, at: int) -> str:
        """The key of the chunk at that place."""
        return nth_digest(self.keys, at)

    def moved(self, marks_of: Callable[[Sequence[str]], Sequence[Mark | None]]) -> set[int]:
        """The places of those whose blobs do not have the marks that they had."""
        now = marks_of(self.each_digest())
        if now == self.marks:
            return set()
        return {at for at, (mark, then) in enumerate(zip(now, self.marks, strict=True)) if mark != then}

    def each_digest(self) -> list[Digest]:
        """The digests of all of them."""
        return all_digests(self.digests)


class Memo(NamedTuple):
    """A job's chunks in order: their own inputs, the same number for each, and what came of them."""

    origins: Origins
    outcomes: Outcomes
    checksum: bytes = b""

    def packed(self) -> bytes:
        """As it is stored: what a run needs of every chunk as plain bytes, and what it needs of hardly any as bytes to be opened
        when it does."""
        origins, outcomes = self.origins, self.outcomes
        hexes = [bytes.fromhex(text) for text in (origins.digests, outcomes.keys, outcomes.digests)]
        sizes = array("q", outcomes.sizes).tobytes()
        rows = marshal.dumps(origins.signatures), marshal.dumps(outcomes.marks)
        return seal((FORMAT, *hexes, origins.executable, outcomes.folders, sizes, *rows))

    @classmethod
    def opened(cls, data: bytes) -> Memo | None:
        """The one that was packed; None where it is no such thing, or another bit than it was."""
        found = unseal(data)
        if not isinstance(found, tuple) or found[0] != FORMAT:
            return None
        contents, keys, digests, executable, folders, sizes, signatures, marks = found[1:]
        origins = Origins(contents.hex(), executable, partial(marshal.loads, signatures))
        outcomes = Outcomes(keys.hex(), digests.hex(), folders, array("q", sizes), partial(marshal.loads, marks))
        return cls(origins, outcomes, checksum_of(data))


class Memos:
    """The memos of one cache, for one job id. For the thread that opened the database."""

    def __init__(self, database: Database, job: str) -> None:
        self._database = database
        self._job = job
        self._generation = repr(signature(generation_file(database.folder)))

    def find(self, name: str, mark: str) -> Memo | None:
        """The memo that was kept for the manifest's job `name` with this mark, if nothing was taken away since."""
        query = "SELECT data FROM memos WHERE job=? AND name=? AND mark=? AND generation=?"
        row = self._database.connection.execute(query, (self._job, name, mark, self._generation)).fetchone()
        return Memo.opened(row[0]) if row else None

    def keep(self, name: str, mark: str, memo: Memo) -> bytes:
        """Keep it in the place of the one before, and return its checksum. It holds as long as nothing is taken away that was
        there when this run began. Raises StoreError."""
        data = memo.packed()
        with self._database.transaction() as connection:
            row = (self._job, name, mark, self._generation, data)
            connection.execute("INSERT OR REPLACE INTO memos VALUES (?,?,?,?,?)", row)
        return checksum_of(data)

    def recorded(self, keys: Sequence[str]) -> dict[str, Known]:
        """What the results under these keys say, whether their blobs are there or not."""
        found: dict[str, Known] = {}
        for at in range(0, len(keys), 500):
            part = keys[at : at + 500]
            query = f"SELECT {','.join(Known._fields)} FROM results WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608
            found.update((row[0], Known(*row)) for row in self._database.connection.execute(query, part))
        return found


def look(folder: str, job: str, name: str) -> tuple[bytes, list[int]] | None:
    """The checksum of the memo that is kept for a job in the cache `folder`, and the places of the chunks whose blobs are not as
    it says. None where there is none. Opens the database for itself. Raises OSError, sqlite3.Error."""
    file = Path(folder) / FILE_NAME
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as connection:
        row = connection.execute("SELECT data FROM memos WHERE job=? AND name=?", (job, name)).fetchone()
    memo = Memo.opened(row[0]) if row else None
    return None if memo is None else (memo.checksum, sorted(memo.outcomes.moved(Blobs(file.parent).marks)))
