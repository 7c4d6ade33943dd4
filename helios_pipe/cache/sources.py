"""Digests of source files, remembered by what `stat` says of them. Knows nothing of what the files are for."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from stat import S_ISREG

from helios_pipe.aside import Aside
from helios_pipe.cache.database import Database
from helios_pipe.cache.memo import Origins
from helios_pipe.cache.stamp import Seen, signature
from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import StaleInputError
from helios_pipe.tuples import NamedTuple

RACY_NS = 20_000_000
"""A file whose time stamp is not older than the look by this much may change again within the clock's tick, unseen."""
COARSE_RACY_NS = 2_000_000_000
"""The same for file systems that keep whole seconds."""
_INLINE_SIZE = 256 << 10
_VERY_LARGE, _MUCH = 64 << 20, 256 << 20
"""Files of so many bytes, where all are so many bytes together, are hashed by another process."""
_TOO_LARGE = 1 << 63
"""For the database. A file with such a number is hashed in every run."""
_FEW = 64
"""So many files are found in a list before all of it is in a table."""


class Source(NamedTuple):
    """A source file as it was hashed: absolute path, digest, size, signature (mtime_ns, ctime_ns, inode), whether it may be
    executed, and whether it could have changed unseen since (racy)."""

    path: str
    digest: Digest
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    executable: bool
    racy: bool

    def changed(self) -> bool:
        """Whether the content is no longer what was hashed: one stat, and the bytes where that differs (a mere touch is
        no change)."""
        try:
            if self.moved():
                return digest_file(self.path) != self.digest
        except OSError:
            return True
        return False

    def moved(self) -> bool:
        """Whether `stat` says otherwise than when it was hashed. Raises OSError."""
        stat = os.stat(self.path)
        now = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, bool(stat.st_mode & 0o100))
        return now != (self.size, self.mtime_ns, self.ctime_ns, self.inode, self.executable)


class Sources:
    """Digests of source files for one run: each file is looked at once. Remembers them across runs in the database."""

    def __init__(self, database: Database, root: str) -> None:
        self._familiar: list[tuple[Origins, frozenset[int]]] = []
        """Files that were told of, and the places of those that had moved."""
        self._places: dict[str, tuple[Origins, int]] = {}
        """Where files stand that are as they were told to be: filled when one is asked for."""
        self._database = database
        self._root = root
        self._seen: dict[str, Source] = {}
        self._known: dict[str, tuple[int, int, int, int, str]] | None = None
        self._fresh: list[Source] = []

    def look(self, paths: Iterable[str]) -> list[Source]:
        """The sources at these absolute paths, in order. Files that moved since they were last hashed are hashed again,
        large ones in parallel. Raises StaleInputError where one cannot be read."""
        wanted = list(paths)
        new = [path for path in dict.fromkeys(wanted) if path not in self._seen]
        if new:
            self._look_at(new)
        return [self._seen[path] for path in wanted]

    def recognise(self, told: Origins, unsure: Collection[int] | None = None) -> list[int]:
        """Look at files that are told of as they were found, provably, at another time; only at the `unsure` ones, where all
        others were looked at just now. Returns the places of those that do not look so; the rest are known from now on."""
        seen = told.seen
        where = range(len(seen)) if unsure is None else unsure
        moved = [at for at in where if signature(seen.paths[at]) != seen[at]]
        self._familiar.append((told, frozenset(moved)))
        self._places = {}
        return moved

    def look_again(self) -> bool:
        """Hash those again that could have changed unseen. True where all are as they were, and now provably so."""
        for source in [source for source in self._seen.values() if source.racy]:
            again = _hash_one(source.path)
            if again.racy or again.digest != source.digest or again.size != source.size:
                return False
            self._seen[source.path] = again
            self._fresh.append(again)
        return True

    def signatures(self) -> Seen:
        """Every file looked at in this run, as it was then."""
        found = Seen.of((s.path, s.size, s.mtime_ns, s.ctime_ns, s.inode) for s in self._seen.values())
        for told, moved in self._familiar:
            found += told.seen.without(moved)
        return found

    def save(self) -> None:
        """Remember what was hashed, but for what could have changed unseen."""
        rows = [
            (s.path, s.size, s.mtime_ns, s.ctime_ns, s.inode, s.digest)
            for s in self._fresh
            if not s.racy and max(s.inode, abs(s.mtime_ns), abs(s.ctime_ns)) < _TOO_LARGE
        ]
        self._fresh = []
        if rows:
            with self._database.transaction() as connection:
                connection.executemany("INSERT OR REPLACE INTO sources VALUES (?,?,?,?,?,?)", rows)

    def _look_at(self, paths: list[str]) -> None:
        paths = self._unfamiliar(paths)
        known = self._load(len(paths))
        stale: list[tuple[int, str]] = []
        for path in paths:
            try:
                stat = os.stat(path)
            except OSError as error:
                raise StaleInputError(f"{path} cannot be read: {error.strerror}") from error
            if not S_ISREG(stat.st_mode):
                raise StaleInputError(f"{path} is no plain file")
            row = known.get(path) if known is not None else self._find(path)
            if row and row[:4] == (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino):
                self._seen[path] = Source(path, Digest(row[4]), *row[:4], bool(stat.st_mode & 0o100), racy=False)
            else:
                stale.append((stat.st_size, path))
        for source in _hash_many(stale):
            self._seen[source.path] = source
            self._fresh.append(source)

    def _unfamiliar(self, paths: list[str]) -> list[str]:
        """Those of which nothing was told that still holds."""
        places = self._places
        if self._familiar and not places:
            wanted = frozenset(paths) if len(paths) <= _FEW else None
            for told, moved in self._familiar:
                named: Iterable[tuple[int, str]] = enumerate(told.seen.paths)
                if wanted is not None:
                    named = ((at, path) for at, path in named if path in wanted)
                places = places | {path: (told, at) for at, path in named if at not in moved}
            if wanted is None:
                self._places = places
        unknown: list[str] = []
        for path in paths:
            place = places.get(path)
            if place is None:
                unknown.append(path)
            else:
                self._seen[path] = _told_of(*place)
        return unknown

    def _load(self, wanted: int) -> dict[str, tuple[int, int, int, int, str]] | None:
        """Everything remembered below the root, in one query; None where single look-ups are cheaper."""
        if self._known is None and wanted > 64:
            low, high = self._root.rstrip("/") + "/", self._root.rstrip("/") + "0"
            rows = self._database.connection.execute(
                "SELECT path, size, mtime_ns, ctime_ns, inode, digest FROM sources WHERE path >= ? AND path < ?",
                (low, high),
            )
            self._known = {row[0]: row[1:] for row in rows}
        return self._known

    def _find(self, path: str) -> tuple[int, int, int, int, str] | None:
        query = "SELECT size, mtime_ns, ctime_ns, inode, digest FROM sources WHERE path = ?"
        row: tuple[int, int, int, int, str] | None = self._database.connection.execute(query, (path,)).fetchone()
        return row


def _told_of(origins: Origins, at: int) -> Source:
    """The one at that place, as it was found."""
    path, size, mtime_ns, ctime_ns, inode = origins.seen[at]
    digest, executable = origins.content(at)
    return Source(path, digest, size, mtime_ns, ctime_ns, inode, executable, racy=False)


def _hash_many(files: list[tuple[int, str]]) -> list[Source]:
    """Small files here and now; large ones over as many threads as there are CPUs, for hashing lets go of the interpreter, and
    very large ones by a process for each thread."""
    small = [_hash_one(path) for size, path in files if size <= _INLINE_SIZE]
    large = [(size, path) for size, path in files if size > _INLINE_SIZE]
    worth_it = sum(size for size, _ in large) >= _MUCH
    found: dict[str, Source] = {}
    left = iter(large)

    def take() -> None:
        try:
            with Aside() as aside:
                for size, path in left:
                    found[path] = _hash_one(path, aside.digest if worth_it and size >= _VERY_LARGE else digest_file)
        except BaseException:
            deque(left, maxlen=0)  # nobody need begin with another one
            raise

    count = min(len(large), os.cpu_count() or 1)
    if count < 2:
        take()  # here, where an interrupt ends it
        return small + list(found.values())
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(take) for _ in range(count)]:
            done.result()
    return small + [found[path] for _, path in large]


def _hash_one(path: str, digest_of: Callable[[str], Digest] = digest_file) -> Source:
    """Hash between two looks that agree, so that the digest belongs to the signature."""
    for _ in range(5):
        now = time.time_ns()
        try:
            before = os.stat(path)
            digest = digest_of(path)
            after = os.stat(path)
        except OSError as error:
            raise StaleInputError(f"{path} cannot be read: {error.strerror}") from error
        signature = (after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino)
        if signature == (before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_ino):
            racy = is_racy(max(after.st_mtime_ns, after.st_ctime_ns), now)
            return Source(path, digest, *signature, bool(after.st_mode & 0o100), racy=racy)
    raise StaleInputError(f"{path} keeps changing while it is read", hint="Run again when it is finished.")


def is_racy(stamp_ns: int, look_ns: int) -> bool:
    """Whether something that bears this time may have changed again, unseen, since it was looked at."""
    return stamp_ns > look_ns - (COARSE_RACY_NS if stamp_ns % 1_000_000_000 == 0 else RACY_NS)
