"""Blobs by the digest of their content, in a folder. Knows nothing of what made them or who asks for them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from helios_pipe.action.model import Entry, Tree
from helios_pipe.cache.folders import BLOBS, blob_path
from helios_pipe.cache.marks import Mark, mark_of
from helios_pipe.cache.moving import move_to_new
from helios_pipe.digest import Digest, digest_bytes, digest_file, digest_open, read_canonical
from helios_pipe.errors import BlobDamagedError, BlobMissingError, OutputError, StoreError
from helios_pipe.transfer import copy_file, same_bytes, write_failed
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    Taken = TypeVar("Taken")


class Blob(NamedTuple):
    """A blob that is here: the digest of its content (a folder's is that of its tree), and its file's mark."""

    digest: Digest
    mark: Mark
    folder: bool = False


class Blobs:
    """The content-addressed store of one cache folder: `cas/ab/abcdef…`.

    A blob appears whole, by rename, and read-only; one that is there already stays, for somebody may be reading it. Threads
    and processes may use one folder freely. Bytes are checked whenever they are consumed; `durable` also asks the disk for
    them before a blob counts as there.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder / BLOBS
        self._cache = str(folder)
        self._temp = folder / "tmp"
        self._durable = durable
        self._serial = count()

    def path(self, digest: str) -> str:
        """Where the blob is, or would be."""
        return blob_path(self._cache, digest)

    def locate(self, digest: Digest) -> Path:
        """Where the blob is. Raises BlobMissingError."""
        path = self.path(digest)
        if not os.path.exists(path):
            raise BlobMissingError(f"blob {digest} is not in {self.folder}")
        return Path(path)

    def adopt(self, source: str | Path, expected: Digest | None = None) -> Blob:
        """Take the file `source` in: it is moved, not copied, where the file system allows. Nothing may write to it any
        more. Raises BlobDamagedError where its digest is not `expected`, StoreError where it cannot be stored."""
        path = str(source)
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            seen = os.fstat(file)
            if seen.st_nlink != 1:  # somebody else can write to it by its other name
                return self._copied_here(path, lambda copy: self.adopt(copy, expected))
            digest = digest_open(file, seen.st_size)
            if expected is not None and digest != expected:
                raise BlobDamagedError(f"{source} has digest {digest}, expected {expected}")
            return Blob(digest, self._move_in(path, digest, file, seen))
        finally:
            os.close(file)

    def adopt_read(self, source: Path, digest: Digest) -> Blob:
        """The same for a file of our own that was just read to its end, which is where `digest` comes from."""
        return Blob(digest, self._move_in(str(source), digest))

    def adopt_folder(self, folder: str | Path) -> Blob:
        """Take a folder's files in, and the tree that names them. Raises OutputError on anything but files and folders."""
        entries = []
        for path in _files_below(str(folder)):
            executable = bool(os.stat(path).st_mode & 0o100)
            blob = self.adopt(path)
            entries.append(
                Entry(os.path.relpath(path, folder).replace(os.sep, "/"), blob.digest, blob.mark.size, executable)
            )
        return self.put_bytes(Tree.of(entries).data)._replace(folder=True)

    def put_bytes(self, data: bytes) -> Blob:
        """Store `data`."""
        digest = digest_bytes(data)
        temp = self.temp_path()
        with _removed_on_failure(temp):
            try:
                with open(temp, "wb") as file:
                    file.write(data)
            except OSError as error:
                raise write_failed(f"a blob cannot be written to {temp}", temp, error, len(data)) from error
            return Blob(digest, self._move_in(temp, digest))

    def temp_path(self) -> str:
        """A fresh name in the file system of the blobs, for a file that will be adopted or given up."""
        try:
            self._temp.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_failed(f"{self._temp} cannot be made", self._temp, error) from error
        return f"{self._temp}{os.sep}{os.getpid()}-{next(self._serial)}-{os.urandom(4).hex()}"

    def tree(self, digest: Digest) -> Tree:
        """The tree that is stored under `digest`, its bytes checked. Raises BlobMissingError, BlobDamagedError."""
        path = self.path(digest)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise BlobMissingError(f"blob {digest} is not in {self.folder}") from error
        if digest_bytes(data) != digest:
            raise BlobDamagedError(f"blob {digest} is damaged")
        return Tree.of(
            Entry(p, Digest(e["sha256"]), e["size"], e["mode"] == 0o755) for p, e in read_canonical(data).items()
        )

    def mark(self, digest: str) -> Mark | None:
        """How the blob's file looks now; None where there is none."""
        look = mark_of(self.path(digest))
        return None if look is None else Mark(*look)

    def intact(self, digest: Digest, *, folder: bool = False) -> bool:
        """Whether the bytes are there and right, read in full; a tree's files too. What is damaged is removed."""
        try:
            if digest_file(self.path(digest)) == digest:
                return not folder or self._all_intact(self.tree(digest))
        except OSError:
            return False
        self.discard(digest)
        return False

    def _all_intact(self, tree: Tree) -> bool:
        states = [self.intact(entry.digest) for entry in tree.entries]  # each one, so that all damage is found at once
        return all(states)

    def members_present(self, digest: Digest) -> bool:
        """Whether a tree's files are all there with their sizes."""
        try:
            entries = self.tree(digest).entries
            return all(os.stat(self.path(entry.digest)).st_size == entry.size for entry in entries)
        except (OSError, BlobMissingError, BlobDamagedError):
            return False

    def discard(self, digest: Digest) -> None:
        """Remove the blob; no error where there is none."""
        try:
            os.unlink(self.path(digest))
        except FileNotFoundError:
            pass

    def copy_out(self, digest: Digest, target: str) -> None:
        """Write the blob's bytes to the new file `target`, checked. Raises BlobMissingError, BlobDamagedError, StoreError;
        then `target` is not there."""
        try:
            found = copy_file(self.path(digest), target)
        except FileNotFoundError as error:
            if not os.path.exists(self.path(digest)):
                raise BlobMissingError(f"blob {digest} is not in {self.folder}") from error
            raise StoreError(f"{target} cannot be written: {error}") from error
        except OSError as error:
            raise write_failed(f"{target} cannot be written", target, error, _size(self.path(digest))) from error
        if found != digest:
            os.unlink(target)
            self.discard(digest)
            raise BlobDamagedError(f"blob {digest} is damaged: its bytes have digest {found}")

    def _move_in(
        self, source: str, digest: Digest, file: int | None = None, seen: os.stat_result | None = None
    ) -> Mark:
        """Give it its name. `file` is the source where it is open, and `seen` how that looked."""
        target = self.path(digest)
        try:
            os.chmod(source if file is None else file, 0o444)
            stat = seen or os.stat(source)
            if self._durable:
                _sync(source)
            if not _moved(source, target):
                if (stays := self._stays(target, source)) is not None:
                    return stays
                os.rename(source, target)
            if self._durable:
                _sync(os.path.dirname(target))
        except OSError as error:
            if error.errno == 18:  # EXDEV: another file system; copy, then try again from here
                if (stays := self._stays(target, source)) is not None:
                    return stays
                return self._copied_here(source, lambda copy: self._move_in(copy, digest))
            raise write_failed(f"{source} cannot be stored as {target}", target, error) from error
        return Mark(stat.st_size, stat.st_mtime_ns, stat.st_ino)

    def _stays(self, target: str, source: str) -> Mark | None:
        """The mark of the blob that is there already, where its bytes are those of `source`, which is removed then; None where it
        is not there, or has to be replaced."""
        there = mark_of(target)
        try:
            if there is None or not same_bytes(target, source):  # takes a third of the time of hashing them
                return None
            os.chmod(target, 0o444)  # it counts as made now (ctime): see gc
            if self._durable:
                _sync(target)
                _sync(os.path.dirname(target))
        except OSError:
            return None
        _unlink(source)
        return Mark(*there)

    def _copied_here(self, source: str, take: Callable[[str], Taken]) -> Taken:
        """What `take` makes of a copy in the file system of the blobs; the source is removed then. Raises what `take` raises: the
        source stays, and no copy of it."""
        temp = self.temp_path()
        with _removed_on_failure(temp):
            try:
                copy_file(source, temp)
                taken = take(temp)
                os.unlink(source)
            except OSError as error:
                raise write_failed(f"{source} cannot be copied to {temp}", temp, error, _size(source)) from error
            return taken

    def sweep(self, older_than_s: float, now: float) -> None:
        """Remove temporary files that a killed process left: those untouched for `older_than_s` before `now`."""
        if not self._temp.is_dir():
            return
        import shutil  # it loads every way to compress

        for entry in os.scandir(self._temp):
            try:
                if now - entry.stat(follow_symlinks=False).st_mtime > older_than_s:
                    shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
            except OSError:
                continue  # another process was quicker


def _moved(source: str, target: str) -> bool:
    """Whether nothing had that name yet. Raises OSError."""
    try:
        return move_to_new(source, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        return move_to_new(source, target)


def _files_below(folder: str) -> list[str]:
    found: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
            raise OutputError(
                f"{entry.path} is neither a file nor a folder", hint="An output folder holds plain files."
            )
        found += _files_below(entry.path) if entry.is_dir() else [entry.path]
    return found


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


@contextmanager
def _removed_on_failure(path: str) -> Iterator[None]:
    """The file is gone where the block is left by an exception, an interrupt too."""
    try:
        yield
    except BaseException:
        _unlink(path)
        raise


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
