"""One submitted job in a thread of its own, its record kept. Knows nothing of other jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread

from helios_pipe.errors import LockedError, StoreError, UsageError
from helios_pipe.job_ports import JobControl, JobExecutionOptions, JobProgress, JobRepository, JobResult, SpecExecutor
from helios_pipe.job_status import JobState, JobStatus
from helios_pipe.jobs.assets import upload_assets
from helios_pipe.jobs.keeping import Keeper, options_of
from helios_pipe.jobs.lock import record_lock
from helios_pipe.ports import ArtifactStorage, WorkerResult


class Work:
    """A job that is being executed. `control` steers it; `over` is set when its record says how it ended."""

    def __init__(
        self,
        status: JobStatus,
        options: JobExecutionOptions,
        executor: SpecExecutor,
        repository: JobRepository,
        storage: ArtifactStorage | None,
        clock: Callable[[], float],
    ) -> None:
        self.options = options
        self.control = JobControl(options.cancel)
        self.over = Event()
        self._status = status
        self._executor = executor
        self._storage = storage
        self._keeper = Keeper(repository, status, clock)
        self._on_end: Callable[[], None] = lambda: None
        self.thread = Thread(target=self._run, name=f"job {status.id}")

    def start(self, on_end: Callable[[], None]) -> None:
        """Begin; `on_end` is called when the record says how it ended."""
        self._on_end = on_end
        self.thread.start()

    def _run(self) -> None:
        try:
            with self._record_held():
                if self._keeper.begin():
                    self._keeper.end(self._executed())
        except BaseException as error:  # noqa: BLE001 - nobody above us: the record tells
            self._keeper.fail(error)
        finally:
            self._on_end()
            self.over.set()

    @contextmanager
    def _record_held(self) -> Iterator[None]:
        """Others see that the job's record will be written, if they can: another process may be at the job as well, the cache out
        of reach, or what the record says of it no options."""
        with ExitStack() as stack:
            with suppress(LockedError, StoreError, UsageError):
                lock = record_lock(self._executor.cache_of(options_of(self._status)), self._status.id)
                lock.acquire(wait=False, on_wait=lambda _: None)
                stack.callback(lock.release)
            yield

    def _executed(self) -> JobResult:
        options = self._watched()
        if self._storage is not None and self._executor.remote:
            spec, url = upload_assets(self._storage, self._executor, self._status.spec, options)
            self._keeper.placed(self._status.replace(spec=spec, job_spec_url=url))
        while True:
            result = self._executor.execute(self._status.spec, options)
            taken_back = not self.control.paused and not self.control.at_once and not self.control.is_set()
            if result.state is not JobState.PAUSED or not (self.control.was_paused and taken_back):
                return result
            self.control.was_paused = False  # the pause was taken back when it had just come about: go on

    def _watched(self) -> JobExecutionOptions:
        """The options, so that we hear what the program hears."""
        asked, keeper = self.options, self._keeper

        def on_progress(progress: JobProgress) -> None:
            keeper.progress(progress)
            if asked.on_progress is not None:
                asked.on_progress(progress)

        def on_chunk_complete(chunk_id: int, result: WorkerResult) -> None:
            keeper.chunk(chunk_id, result)
            if asked.on_chunk_complete is not None:
                asked.on_chunk_complete(chunk_id, result)

        return asked.replace(
            cancel=self.control,
            storage=asked.storage or self._storage,
            on_progress=on_progress,
            on_chunk_complete=on_chunk_complete,
        )
