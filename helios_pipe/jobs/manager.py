"""Jobs submitted, watched and steered from Python. Knows nothing of how a job is executed, or where its record is kept.

submit ──▶ pending ──▶ running ──▶ completed | failed
                          │  ▲
          pause, cancel   ▼  │   resume
                    paused, cancelled, interrupted (its process died)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from helios_pipe.errors import LockedError, UsageError
from helios_pipe.job_ports import JobExecutionOptions, JobRepository, SpecExecutor
from helios_pipe.job_status import CorruptRecordError, JobState, JobStatus, check_job_id
from helios_pipe.jobs.assets import remove_assets
from helios_pipe.jobs.background import Work
from helios_pipe.jobs.keeping import options_of, plain_options
from helios_pipe.jobs.lock import JobLock, record_lock
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.ports import ArtifactStorage

REPOSITORY_FILE = "jobs.v1.sqlite"
_END_S = 60.0
_PENDING_MS = 10_000
"""A job of another process that is pending for longer than this, with nobody at it, will not begin any more."""


class JobManager:
    """Submits job specs to an executor, each in a thread of its own, and keeps their records in a repository (by default an
    SQLite file in the executor's cache). Thread-safe. Processes that share repository and cache see, pause, resume and
    cancel each other's jobs; the command line does so, too.

    As a context manager it waits for its jobs at the end, and cancels them where the block raised."""

    def __init__(
        self,
        repository: JobRepository | None,
        executor: SpecExecutor,
        storage: ArtifactStorage | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if repository is None:
            from helios_pipe.jobs.sqlite import SqliteJobRepository

            repository = SqliteJobRepository(executor.cache_of(JobExecutionOptions()) / REPOSITORY_FILE)
        self._repository = repository
        self._executor = executor
        self._storage = storage
        self._clock = clock
        self._lock = Lock()
        self._mine: dict[str, Work] = {}
        self._asked: dict[str, JobExecutionOptions] = {}

    # -- the verbs ------------------------------------------------------------------------------------------------

    def submit_job(self, spec: JobSpec | Mapping[str, Any], options: JobExecutionOptions | None = None) -> str:
        """Begin a job in the background and return its id at once: the spec's own, or a new one. Raises what is wrong with
        the spec or the options, and UsageError where there is a job of that id."""
        spec = spec if isinstance(spec, JobSpec) else JobSpec.from_dict(spec)
        options = options or JobExecutionOptions()
        job_id = check_job_id(spec.id) if spec.id is not None else f"job-{os.urandom(6).hex()}"
        spec = replace(spec, id=job_id)
        self._executor.check(spec, options)
        now = self._now()
        status = JobStatus(
            job_id, spec, created_at=now, updated_at=now, total_chunks=len(spec.chunks), options=plain_options(options)
        )
        with self._lock:
            if job_id in self._mine or self._is_there(job_id):
                raise UsageError(f"there is a job {job_id!r} already", hint="Resume it, or delete it first.")
            self._repository.save(status)
            self._begin(status, options)
        return job_id

    def get_job(self, job_id: str) -> JobStatus | None:
        """How a job stands; None where there is none. Raises CorruptRecordError."""
        status = self._repository.get(job_id)
        return None if status is None else self._as_seen(status)

    def list_jobs(self) -> list[JobStatus]:
        """All jobs, the newest first."""
        return [self._as_seen(status) for status in self._repository.list()]

    def pause_job(self, job_id: str, *, now: bool = False) -> None:
        """Let a job stop when what runs is finished; with `now`, end that too. Returns at once: `wait` tells when it has
        stopped. Raises UsageError where it is neither pending nor running (or paused already)."""
        status = self._known(job_id)
        if status.state is JobState.PAUSED:
            return
        if status.state.over:
            raise UsageError(f"job {job_id} does not run: it is {status.state}")
        work = self._work(job_id)
        if work is not None:
            work.control.pause(now=now)
        else:
            self._ask(status, "pause now" if now else "pause")

    def resume_job(self, job_id: str, options: JobExecutionOptions | None = None) -> None:
        """Go on with a job that was paused, failed, was cancelled, or whose process died, in the background. What was
        finished is not made again. `options` take the place of those it had; callbacks and adapters are only remembered
        within one process. A pause that has not come about yet is taken back. Raises what is wrong with the options."""
        status = self._known(job_id)
        if options is not None:
            self._executor.check(status.spec, options)
        work = self._work(job_id)
        if work is not None and options is None and not work.control.is_set() and not work.control.at_once:
            work.control.resume()
            return
        if work is not None:
            status = self.wait(job_id)
        if not status.state.over:
            self._ask(status, "resume")
        elif status.state is not JobState.COMPLETED:
            with self._lock:
                if job_id not in self._mine:
                    self._begin(status, options or self._asked.get(job_id) or options_of(status))

    def cancel_job(self, job_id: str) -> None:
        """End a job; what was finished stays in the cache. One that nothing is at, because it was paused, failed or its process
        died, is cancelled from now on, and its record still says why it failed; one that is completed or cancelled stays as it
        is. Returns at once: `wait` tells when it has ended."""
        status = self._known(job_id)
        work = self._work(job_id)
        if work is not None:
            work.control.set()
        elif not status.state.over:
            self._ask(status, "cancel")
        elif status.state not in (JobState.COMPLETED, JobState.CANCELLED):
            self._keep(job_id, lambda s: s.replace(state=JobState.CANCELLED))

    def delete_job(self, job_id: str) -> None:
        """Cancel a job where it runs, wait for its end, and remove its record, its part of the journal and what a storage has
        of it. What it made stays. No error where there is none. Raises LockedError where its process does not end."""
        check_job_id(job_id)
        try:
            status = self._repository.get(job_id)
        except CorruptRecordError:
            self._repository.delete(job_id)
            return
        if status is None:
            return
        if not self._as_seen(status).state.over:
            self.cancel_job(job_id)
            if not self.wait(job_id, _END_S).state.over:
                raise LockedError(f"job {job_id} does not end: its process is busy")
        if self._storage is not None:
            remove_assets(self._storage, status)
        self._repository.delete(job_id)
        self._forget_runs(status)

    def wait(self, job_id: str, timeout: float | None = None) -> JobStatus:
        """How a job stands when nothing is at it any more, or after so many seconds. Raises UsageError where there is none."""
        until = None if timeout is None else time.monotonic() + timeout
        work = self._work(job_id)
        if work is not None:
            work.over.wait(timeout)
        while not (status := self._known(job_id)).state.over:
            if until is not None and time.monotonic() >= until:
                break
            time.sleep(0.05)
        return status

    def close(self) -> None:
        """Wait for all jobs of this manager."""
        for work in list(self._mine.values()):
            work.thread.join()

    def __enter__(self) -> JobManager:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is not None:
            for work in list(self._mine.values()):
                work.control.set()
        self.close()

    # -- what they are made of ------------------------------------------------------------------------------------

    def _begin(self, status: JobStatus, options: JobExecutionOptions) -> None:
        self._asked[status.id] = options
        work = Work(status, options, self._executor, self._repository, self._storage, self._clock)
        self._mine[status.id] = work
        work.start(lambda: self._end(status.id))

    def _end(self, job_id: str) -> None:
        self._mine.pop(job_id, None)

    def _work(self, job_id: str) -> Work | None:
        return self._mine.get(job_id)

    def _now(self) -> int:
        return round(self._clock() * 1000)

    def _is_there(self, job_id: str) -> bool:
        try:
            return self._repository.get(job_id) is not None
        except CorruptRecordError:
            return True

    def _known(self, job_id: str) -> JobStatus:
        status = self.get_job(job_id)
        if status is None:
            raise UsageError(f"there is no job {job_id!r}{self._nearest(job_id)}")
        return status

    def _nearest(self, job_id: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(job_id, [status.id for status in self._repository.list()], n=1, cutoff=0.5)
        return f"; did you mean {near[0]!r}?" if near else ""

    def _keep(self, job_id: str, change: Callable[[JobStatus], JobStatus]) -> None:
        now = self._now()
        self._repository.update(job_id, lambda s: change(s).replace(updated_at=max(now, s.updated_at)))

    def _as_seen(self, status: JobStatus) -> JobStatus:
        """A record that says that somebody is at the job is only true while somebody is."""
        if status.state.over or status.id in self._mine or self._held(status):
            return status
        again = self._repository.get(status.id)  # it may have ended between the two looks
        if again is None or again.state.over or status.id in self._mine:
            return again or status
        if again.state is JobState.PENDING and self._now() - again.updated_at < _PENDING_MS:
            return again
        return again.replace(state=JobState.INTERRUPTED)

    def _held(self, status: JobStatus) -> bool:
        """Whether a process runs it, or is about to write down how that ended."""
        cache = self._cache_of(status)
        return JobLock(cache, status.id).held() or record_lock(cache, status.id).held()

    def _cache_of(self, status: JobStatus) -> Path:
        return self._executor.cache_of(options_of(status))

    def _ask(self, status: JobStatus, verb: str) -> None:
        """The job is another process's: tell it by way of the journal that it looks into."""
        from helios_pipe.jobs.board import Board

        board = Board(self._cache_of(status))
        try:
            board.ask(status.id, verb)
        finally:
            board.close()

    def _forget_runs(self, status: JobStatus) -> None:
        from helios_pipe.cache.folders import DATABASE
        from helios_pipe.jobs.board import Board

        cache = self._cache_of(status)
        if (cache / DATABASE).exists():
            board = Board(cache)
            try:
                board.delete(status.id)
            finally:
                board.close()
