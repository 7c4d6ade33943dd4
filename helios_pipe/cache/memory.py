"""What else is remembered between runs: the lines that tools print, and the files that were put in place. Knows nothing of
results."""

from __future__ import annotations

import os
from collections.abc import Iterable

from helios_pipe.cache.database import Database
from helios_pipe.cache.stamp import Signature, signature
from helios_pipe.digest import Digest


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
        row = self._database.connection.execute(query, (_kept(path), digest)).fetchone()
        return None if row is None else _signature(row)

    def note_placed(self, placed: Iterable[tuple[str, Digest]]) -> None:
        """Remember which content was put where."""
        looked = [(signature(path), digest) for path, digest in placed]
        rows = [(_kept(seen[0]), digest, *seen[1:]) for seen, digest in looked if seen is not None]
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO places VALUES (?,?,?,?,?,?)", rows)

    def placed_as(self, path: str) -> list[Signature]:
        """How what was put at `path` looked then: the file, or all that was put below the folder."""
        query = f"SELECT path, size, mtime_ns, ctime_ns, inode FROM places WHERE path = ? OR {_BELOW}"  # noqa: S608 - no input
        rows = self._database.connection.execute(query, (_kept(path), *_below(path)))
        return [_signature(row) for row in rows]

    def placed_below(self, folder: str) -> list[str]:
        """The files that were put somewhere below the folder."""
        query = f"SELECT path FROM places WHERE {_BELOW}"  # noqa: S608 - no input
        return [os.fsdecode(row[0]) for row in self._database.connection.execute(query, _below(folder))]

    def still_ours(self, path: str) -> bool:
        """Whether the file is as it was put there."""
        row = self._database.connection.execute("SELECT digest FROM places WHERE path=?", (_kept(path),)).fetchone()
        return row is not None and self.in_place(path, row[0])

    def forget_placed(self, paths: Iterable[str]) -> None:
        """They are no longer there, or no longer ours."""
        rows = [(_kept(path),) for path in paths]
        if rows:
            with self._database.transaction() as connection:
                connection.executemany("DELETE FROM places WHERE path=?", rows)


_BELOW = "((path >= ? AND path < ?) OR (path >= ? AND path < ?))"


def _below(folder: str) -> tuple[str, str, bytes, bytes]:
    """What the paths below a folder lie between: those that are text, and the others."""
    low, high = f"{folder}/", f"{folder}0"
    return low, high, os.fsencode(low), os.fsencode(high)


def _kept(path: str) -> str | bytes:
    """A path as it is kept: a text is UTF-8 to SQLite, and one that is none is kept as its bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _signature(row: tuple[str | bytes, int, int, int, int]) -> Signature:
    return os.fsdecode(row[0]), *row[1:]
