"""What the chunks of a job were when all of them were there, in one file a job: looking ten thousand results up one by one takes
longer than looking at their blobs. Knows nothing of how keys are made.

A memo says no more than the results it was made of. A row beside these says which one holds, so it goes where they go; it holds
for one generation of the cache, so it says nothing of a result that may have been taken away or replaced since; and whoever
believes it looks at the blobs all the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from helios_pipe.cache.database import Database
from helios_pipe.cache.folders import MEMOS
from helios_pipe.cache.generation import generation_file
from helios_pipe.cache.memo import Known, Memo, memo_file, read_memo
from helios_pipe.cache.stamp import checksum_of, signature
from helios_pipe.transfer import write_failed


class Memos:
    """The memos of one cache, for one job id. For the thread that opened the database."""

    def __init__(self, database: Database, job: str) -> None:
        self._database = database
        self._folder = str(database.folder)
        self._job = job
        self._generation = repr(signature(generation_file(database.folder)))

    def find(self, name: str, mark: str) -> Memo | None:
        """The memo that was kept for the manifest's job `name` with this mark, if nothing was taken away since."""
        query = "SELECT data FROM memos WHERE job=? AND name=? AND mark=? AND generation=?"
        row = self._database.connection.execute(query, (self._job, name, mark, self._generation)).fetchone()
        memo = read_memo(self._folder, self._job, name) if row else None
        return memo if memo is not None and memo.checksum == row[0] else None

    def keep(self, name: str, mark: str, memo: Memo) -> bytes:
        """Keep it in the place of the one before, and return its checksum. It holds as long as nothing is taken away that was
        there when this run began. Raises StoreError."""
        data = memo.packed()
        checksum = checksum_of(data)
        self._write(memo_file(self._folder, self._job, name), data)
        with self._database.transaction() as connection:
            row = (self._job, name, mark, self._generation, checksum)
            connection.execute("INSERT OR REPLACE INTO memos VALUES (?,?,?,?,?)", row)
        return checksum

    def _write(self, place: str, data: bytes) -> None:
        folder = os.path.dirname(place)
        temp = f"{folder}/~"  # no job has this name, and nobody else writes here: a run has its job id to itself
        try:
            os.makedirs(folder, exist_ok=True)
            with open(temp, "wb") as file:
                file.write(data)
            if os.path.lexists(place):
                os.unlink(place)  # to put a file in the place of another, some file systems write it to the disk first
            os.rename(temp, place)
        except OSError as error:
            raise write_failed(f"{place} cannot be written", self._folder, error, len(data)) from error


def sweep(database: Database, before: float) -> None:
    """Remove what no row speaks of: memos of jobs that are called otherwise by now, and halves. Not what was written since
    `before` (seconds since 1970)."""
    rows = database.connection.execute("SELECT job, name FROM memos")
    there = {memo_file(str(database.folder), job, name) for job, name in rows}
    for folder, _, names in os.walk(database.folder / MEMOS):
        for path in (f"{folder}/{name}" for name in names):
            try:
                if path not in there and os.stat(path).st_mtime < before:
                    os.unlink(path)
            except OSError:
                continue


def recorded(database: Database, keys: Sequence[str]) -> dict[str, Known]:
    """What the results under these keys say, whether their blobs are there or not."""
    found: dict[str, Known] = {}
    for at in range(0, len(keys), 500):
        part = keys[at : at + 500]
        query = f"SELECT {','.join(Known._fields)} FROM results WHERE key IN ({','.join('?' * len(part))})"  # noqa: S608
        found.update((row[0], Known(*row)) for row in database.connection.execute(query, part))
    return found
