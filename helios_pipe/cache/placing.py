"""Putting results where the manifest wants them, whole or not at all. Knows nothing of who made them."""

from __future__ import annotations

import os
from operator import attrgetter
from pathlib import Path
from stat import S_ISREG

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.memory import Memory
from helios_pipe.cache.stamp import Signature, signature
from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import StoreError
from helios_pipe.transfer import write_failed

TEMP_SUFFIX = ".helios-tmp"


class Ahead:
    """The bytes of one output, written beside its place by whoever had them at hand, before it is put there. What is there
    counts only with its digest, and as long as it is untouched."""

    def __init__(self, path: str) -> None:
        self.temp = _beside(path)
        self.begun = False
        self._done: tuple[Digest, Signature | None] | None = None

    def begin(self) -> Path:
        """Where to write them: a new file, in a folder that may not be there."""
        self.drop()
        self.begun = True
        return Path(self.temp)

    def done(self, digest: Digest) -> None:
        """All of them were written, and had this digest as they were."""
        self._done = (digest, signature(self.temp))

    def holds(self, digest: Digest) -> bool:
        """Whether they are there, and are these."""
        return self._done is not None and self._done[1] is not None and self._done == (digest, signature(self.temp))

    def drop(self) -> None:
        """Nobody wants them. Idempotent."""
        self._done = None
        try:
            os.unlink(self.temp)
        except OSError:
            return


class Placer:
    """Writes blobs to their places in the project. Files that are in place already are not touched."""

    def __init__(self, memory: Memory, blobs: Blobs) -> None:
        self._memory = memory
        self._blobs = blobs
        self._ahead: dict[str, Ahead] = {}

    def ahead(self, path: str) -> Ahead:
        """For somebody who will have the bytes at hand that are to be put at the absolute `path`."""
        return self._ahead.setdefault(path, Ahead(path))

    def close(self) -> None:
        """Remove what was written ahead and never put in place."""
        for ahead in filter(attrgetter("begun"), self._ahead.values()):
            ahead.drop()

    def place(self, digest: Digest, folder: bool, path: str) -> int:
        """Put a blob (a tree, with `folder`) at the absolute `path` and return its size in bytes. In a folder, files that
        an earlier run put there and that are no longer wanted are removed; others are left alone. Raises BlobMissingError,
        BlobDamagedError, StoreError."""
        if not folder:
            size = self._place_files({path: digest})
            Ahead(path).drop()  # what a killed join left there
            return size
        tree = self._blobs.tree(digest)
        base = path.rstrip("/")
        wanted = {f"{base}/{entry.path}": entry.digest for entry in tree.entries}
        size = self._place_files(wanted)
        for entry in tree.entries:
            if entry.executable:
                os.chmod(f"{base}/{entry.path}", 0o755)  # noqa: S103 - the tree says that it may be executed
        self._remove_others(base, wanted)
        return size

    def place_text(self, data: bytes | None, path: str) -> None:
        """Put these few bytes at `path`; None takes away what an earlier run put there."""
        if data is None:
            if self._memory.still_ours(path):
                os.unlink(path)
                self._memory.forget_placed([path])
            return
        blob = self._blobs.put_bytes(data)
        self._place_files({path: blob.digest})

    def _place_files(self, wanted: dict[str, Digest]) -> int:
        size, fresh = 0, []
        for path, digest in wanted.items():
            try:
                if not self._memory.in_place(path, digest):
                    if self._memory.still_ours(path) or not _holds(path, digest):
                        self._write(digest, path)
                    fresh.append((path, digest))
                size += os.lstat(path).st_size
            except OSError as error:
                raise write_failed(f"{path} cannot be written", path, error) from error
        self._memory.note_placed(fresh)
        return size

    def _write(self, digest: Digest, path: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temp, ahead = _beside(path), self._ahead.get(path)
        if ahead is None or not ahead.holds(digest):
            if os.path.lexists(temp):
                os.unlink(temp)
            self._blobs.copy_out(digest, temp)
        if os.path.isdir(path) and not os.path.islink(path):
            os.unlink(temp)
            raise StoreError(f"{path} is a folder, but a file is to be put there", hint="Move it away and run again.")
        os.replace(temp, path)

    def _remove_others(self, base: str, wanted: dict[str, Digest]) -> None:
        gone = [path for path in self._memory.placed_below(base) if path not in wanted]
        for path in gone:
            if self._memory.still_ours(path):
                os.unlink(path)
        self._memory.forget_placed(gone)


def _beside(path: str) -> str:
    """Where a file is written before it is put at `path`: one name, so that what a killed run left is found again."""
    folder, name = os.path.split(path)
    return f"{folder}{os.sep}.{name}{TEMP_SUFFIX}"


def _holds(path: str, digest: Digest) -> bool:
    """Whether a file that we know nothing of happens to be right, as in a project that was moved."""
    try:
        return S_ISREG(os.lstat(path).st_mode) and digest_file(path) == digest
    except OSError:
        return False
