"""Records of jobs as JSON files, one a job, for people and other programs to read. Knows nothing of what runs them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from helios_pipe.errors import StoreError
from helios_pipe.job_status import CorruptRecordError, JobStatus, check_job_id
from helios_pipe.jobs.records import from_text, newest_first, same_job, to_text, warn_of

_SUFFIX = ".json"


class FileJobRepository:
    """A JobRepository in a folder: `<id>.json`, replaced by rename. Processes may share it, on one machine."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)

    def save(self, status: JobStatus) -> None:
        """See JobRepository."""
        path = self._path(status.id)
        with self._locked():
            self._write(path, to_text(status))

    def get(self, job_id: str) -> JobStatus | None:
        """See JobRepository."""
        return self._read(self._path(job_id), job_id)

    def list(self) -> list[JobStatus]:
        """See JobRepository."""
        found: list[JobStatus] = []
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be read: {error.strerror}") from error
        for name in names:
            if name.startswith(".") or not name.endswith(_SUFFIX):
                continue
            try:
                status = self._read(self._folder / name, name.removesuffix(_SUFFIX))
            except (CorruptRecordError, StoreError) as error:
                warn_of(error)
                continue
            if status is not None:
                found.append(status)
        return newest_first(found)

    def delete(self, job_id: str) -> None:
        """See JobRepository."""
        path = self._path(job_id)
        with self._locked():
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{path} cannot be removed: {error.strerror}") from error

    def update(self, job_id: str, change: Callable[[JobStatus], JobStatus]) -> JobStatus | None:
        """See JobRepository."""
        path = self._path(job_id)
        with self._locked():
            status = self._read(path, job_id)
            if status is None:
                return None
            changed = same_job(status, change(status))
            self._write(path, to_text(changed))
            return changed

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{check_job_id(job_id)}{_SUFFIX}"

    def _read(self, path: Path, job_id: str) -> JobStatus | None:
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        return from_text(text, job_id, str(path))

    def _write(self, path: Path, text: str) -> None:
        """By way of a temporary file on disk: after a crash the record is the old one or the new one."""
        temp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(temp, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temp, path)
        except OSError as error:
            temp.unlink(missing_ok=True)
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over threads and processes; the kernel lets go of it when a process dies."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
