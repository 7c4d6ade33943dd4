"""Jobs as a Python program sees them: the values that are handed over and kept, and the Protocols around them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from helios_pipe.errors import HeliosPipeError
from helios_pipe.job_status import JobState, JobStatus
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.ports import ArtifactStorage, VideoStitcher, WorkerAdapter, WorkerResult


class JobFailedError(HeliosPipeError):
    """A job came to an end that is no success, and somebody insisted on one."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is: chunks (and a merge counts as one more), and the ids of those under way, in order."""

    completed: int
    total: int
    failed: int = 0
    running: tuple[int, ...] = ()

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return self.completed / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class JobOutput:
    """A file (or folder) that was made: its path, the SHA-256 of its bytes (of its tree), bytes."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job came to. `errors` says of each node that failed why, by name; `error` why the job as a whole could not go on,
    where that was not a node's fault; `warnings` what was odd besides, callbacks that raised among it. `failed_chunks` are the
    last attempts at chunks that failed, by id, with the ends of what they printed."""

    job_id: str
    state: JobState
    outputs: tuple[JobOutput, ...] = ()
    completed_chunk_ids: tuple[int, ...] = ()
    executed: int = 0
    cached: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    warnings: tuple[str, ...] = ()
    duration_s: float = 0.0
    failed_chunks: Mapping[int, WorkerResult] = field(default_factory=dict)

    def check(self) -> JobResult:
        """Itself, where it is a success. Raises JobFailedError."""
        if self.state is not JobState.COMPLETED:
            raise JobFailedError("\n  ".join((f"job {self.job_id} is {self.state}", *self.reasons())))
        return self

    def reasons(self) -> list[str]:
        """Why it is no success, one text each."""
        return [*([self.error] if self.error else []), *(f"{node}: {reason}" for node, reason in self.errors.items())]


@dataclass(frozen=True, slots=True)
class JobExecutionOptions:
    """How a job is executed.

    `job_dir` is the folder of its assets, in which `output_file` (by default what the merge command makes) is put; without a
    `merge`, the chunks' own files are put there. `retries` counts the command's own failures, `retry_delay` is in seconds and
    doubles. `completed_chunk_ids` are not made: what is in the cache of them is used, else the files in `job_dir`. `cancel`
    ends the job when it is set. `merge_adapter` runs the merge command itself, `stitcher` joins instead of our own join.
    `meta` is handed to the adapter with each command.

    Callbacks: `on_progress`, `on_chunk_complete` and `on_warning` are called in the thread that executes, the others in the
    thread of the chunk's slot. One that raises changes nothing for the job: it is told as a warning, and the job goes on.
    """

    concurrency: int | None = None
    job_dir: Path | None = None
    merge: bool = True
    retries: int = 0
    retry_delay: float = 1.0
    completed_chunk_ids: Collection[int] = ()
    on_progress: Callable[[JobProgress], None] | None = None
    on_chunk_complete: Callable[[int, WorkerResult], None] | None = None
    on_chunk_stdout: Callable[[int, str], None] | None = None
    on_chunk_stderr: Callable[[int, str], None] | None = None
    cancel: Event | None = None
    merge_adapter: WorkerAdapter | None = None
    stitcher: VideoStitcher | None = None
    output_file: str | Path | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    keep_going: bool = False
    timeout: float | None = None
    stall_timeout: float | None = None
    deadline: float | None = None
    storage: ArtifactStorage | None = None
    on_warning: Callable[[str], None] | None = None

    def replace(self, **changes: Any) -> JobExecutionOptions:
        """The same with other values."""
        return replace(self, **changes)


class JobControl(Event):
    """A `cancel` that can do more: pause, and take a pause back. Thread-safe, for one execution."""

    def __init__(self, other: Event | None = None) -> None:
        """With `other`, what cancels that cancels this."""
        super().__init__()
        self._other = other
        self.paused = False
        self.at_once = False
        self.was_paused = False

    def is_set(self) -> bool:
        """Whether the job is cancelled."""
        return super().is_set() or (self._other is not None and self._other.is_set())

    def pause(self, *, now: bool = False) -> None:
        """Start nothing more; with `now`, end what runs."""
        self.at_once = self.at_once or now
        self.paused = self.was_paused = True

    def resume(self) -> None:
        """Go on after all, where nothing was ended yet."""
        self.paused = False


class SpecExecutor(Protocol):
    """Executes job specs, one at a time for each job id, blocking."""

    def execute(self, spec: JobSpec, options: JobExecutionOptions) -> JobResult:
        """Make what the spec asks for. A command's failure is a result; raises where the spec or the machinery is wrong."""
        ...

    def check(self, spec: JobSpec, options: JobExecutionOptions) -> None:
        """Raise what `execute` would raise for this spec and these options before it begins. Makes nothing."""
        ...

    @property
    def remote(self) -> bool:
        """Whether its workers share no files with us, so that assets must be brought to them."""
        ...

    def assets(self, spec: JobSpec, options: JobExecutionOptions) -> list[str]:
        """The files below the job's folder that its commands may need, relative to it. Raises as `check` does."""
        ...

    def cache_of(self, options: JobExecutionOptions) -> Path:
        """The folder where the results, locks and the journal of such an execution are."""
        ...


class JobRepository(Protocol):
    """Where the records of jobs are kept.

    Every implementation promises: a record is there wholly, or as it was before; readers never see half of one; `update` is
    atomic over threads and processes, so that of two at once both come through; an id that is no plain name is refused with
    UsageError and touches nothing outside; what can't be kept or read for reasons of its own raises StoreError. Blocking and
    thread-safe.
    """

    def save(self, status: JobStatus) -> None:
        """Keep the record, in the place of an older one with its id."""
        ...

    def get(self, job_id: str) -> JobStatus | None:
        """The record, None where there is none. Raises CorruptRecordError where it cannot be read."""
        ...

    def list(self) -> list[JobStatus]:
        """All records, the newest first (by `created_at`, then id). One that cannot be read is left out, with a warning."""
        ...

    def delete(self, job_id: str) -> None:
        """Remove it, readable or not; no error where there is none."""
        ...

    def update(self, job_id: str, change: Callable[[JobStatus], JobStatus]) -> JobStatus | None:
        """Read, change and keep a record in one step, and return what is kept; None, and nothing kept, where there is none
        (any more). `change` must not use the repository. What it raises leaves the record as it was."""
        ...
