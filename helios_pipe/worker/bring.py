"""One input brought into a folder: copied and checked, or linked and looked at again. Knows nothing of stages or attempts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from helios_pipe.action.model import Entry
from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import BlobDamagedError, BlobMissingError, HeliosPipeError, StaleInputError
from helios_pipe.transfer import clone, copy_file
from helios_pipe.tuples import NamedTuple

Locate = Callable[[Digest], str | Path]
"""From a digest to a file with that content: a source, or a blob, which is named by its digest."""

INPUT_TIME_NS = 315_619_200 * 10**9
"""When every input seems to have been written: 2 January 1980, which is in 1980 in every time zone, as zip files need."""


class Mark(NamedTuple):
    """A file that others can write to, and how it looked when it was made ready: size, mtime_ns, inode, mode."""

    name: str
    path: str
    digest: Digest
    seen: tuple[int, int, int, int]


def bring(entry: Entry, locate: Locate, target: str, link_size: int) -> Mark | None:
    """Make the new file `target` hold the entry's content: a read-only copy whose bytes were checked. From `link_size`
    bytes on, unless the file system can share blocks, it is a symbolic link instead, and the mark of what it leads to is
    returned. Raises StaleInputError, BlobMissingError, BlobDamagedError, OSError."""
    source = os.fspath(locate(entry.digest))
    if entry.size >= link_size and not _can_clone(source, target):
        return _link(entry, source, target)
    try:
        found = copy_file(source, target)
    except OSError as error:
        if os.access(source, os.R_OK):
            raise
        raise _gone(entry, source) from error
    if found != entry.digest:
        os.unlink(target)
        raise _changed(entry, source)
    settle(target, executable=entry.executable)
    return None


def duplicate(copy: str, target: str) -> None:
    """A copy of our own copy. Raises OSError."""
    executable = bool(os.stat(copy).st_mode & 0o100)
    copy_file(copy, target)
    settle(target, executable=executable)


def write_text(target: str, text: str) -> None:
    """Make the new input file `target` hold `text`. Raises OSError."""
    with open(target, "x", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    settle(target, executable=False)


def settle(path: str, *, executable: bool) -> None:
    """Give an input the date and the mode that all inputs have."""
    os.utime(path, ns=(INPUT_TIME_NS, INPUT_TIME_NS))
    os.chmod(path, 0o555 if executable else 0o444)


def mark_of(entry: Entry, path: str) -> Mark:
    """How the file looks now. Raises OSError."""
    return Mark(entry.path, path, entry.digest, _look(path))


def touched(marks: Iterable[Mark], complaint: str) -> bool:
    """Whether a file looks otherwise than when it was marked, though its bytes are the same. Raises StaleInputError, with
    its name and the complaint, where they are not."""
    found = False
    for mark in marks:
        try:
            if _look(mark.path) == mark.seen:
                continue
            found = True
            same = digest_file(mark.path) == mark.digest
        except OSError:
            same = False
        if not same:
            raise StaleInputError(
                f"the input {mark.name} is not what it was: {complaint}",
                hint="A command that edits an input must copy it first, and must not be given what is being edited.",
            )
    return found


def _look(path: str) -> tuple[int, int, int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode


def _link(entry: Entry, source: str, target: str) -> Mark:
    try:
        mark = mark_of(entry, os.path.abspath(source))
    except OSError as error:
        raise _gone(entry, source) from error
    if mark.seen[0] != entry.size:
        raise _changed(entry, source)
    os.symlink(mark.path, target)
    return mark


def _can_clone(source: str, target: str) -> bool:
    try:
        with open(source, "rb", buffering=0) as reader, open(target, "xb", buffering=0) as writer:
            cloned = clone(reader.fileno(), writer.fileno())
        os.unlink(target)
    except OSError:
        return False
    return cloned


def _gone(entry: Entry, source: str) -> HeliosPipeError:
    if os.path.basename(source) == entry.digest:
        return BlobMissingError(f"blob {entry.digest} (the input {entry.path}) cannot be read at {source}")
    return StaleInputError(f"the input {entry.path} cannot be read any more at {source}")


def _changed(entry: Entry, source: str) -> HeliosPipeError:
    if os.path.basename(source) == entry.digest:
        return BlobDamagedError(f"blob {entry.digest} (the input {entry.path}) is damaged")
    return StaleInputError(f"{entry.path} changed while it was being read", hint="Run again when it is finished.")
