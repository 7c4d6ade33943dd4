"""Records of jobs in memory: gone with the process. Knows nothing of what runs them."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from helios_pipe.job_status import JobStatus, check_job_id
from helios_pipe.jobs.records import newest_first, same_job


class InMemoryJobRepository:
    """A JobRepository for tests and for programs that need none."""

    def __init__(self) -> None:
        self._records: dict[str, JobStatus] = {}
        self._lock = RLock()

    def save(self, status: JobStatus) -> None:
        """See JobRepository."""
        with self._lock:
            self._records[check_job_id(status.id)] = status

    def get(self, job_id: str) -> JobStatus | None:
        """See JobRepository."""
        with self._lock:
            return self._records.get(check_job_id(job_id))

    def list(self) -> list[JobStatus]:
        """See JobRepository."""
        with self._lock:
            return newest_first(self._records.values())

    def delete(self, job_id: str) -> None:
        """See JobRepository."""
        with self._lock:
            self._records.pop(check_job_id(job_id), None)

    def update(self, job_id: str, change: Callable[[JobStatus], JobStatus]) -> JobStatus | None:
        """See JobRepository."""
        with self._lock:
            status = self.get(job_id)
            if status is None:
                return None
            changed = same_job(status, change(status))
            self._records[job_id] = changed
            return changed
