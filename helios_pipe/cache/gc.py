"""Making room: which results may go, in which order, and the taking away. Knows nothing of keys' meaning.

Roots are what each node of each job was last, what is pinned, and what was made since the oldest run that still goes on
began: it may be about to name it. Results go before their blobs, so that a kill in between leaves blobs that nobody names,
never names without blobs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.database import Database
from helios_pipe.cache.folders import MEMOS, STANDING
from helios_pipe.cache.generation import new_generation
from helios_pipe.cache.memos import sweep
from helios_pipe.digest import Digest, is_digest
from helios_pipe.errors import BlobDamagedError, BlobMissingError
from helios_pipe.tuples import NamedTuple

_ROOTS = "SELECT key FROM last UNION SELECT key FROM pins"


class Kept(NamedTuple):
    """A result as the collector sees it: `size` in bytes of all its blobs, the render seconds it stands for, its age."""

    key: str
    node: str
    digest: Digest
    size: int
    duration_s: float
    age_s: float
    root: bool


class Collected(NamedTuple):
    """What went, or would go: results, bytes, and the render seconds that they stood for; orphans are blobs without name."""

    results: int
    size: int
    duration_s: float
    orphans: int
    kept: int
    kept_size: int


class Stats(NamedTuple):
    """The store in figures. `render_s` is what all results together took to make."""

    results: int
    blobs: int
    size: int
    render_s: float
    roots: int


class Collector:
    """Looks after one cache folder. For the thread that opened the database."""

    def __init__(self, database: Database, blobs: Blobs, live_since: float) -> None:
        """`live_since`: when the oldest run began that still goes on, in seconds since 1970; infinite where none does."""
        self._database = database
        self._blobs = blobs
        self._live_since = live_since

    def stats(self) -> Stats:
        """Figures; nothing is changed."""
        sizes = [size for _, size, _ in self._all_blobs()]
        query = "SELECT COUNT(*), COALESCE(SUM(duration_s), 0) FROM results"
        count, render_s = self._database.connection.execute(query).fetchone()
        query = f"SELECT COUNT(*) FROM results WHERE key IN ({_ROOTS})"  # noqa: S608 - our own names
        roots = self._database.connection.execute(query).fetchone()[0]
        return Stats(count, len(sizes), sum(sizes), render_s, roots)

    def collect(self, now: float, *, max_size: int | None, max_age_s: float | None, dry_run: bool) -> Collected:
        """Take away what is older than `max_age_s`, then what stands for the fewest render seconds a byte until no more
        than `max_size` bytes are left; roots stay. Without limits, only blobs that no result names go."""
        everything = self._results(now)
        going = _choose(everything, max_size, max_age_s)
        if not dry_run:
            self._forget(going)
        gone = {result.key for result in going}
        kept = [result for result in everything if result.key not in gone]
        orphans = self._orphans(kept)
        if not dry_run:
            for digest, _ in orphans:
                self._blobs.discard(digest)
            self._remove(STANDING)  # copies of blobs
            if going:
                self._remove(MEMOS)
            sweep(self._database, self._live_since)
        size = sum(size for _, size in orphans)
        left = sum(size for _, size, _ in self._all_blobs()) - (size if dry_run else 0)
        return Collected(len(going), size, sum(r.duration_s for r in going), len(orphans), len(kept), left)

    def _remove(self, name: str) -> None:
        """Remove a folder of the cache's. It is moved out of reach first: a run that takes what is in it at this moment has it
        whole, or not at all."""
        import shutil  # it loads every way to compress

        folder = self._blobs.folder.parent / name
        with suppress(OSError):
            os.rename(folder, f"{folder}.{os.getpid()}")
        for gone in folder.parent.glob(f"{name}.*"):  # also of one that was killed
            shutil.rmtree(gone, ignore_errors=True)

    def verify(self) -> list[Digest]:
        """Read every blob; those whose bytes are not what their name says are removed, forgotten, and returned."""
        damaged = [digest for digest, _, _ in self._all_blobs() if not self._blobs.intact(digest)]
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM results WHERE digest = ?", [(digest,) for digest in damaged])
        return damaged

    def _results(self, now: float) -> list[Kept]:
        roots = {row[0] for row in self._database.connection.execute(_ROOTS)}
        query = "SELECT key, node, digest, folder, size, duration_s, time FROM results"
        found = []
        for key, node, digest, folder, size, duration_s, time in self._database.connection.execute(query):
            whole = size + sum(entry_size for _, entry_size in self._members(digest)) if folder else size
            found.append(
                Kept(key, node, digest, whole, duration_s, now - time, key in roots or time >= self._live_since)
            )
        return found

    def _members(self, digest: Digest) -> list[tuple[Digest, int]]:
        try:
            return [(entry.digest, entry.size) for entry in self._blobs.tree(digest).entries]
        except (BlobMissingError, BlobDamagedError):
            return []

    def _forget(self, going: Sequence[Kept]) -> None:
        if going:
            new_generation(self._database.folder)
        with self._database.transaction() as connection:
            if going:  # none holds any more
                connection.execute("DELETE FROM memos")
            keys = [(result.key,) for result in going]
            connection.executemany("DELETE FROM results WHERE key = ?", keys)
            connection.executemany("DELETE FROM preimages WHERE key = ? AND key NOT IN (SELECT key FROM last)", keys)
            proofs = [(f"proof:{key}:", f"proof:{key};") for (key,) in keys]
            connection.executemany("DELETE FROM preimages WHERE key >= ? AND key < ?", proofs)

    def _orphans(self, kept: Iterable[Kept]) -> list[tuple[Digest, int]]:
        """Blobs that none of the kept results names, but for those that a live run may have made."""
        named = {result.digest for result in kept}
        folders = self._database.connection.execute("SELECT digest FROM results WHERE folder = 1").fetchall()
        for (digest,) in folders:
            if digest in named:
                named.update(member for member, _ in self._members(digest))
        return [(d, size) for d, size, mtime in self._all_blobs() if d not in named and mtime < self._live_since]

    def _all_blobs(self) -> list[tuple[Digest, int, float]]:
        found = []
        try:
            shards = [entry.path for entry in os.scandir(self._blobs.folder) if entry.is_dir()]
        except FileNotFoundError:
            return []
        for shard in shards:
            for entry in os.scandir(shard):
                if is_digest(entry.name):
                    stat = entry.stat()
                    found.append((Digest(entry.name), stat.st_size, max(stat.st_mtime, stat.st_ctime)))
        return found


def _choose(everything: Sequence[Kept], max_size: int | None, max_age_s: float | None) -> list[Kept]:
    free = [result for result in everything if not result.root]
    going = [result for result in free if max_age_s is not None and result.age_s > max_age_s]
    if max_size is not None:
        gone = {result.key for result in going}
        left = sum(result.size for result in everything if result.key not in gone)
        for result in sorted(free, key=lambda r: (r.duration_s / max(r.size, 1), -r.age_s)):
            if left <= max_size:
                break
            if result.key not in gone:
                going.append(result)
                left -= result.size
    return going
