"""One run of a job at a time: a lock that dies with its holder. Knows nothing of what the job does."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from helios_pipe.errors import LockedError, StoreError

_TICK_S = 0.05
_LOOK_S = 0.001
_MOST_LOOKS = 3000
"""Whoever looks whether the lock is held shares it for some microseconds: that is no reason to be turned away, unless it was
stopped just then."""


def record_lock(folder: Path, job: str) -> JobLock:
    """Held by whoever will write into a job's record how it ended: from before its run until after that."""
    return JobLock(folder, job, "record")


class JobLock:
    """An flock on one job's file. The kernel lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path, job: str, of: str = "lock") -> None:
        """`of` sets locks of one job apart."""
        self._path = folder / "locks" / f"{job}.{of}"
        self._job = job
        self._descriptor: int | None = None

    def acquire(
        self, *, wait: bool, on_wait: Callable[[str], None], give_up: Callable[[], bool] = lambda: False
    ) -> bool:
        """Take the lock. Where another process holds it: raise LockedError, or wait, after `on_wait` was told who. False
        where `give_up`, asked several times a second meanwhile, says so."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"the lock {self._path} cannot be made: {error.strerror}",
                hint="Give another cache folder with --cache-dir or HELIOS_PIPE_CACHE_DIR.",
            ) from error
        try:
            taken = self._take(descriptor, wait=wait, on_wait=on_wait, give_up=give_up)
            if taken:
                self._sign(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if taken:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return taken

    def _take(
        self, descriptor: int, *, wait: bool, on_wait: Callable[[str], None], give_up: Callable[[], bool]
    ) -> bool:
        for _ in range(_MOST_LOOKS):
            if _lock(descriptor, fcntl.LOCK_EX):
                return True
            if not _lock(descriptor, fcntl.LOCK_SH):
                break  # somebody has it alone: a run
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(_LOOK_S)
        text = f"another run holds job {self._job} (process {self.holder() or 'unknown'})"
        if not wait:
            raise LockedError(text, hint="Leave out --no-wait to wait for it.")
        on_wait(text)
        while not _lock(descriptor, fcntl.LOCK_EX):
            if give_up():
                return False
            time.sleep(_TICK_S)
        return True

    def _sign(self, descriptor: int) -> None:
        """Write down who holds it: for people only, so that a full disk is no reason to stop."""
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except OSError:
            pass

    def held(self) -> bool:
        """Whether some process holds the lock now."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def holder(self) -> int | None:
        """The process that took the lock last."""
        try:
            return int(self._path.read_bytes()[:32])
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Let go. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
