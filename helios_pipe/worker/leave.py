"""What a command left, put into the store: blobs first, then what names them. Knows nothing of how it was made."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from helios_pipe.action.model import Entry, Output, Tree
from helios_pipe.action.tree import check_paths
from helios_pipe.digest import digest_file
from helios_pipe.errors import OutputError, StoreError
from helios_pipe.ports import Artifact, BlobStore

_AT_ONCE = 16
Item = TypeVar("Item")
Made = TypeVar("Made")
LOG_NAME = "log.txt"


def leave_output(path: Path, output: Output, blobs: BlobStore) -> Artifact:
    """Store the output, a folder's files and then its tree, and say under which digest. Raises OutputError on a folder that
    holds anything but files and folders, and what the store raises."""
    return _leave_folder(path, output.name, blobs) if output.folder else leave_file(path, output.name, blobs)


def leave_file(path: Path, name: str, blobs: BlobStore) -> Artifact:
    """Store one file."""
    digest = digest_file(path)
    blobs.put(digest, path)
    return Artifact(name, digest, path.stat().st_size)


def leave_log(log: Path, blobs: BlobStore, tail_bytes: int) -> Artifact | None:
    """Store the whole log where the answer's tails do not hold all of it. A log that cannot be stored fails nothing."""
    try:
        if log.stat().st_size <= tail_bytes:
            return None
        return leave_file(log, LOG_NAME, blobs)
    except (OSError, StoreError):
        return None


def _leave_folder(folder: Path, name: str, blobs: BlobStore) -> Artifact:
    files = sorted(_files_below(str(folder), ""))
    try:
        check_paths(path for path, _ in files)
    except StoreError as error:
        raise OutputError(f"{name}/ cannot be stored: {error.message}") from error
    entries = _each(lambda item: _entry(*item), files)
    tree = Tree.of(entries)
    sources = {entry.digest: folder / entry.path for entry in entries}
    lacking = sorted(blobs.missing(sources))
    _each(lambda digest: blobs.put(digest, sources[digest]), lacking)
    with tempfile.TemporaryDirectory(prefix="helios-pipe-") as scratch:
        data = Path(scratch, "tree")
        data.write_bytes(tree.data)
        blobs.put(tree.digest, data)
    return Artifact(f"{name}/", tree.digest, tree.size)


def _entry(path: str, source: str) -> Entry:
    stat = os.stat(source)
    return Entry(path, digest_file(source), stat.st_size, bool(stat.st_mode & 0o100))


def _files_below(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    for item in os.scandir(folder):
        if item.is_symlink() or not (item.is_file() or item.is_dir()):
            raise OutputError(f"{item.path} is neither a file nor a folder", hint="An output folder holds plain files.")
        if item.is_dir():
            yield from _files_below(item.path, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item.path


def _each(function: Callable[[Item], Made], items: list[Item]) -> list[Made]:
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(_AT_ONCE, len(items)), thread_name_prefix="leave") as pool:
        return list(pool.map(function, items))
