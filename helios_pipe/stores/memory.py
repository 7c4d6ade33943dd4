"""Blobs in this process's memory: for tests, and for what need not outlive a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from helios_pipe.digest import Digest
from helios_pipe.errors import BlobMissingError
from helios_pipe.stores.files import Arrival, Departure
from helios_pipe.stores.naming import blob_name, check_name, check_new_name, check_prefix


class MemoryStore:
    """A BlobStore that is gone with the object."""

    def __init__(self, name: str = "") -> None:
        self.url = f"memory://{name}"
        self._objects: dict[str, bytes] = {}
        self._lock = Lock()

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return {digest for digest in digests if blob_name(digest) not in self._objects}

    def put(self, digest: Digest, source: Path) -> None:
        name = blob_name(digest)
        with Departure(source, digest) as file:
            if len(self._objects.get(name, ())) != file.size or not file.size:
                self._objects[name] = file.whole()

    def get(self, digest: Digest, target: Path) -> None:
        data = self._objects.get(blob_name(digest))
        if data is None:
            raise BlobMissingError(f"blob {digest} is not in {self.url}", digest=digest)
        with Arrival(target, digest) as file:
            file.write(data)
            if not file.whole:
                self.delete_object(blob_name(digest))  # so that the next put heals it
            file.finish()

    def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        check_new_name(name)
        with self._lock:
            if if_absent and name in self._objects:
                return False
            self._objects[name] = bytes(data)
        return True

    def get_object(self, name: str) -> bytes | None:
        return self._objects.get(check_name(name))

    def delete_object(self, name: str) -> None:
        self._objects.pop(check_name(name), None)

    def list_objects(self, prefix: str) -> list[str]:
        check_prefix(prefix)
        with self._lock:
            return sorted(name for name in self._objects if name.startswith(prefix))
