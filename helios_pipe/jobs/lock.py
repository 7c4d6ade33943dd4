"""One run of a job at a time: a lock that dies with its holder. Knows nothing of what the job does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from helios_pipe.errors import LockedError, StoreError


class JobLock:
    """An flock on one job's file. The kernel lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path, job: str) -> None:
        self._path = folder / "locks" / f"{job}.lock"
        self._job = job
        self._descriptor: int | None = None

    def acquire(self, *, wait: bool, on_wait: Callable[[str], None]) -> None:
        """Take the lock. Where another process holds it: wait, after `on_wait` was told who, or raise LockedError."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"the lock {self._path} cannot be made: {error.strerror}",
                hint="Give another cache folder with --cache-dir or HELIOS_PIPE_CACHE_DIR.",
            ) from error
        try:
            self._take(descriptor, wait=wait, on_wait=on_wait)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    def _take(self, descriptor: int, *, wait: bool, on_wait: Callable[[str], None]) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode() or "unknown"
            text = f"another run holds job {self._job} (process {holder})"
            if not wait:
                raise LockedError(text, hint="Leave out --no-wait to wait for it.") from error
            on_wait(text)
            fcntl.flock(descriptor, fcntl.LOCK_EX)

    def held_elsewhere(self) -> bool:
        """Whether some process holds the lock now."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def release(self) -> None:
        """Let go. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
