"""Blobs that a worker keeps from one request to the next, by digest, within a limit. Knows nothing of what they are for."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from helios_pipe.action.model import Entry
from helios_pipe.digest import Digest, is_digest
from helios_pipe.errors import AdapterError, UnusableError
from helios_pipe.ports import BlobStore

_AT_ONCE = 16
"""Blobs fetched at once."""


class WarmBlobs:
    """Blobs in a folder, fetched from `store` when first held, kept until the room is needed. Thread-safe: one that two
    requests want is fetched once. What an earlier process left in the folder is taken over; its bytes are checked when they
    are used, as all are."""

    def __init__(self, folder: Path, store: BlobStore, limit_bytes: int) -> None:
        self._folder = folder
        self._store = store
        self._limit = limit_bytes
        self._lock = Lock()
        self._kept: dict[Digest, _Kept] = {}
        self._taken = 0
        folder.mkdir(parents=True, exist_ok=True)
        for item in os.scandir(folder):
            if is_digest(item.name):
                self._keep(Digest(item.name), item.stat().st_size).arrived.set_result(None)
            else:
                os.unlink(item.path)  # it was being fetched when the process ended

    def locate(self, digest: Digest) -> Path:
        """Where the blob is. Only what is held is certain to be there."""
        return self._folder / digest

    @contextmanager
    def hold(self, entries: Iterable[Entry]) -> Iterator[None]:
        """Have all of `entries` here for as long as the block runs. Raises AdapterError where they are more than the limit,
        and what the store raises."""
        wanted = {entry.digest: entry.size for entry in entries}
        held, missing = self._claim(wanted)
        try:
            self._fetch({digest: held[digest] for digest in missing})
            for kept in held.values():
                kept.arrived.result()
            yield
        finally:
            self._release(held)

    def discard(self, digest: Digest) -> None:
        """Forget a blob that turned out damaged, so that it is fetched anew."""
        with self._lock:
            kept = self._kept.pop(digest, None)
            if kept is not None:
                self._taken -= kept.size
                self.locate(digest).unlink(missing_ok=True)

    def _claim(self, wanted: dict[Digest, int]) -> tuple[dict[Digest, _Kept], list[Digest]]:
        """Mark them as used, make room, and say which ones the caller must fetch."""
        with self._lock:
            missing = [digest for digest in wanted if digest not in self._kept]
            self._make_room(sum(wanted[digest] for digest in missing), wanted)
            for digest in missing:
                self._keep(digest, wanted[digest])
            held = {digest: self._kept[digest] for digest in wanted}
            for kept in held.values():
                kept.users += 1
        return held, missing

    def _make_room(self, size: int, wanted: dict[Digest, int]) -> None:
        idle = sorted((k.used_at, d) for d, k in self._kept.items() if not k.users and d not in wanted)
        for _, digest in idle:
            if self._taken + size <= self._limit:
                return
            self._taken -= self._kept.pop(digest).size
            self.locate(digest).unlink(missing_ok=True)
        if self._taken + size > self._limit:
            raise AdapterError(
                f"the inputs take {sum(wanted.values()) >> 20} MiB, and this worker keeps {self._limit >> 20} MiB at most"
                f" ({self._taken >> 20} MiB are in use)",
                hint="Give the worker more room (Lambda: EphemeralStorage; Cloud Run: memory or a volume), or set"
                " HELIOS_PIPE_TMP_LIMIT_MB.",
            )

    def _keep(self, digest: Digest, size: int) -> _Kept:
        kept = self._kept[digest] = _Kept(size)
        self._taken += size
        return kept

    def _fetch(self, missing: dict[Digest, _Kept]) -> None:
        if not missing:
            return
        with ThreadPoolExecutor(min(_AT_ONCE, len(missing)), thread_name_prefix="fetch") as pool:
            list(pool.map(lambda item: self._fetch_one(*item), missing.items()))

    def _fetch_one(self, digest: Digest, kept: _Kept) -> None:
        target = self.locate(digest)
        try:
            self._store.get(digest, target)
            if target.stat().st_size != kept.size:
                raise AdapterError(f"blob {digest} has {target.stat().st_size} bytes, and its tree says {kept.size}")
        except BaseException as error:
            kept.arrived.set_exception(error)
            raise
        kept.arrived.set_result(None)

    def _release(self, held: dict[Digest, _Kept]) -> None:
        with self._lock:
            for digest, kept in held.items():
                kept.users -= 1
                kept.used_at = time.monotonic()
                if not kept.here and self._kept.get(digest) is kept:
                    self._taken -= self._kept.pop(digest).size


class _Kept:
    """One blob: its size, who uses it, and whether it is here yet."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.users = 0
        self.used_at = 0.0
        self.arrived: Future[None] = Future()

    @property
    def here(self) -> bool:
        return self.arrived.done() and self.arrived.exception() is None


def room(folder: Path) -> int:
    """Half of what is free where `folder` is, in bytes: the other half is for stages and outputs. Raises UnusableError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(folder).free // 2
    except OSError as error:
        raise UnusableError(f"the worker's folder {folder} cannot be used: {error.strerror}") from error
