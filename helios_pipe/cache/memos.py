"""What the chunks of a job were when all of them were there, in one row a job: looking ten thousand results up one by one takes
longer than looking at their blobs. Knows nothing of how keys are made.

A memo says no more than the results it was made of. It stands in the same database, so it goes where that goes; it holds for
one generation of the cache, so it says nothing of a result that may have been taken away or replaced since; and whoever
believes it looks at the blobs all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from helios_pipe.cache.database import Database
from helios_pipe.cache.generation import generation_file
from helios_pipe.cache.sources import Source
from helios_pipe.cache.stamp import seal, signature, unseal
from helios_pipe.digest import Digest

FORMAT = 1
_Row = TypeVar("_Row", bound=tuple[object, ...])


class Known(NamedTuple):
    """A result, as far as a hit needs it: its key, its output's digest, and the mark of that blob."""

    key: str
    digest: Digest
    folder: bool
    size: int
    mtime_ns: int
    inode: int


class Memo(NamedTuple):
    """A job's chunks in order: their own inputs, the same number for each, and what came of them."""

    sources: list[Source]
    known: list[Known]


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
        found = unseal(row[0]) if row else None
        if not isinstance(found, tuple) or found[0] != FORMAT:
            return None
        _, sources, known = found
        return Memo(_rows(Source, sources), _rows(Known, known))

    def keep(self, name: str, mark: str, memo: Memo) -> None:
        """Keep it in the place of the one before. It holds as long as nothing is taken away that was there when this run
        began. Raises StoreError."""
        data = seal((FORMAT, _columns(memo.sources, Source._fields), _columns(memo.known, Known._fields)))
        with self._database.transaction() as connection:
            row = (self._job, name, mark, self._generation, data)
            connection.execute("INSERT OR REPLACE INTO memos VALUES (?,?,?,?,?)", row)

    def recorded(self, keys: Sequence[str]) -> dict[str, Known]:
        """What the results under these keys say, whether their blobs are there or not."""
        found: dict[str, Known] = {}
        for at in range(0, len(keys), 500):
            part = keys[at : at + 500]
            query = f"SELECT {','.join(Known._fields)} FROM results WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608
            found.update((row[0], Known(*row)) for row in self._database.connection.execute(query, part))
        return found


def _rows(kind: type[_Row], columns: Sequence[Sequence[object]]) -> list[_Row]:
    """The rows of these columns. Past the kind's own way to make one, which takes three times as long."""
    return list(map(partial(tuple.__new__, kind), zip(*columns, strict=True)))


def _columns(rows: Sequence[tuple[object, ...]], fields: Sequence[str]) -> list[list[object]]:
    """A list for each field: half as long to write as a row each, and to read."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in fields]
