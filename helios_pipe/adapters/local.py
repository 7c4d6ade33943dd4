"""Runs commands on this machine. Knows nothing of what they are for."""

from __future__ import annotations

from helios_pipe.ports import Capabilities, WorkerJob, WorkerResult
from helios_pipe.settings import default_concurrency
from helios_pipe.worker.process import run_process


class LocalWorkerAdapter:
    """A WorkerAdapter that starts a process for each job and ends what it leaves: told to end, it has `grace_s` seconds,
    then it is killed with all that it started."""

    def __init__(self, concurrency: int | None = None, grace_s: float = 5.0) -> None:
        self.capabilities = Capabilities(concurrency=concurrency or default_concurrency(), tells_start=True)
        self._grace_s = grace_s

    def execute(self, job: WorkerJob) -> WorkerResult:
        """See WorkerAdapter."""
        return run_process(job, grace_s=self._grace_s)
