"""Blobs in a folder, on this machine or on a network share. Needs nothing of the file system but atomic renames.

ROOT/cas/ab/abcdef…   blobs, read-only
ROOT/tmp/…            what is being written; never read
ROOT/<name>           other objects under their names
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from helios_pipe.digest import Digest
from helios_pipe.errors import BlobDamagedError, BlobMissingError, StoreError
from helios_pipe.stores.naming import CAS, blob_name, blob_of, check_name, check_new_name, check_prefix
from helios_pipe.transfer import copy_file

_TEMP = "tmp"
_ABANDONED_S = 7 * 24 * 3600.0


class LocalStore:
    """A BlobStore in the folder `root`, which is made when first written to. Threads, processes and machines may share it."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self.url = self.root.as_uri()
        self._serial = count()

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return {digest for digest in digests if not os.path.exists(self._path(blob_name(digest)))}

    def put(self, digest: Digest, source: Path) -> None:
        target = self._path(blob_name(digest))
        if _same_size(source, target):
            return
        temp = self._temp()
        try:
            found = copy_file(str(source), temp)
            if found != digest:
                raise BlobDamagedError(f"{source} has digest {found}, expected {digest}")
            os.chmod(temp, 0o444)
            _move(temp, target)
        except OSError as error:
            raise StoreError(f"{source} cannot be stored as {target}: {error.strerror}") from error
        finally:
            Path(temp).unlink(missing_ok=True)

    def get(self, digest: Digest, target: Path) -> None:
        path, temp = self._path(blob_name(digest)), f"{target}.part-{os.getpid()}-{next(self._serial)}"
        try:
            if copy_file(path, temp) != digest:
                _discard(path)  # so that the next put heals it
                raise BlobDamagedError(f"blob {digest} is damaged in {self.url}", digest=digest)
            os.replace(temp, target)
        except OSError as error:
            if not os.path.exists(path):
                raise BlobMissingError(f"blob {digest} is not in {self.url}", digest=digest) from error
            raise StoreError(f"{path} cannot be copied to {target}: {error.strerror}") from error
        finally:
            Path(temp).unlink(missing_ok=True)

    def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        target, temp = self._path(check_new_name(name)), self._temp()
        try:
            Path(temp).write_bytes(data)
            if not if_absent:
                _move(temp, target)
                return True
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.link(temp, target)  # the one way to create a name with its content, or not at all
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{target} cannot be written: {error.strerror}") from error
        finally:
            Path(temp).unlink(missing_ok=True)
        return True

    def get_object(self, name: str) -> bytes | None:
        path = self._path(check_name(name))
        try:
            return Path(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error

    def delete_object(self, name: str) -> None:
        path = self._path(check_name(name))
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise StoreError(f"{path} cannot be deleted: {error.strerror}") from error

    def list_objects(self, prefix: str) -> list[str]:
        folder = check_prefix(prefix).rpartition("/")[0]
        top = self.root / folder
        found = (self._name(path) for path in _files_below(str(top)))
        return sorted(name for name in found if name.startswith(prefix) and not name.startswith(f"{_TEMP}/"))

    def sweep(self, older_than_s: float = _ABANDONED_S) -> None:
        """Remove temporary files that a killed process left behind."""
        for path in _files_below(str(self.root / _TEMP)):
            try:
                if time.time() - os.stat(path).st_mtime > older_than_s:
                    os.unlink(path)
            except OSError:
                continue  # its writer was quicker

    def _path(self, name: str) -> str:
        digest = blob_of(name)
        if digest is not None:
            return f"{self.root}/{CAS}{digest[:2]}/{digest}"
        if name.partition("/")[0] == _TEMP:
            raise StoreError(f"{name!r} is kept for files that are being written")
        return f"{self.root}/{name}"

    def _name(self, path: str) -> str:
        name = os.path.relpath(path, self.root)
        return CAS + os.path.basename(name) if name.startswith(CAS) else name

    def _temp(self) -> str:
        folder = self.root / _TEMP
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be made: {error.strerror}") from error
        return f"{folder}/{os.uname().nodename}-{os.getpid()}-{next(self._serial)}-{os.urandom(4).hex()}"


def _same_size(source: Path, target: str) -> bool:
    try:
        there = os.stat(target).st_size
    except OSError:
        return False
    try:
        return there == os.stat(source).st_size
    except OSError:
        return True  # what is there already needs no source


def _move(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.rename(source, target)


def _discard(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # gone already, or not ours to remove


def _files_below(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(parent, name)
