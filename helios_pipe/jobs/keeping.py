"""A job's record, kept up to date while the job is made: one writer, not more often than it can be afforded."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from helios_pipe.errors import HeliosPipeError, StoreError, UsageError
from helios_pipe.job_ports import JobExecutionOptions, JobProgress, JobRepository, JobResult
from helios_pipe.job_status import ChunkLog, JobState, JobStatus
from helios_pipe.ports import WorkerResult

_EVERY_S = 0.5
_SHARE = 20
"""Keeping a record may take one part in so many of the time."""
_LOG_BYTES = 2_000_000
_MOST_LOG, _LEAST_LOG = 4000, 200
"""Characters of each stream that a record has of a chunk: fewer where there are many chunks."""
_TRIES = 5
_NOTHING = ChunkLog()

_PLAIN = {
    "concurrency": "concurrency", "merge": "merge", "retries": "retries", "retryDelay": "retry_delay",
    "keepGoing": "keep_going", "timeout": "timeout", "stallTimeout": "stall_timeout", "deadline": "deadline",
}  # fmt: skip
_PATHS = {"jobDir": "job_dir", "outputFile": "output_file"}


def plain_options(options: JobExecutionOptions) -> dict[str, Any]:
    """The options that can be written down, so that another process can go on with the job."""
    found = {theirs: getattr(options, ours) for theirs, ours in _PLAIN.items()}
    found["jobDir"] = os.path.abspath(options.job_dir or ".")
    if options.output_file is not None:
        found["outputFile"] = os.fspath(options.output_file)
    found["completedChunkIds"] = sorted(options.completed_chunk_ids)
    return {key: value for key, value in found.items() if value is not None}


def options_of(status: JobStatus) -> JobExecutionOptions:
    """The options that a record holds. Raises UsageError where it holds something else."""
    asked: dict[str, Any] = {
        ours: status.options[theirs] for theirs, ours in _PLAIN.items() if theirs in status.options
    }
    for theirs, ours in _PATHS.items():
        if theirs in status.options:
            if not isinstance(path := status.options[theirs], str):
                raise UsageError(f"the record of job {status.id} has {path!r} for {theirs}, expected a path")
            asked[ours] = Path(path)
    return JobExecutionOptions(completed_chunk_ids=tuple(status.options.get("completedChunkIds", ())), **asked)


class Keeper:
    """Keeps the record of one job. For the thread that executes it. A record that was deleted stays deleted."""

    def __init__(self, repository: JobRepository, status: JobStatus, clock: Callable[[], float]) -> None:
        self._repository = repository
        self._id = status.id
        self._clock = clock
        self._chunks = max(1, status.total_chunks)
        self._next = 0.0
        self._logs: dict[int, ChunkLog] = {}
        self._done: set[int] = set()
        self._progress = JobProgress(0, 1)

    def begin(self) -> bool:
        """The job is being executed now. False where its record is gone."""
        return self._keep(lambda s: s.replace(state=JobState.RUNNING, error=None, result=None)) is not None

    def placed(self, status: JobStatus) -> None:
        """The storage has the job's assets and its spec."""
        self._keep(lambda s: s.replace(spec=status.spec, job_spec_url=status.job_spec_url))

    def progress(self, progress: JobProgress) -> None:
        """The job is so far. Kept from time to time."""
        self._progress = progress
        began = time.monotonic()
        if began < self._next:
            return
        try:
            self._keep(self._with_progress)
        except HeliosPipeError as error:
            warnings.warn(f"the progress of job {self._id} was not kept: {error.message}", RuntimeWarning, stacklevel=2)
        self._next = began + max(_EVERY_S, _SHARE * (time.monotonic() - began))

    def chunk(self, chunk_id: int, result: WorkerResult) -> None:
        """A chunk is there."""
        self._done.add(chunk_id)
        self._log(chunk_id, result)

    def _log(self, chunk_id: int, result: WorkerResult) -> None:
        most = max(_LEAST_LOG, min(_MOST_LOG, _LOG_BYTES // (2 * self._chunks)))
        self._logs[chunk_id] = ChunkLog(result.stdout[-most:], result.stderr[-most:], result.duration_ms)

    def end(self, result: JobResult) -> None:
        """The job came to this."""
        error = "; ".join(result.reasons()) or None
        outputs = [{"path": str(o.path), "sha256": o.sha256, "size": o.size} for o in result.outputs]
        done = set(result.completed_chunk_ids)
        for chunk_id, failed in result.failed_chunks.items():
            self._log(chunk_id, failed)

        def change(status: JobStatus) -> JobStatus:
            complete = result.state is JobState.COMPLETED
            return self._with_progress(status).replace(
                state=result.state,
                completed_chunks=len(done),
                progress=1.0 if complete else status.progress,
                error=error,
                result=tuple(outputs) if complete else None,
                metrics={**status.metrics, **self._metrics(result)},
            )

        self._insist(change)

    def fail(self, error: BaseException) -> None:
        """The job could not be executed."""
        text = str(error) if isinstance(error, HeliosPipeError) else f"{type(error).__name__}: {error}"
        self._insist(lambda s: self._with_progress(s).replace(state=JobState.FAILED, error=text))

    def _with_progress(self, status: JobStatus) -> JobStatus:
        # Of a chunk that was found in the cache nothing is heard: what it printed when it was made stays.
        fresh = {chunk: log for chunk, log in self._logs.items() if log != _NOTHING or chunk not in status.chunk_logs}
        return status.replace(
            completed_chunks=len(self._done),
            progress=round(self._progress.fraction, 6),
            chunk_logs={**status.chunk_logs, **fresh},
        )

    def _metrics(self, result: JobResult) -> Mapping[str, Any]:
        took = [log.duration_ms for log in self._logs.values() if log.duration_ms]
        found: dict[str, Any] = {
            "totalDurationMs": round(result.duration_s * 1000),
            "executed": result.executed,
            "cached": result.cached,
        }
        if took:
            found |= {"averageChunkDurationMs": round(sum(took) / len(took)), "maxChunkDurationMs": max(took)}
        return found

    def _insist(self, change: Callable[[JobStatus], JobStatus]) -> None:
        """The end of a job is worth several tries: what failed once may be a disk that is full for a moment."""
        for attempt in range(1, _TRIES + 1):
            try:
                self._keep(change)
                return
            except StoreError as error:
                if attempt == _TRIES:
                    warnings.warn(
                        f"how job {self._id} ended was not kept: {error.message}", RuntimeWarning, stacklevel=2
                    )
                time.sleep(0.1 * 2**attempt)

    def _keep(self, change: Callable[[JobStatus], JobStatus]) -> JobStatus | None:
        """Clocks jump: a record is never older than it was."""
        now = round(self._clock() * 1000)
        return self._repository.update(self._id, lambda s: change(s).replace(updated_at=max(now, s.updated_at)))
