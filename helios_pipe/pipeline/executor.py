"""Job specs executed from Python, through the same graph, engine and cache as manifests."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.engine.options import Asked, Failure, Placed, RunState, Stop, Summary
from helios_pipe.job_ports import JobControl, JobExecutionOptions, JobOutput, JobResult
from helios_pipe.job_status import JobState
from helios_pipe.manifest.globs import expand
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.pipeline.calling import CallingAdapter, Calls
from helios_pipe.pipeline.specs import MERGE, Prepared, cache_of, prepare
from helios_pipe.ports import (
    ArtifactStorage,
    Capabilities,
    FailureClass,
    VideoStitcher,
    WorkerAdapter,
    WorkerJob,
    WorkerResult,
)
from helios_pipe.report.texts import last_lines

if TYPE_CHECKING:
    from helios_pipe.pipeline.pools import Given


class JobExecutor:
    """Executes job specs with an adapter (by default: processes on this machine). Thread-safe; a job id is executed once at
    a time, over all processes that share the cache, and what is in the cache is not made again.

    `storage` is what remote workers share with us; `cache_dir` where results are kept (by default `.helios` in the job's
    folder, or what HELIOS_PIPE_CACHE_DIR says)."""

    def __init__(
        self,
        adapter: WorkerAdapter | None = None,
        *,
        storage: ArtifactStorage | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self._adapter = adapter or LocalWorkerAdapter()
        self._storage = storage
        self._cache_dir = None if cache_dir is None else Path(cache_dir)

    @property
    def remote(self) -> bool:
        """See SpecExecutor."""
        capabilities = getattr(self._adapter, "capabilities", None) or Capabilities()
        return bool(capabilities.remote)

    def cache_of(self, options: JobExecutionOptions) -> Path:
        """See SpecExecutor."""
        return cache_of(options, self._cache_dir)

    def check(self, spec: JobSpec, options: JobExecutionOptions) -> None:
        """See SpecExecutor."""
        prepare(spec, options, self._cache_dir)

    def assets(self, spec: JobSpec, options: JobExecutionOptions) -> list[str]:
        """See SpecExecutor."""
        prepared = prepare(spec, options, self._cache_dir)
        return list(expand(prepared.opened.manifest.root, prepared.job.inputs).files) if prepared.job.inputs else []

    def execute(self, spec: JobSpec | Mapping[str, Any], options: JobExecutionOptions | None = None) -> JobResult:
        """Make what the spec asks for, and return what came of it: `result.check()` raises where that is no success. Raises
        UsageError, ManifestError, StoreError and such where nothing could be tried. In the main thread, Ctrl-C lets what runs
        come to its end first (a second one ends it), and is raised when all is in order."""
        from helios_pipe.pipeline.parts import GivenParts, put_parts
        from helios_pipe.pipeline.run import Hooks, run
        from helios_pipe.pipeline.session import Session

        options = options or JobExecutionOptions()
        prepared = prepare(spec if isinstance(spec, JobSpec) else JobSpec.from_dict(spec), options, self._cache_dir)
        calls = Calls(options, prepared.chunk_ids, prepared.opened.graph.total)
        for warning in prepared.opened.manifest.warnings:
            calls.warn(warning)
        session = Session(prepared.request, prepared.opened)
        try:
            given = GivenParts(session, prepared, options)
            hooks = Hooks(self._adapters(options, calls, prepared), lambda: _asked(options), given)
            summary = run(session, calls, calls.warn, hooks)
            parts = [] if options.merge else put_parts(session, prepared)
        finally:
            session.close()
        if summary.exit_code == Stop.INTERRUPT.exit_code and summary.state is RunState.PAUSED:
            raise KeyboardInterrupt
        return _result(prepared, summary, calls, parts)

    def _adapters(self, options: JobExecutionOptions, calls: Calls, prepared: Prepared) -> dict[str, Given]:
        from helios_pipe.pipeline.pools import Given

        storage = options.storage or self._storage
        store = storage.blobs if storage is not None else None
        adapters = {"local": self._adapter}
        if options.stitcher is not None:
            adapters[MERGE] = StitcherAdapter(options.stitcher)
        elif options.merge_adapter is not None:
            adapters[MERGE] = options.merge_adapter
        return {
            name: Given(CallingAdapter(adapter, calls, options.meta, prepared.chunk_ids), store)
            for name, adapter in adapters.items()
        }


class StitcherAdapter:
    """A VideoStitcher as the worker of a stitch's command: `stitch NAME OUTPUT INPUT...`, in the calling thread."""

    capabilities = Capabilities(concurrency=1)

    def __init__(self, stitcher: VideoStitcher) -> None:
        self._stitcher = stitcher

    def execute(self, job: WorkerJob) -> WorkerResult:
        """See WorkerAdapter. What the stitcher raises is the stitch's failure."""
        folder = Path(job.cwd or "")
        _, output, *inputs = job.args
        try:
            self._stitcher.stitch([folder / name for name in inputs], folder / output)
        except Exception as error:  # noqa: BLE001 - whatever a program's own stitcher raises
            return WorkerResult(
                1, stderr=f"{type(error).__name__}: {error}\n", failure=FailureClass.COMMAND,
                reason=f"the stitcher raised {type(error).__name__}: {error}",
            )  # fmt: skip
        return WorkerResult(0)


def _asked(options: JobExecutionOptions) -> Asked | None:
    """What the program wants now."""
    cancel = options.cancel
    if cancel is None:
        return None
    if cancel.is_set():
        return Asked(Stop.CANCEL, now=True)
    if isinstance(cancel, JobControl) and cancel.paused:
        return Asked(Stop.PAUSE, now=cancel.at_once)
    return Asked(None) if isinstance(cancel, JobControl) and cancel.was_paused else None


def _result(prepared: Prepared, summary: Summary, calls: Calls, parts: Sequence[Placed]) -> JobResult:
    root = prepared.opened.manifest.root
    return JobResult(
        prepared.opened.job_id,
        JobState(str(summary.state)),
        tuple(JobOutput(_path(root, p.path), p.sha256, p.size) for p in (*summary.outputs, *parts)),
        tuple(sorted(calls.completed)),
        summary.executed,
        summary.cached,
        {failure.node: _reason(failure) for failure in summary.failures},
        summary.stopped,
        tuple(calls.warnings),
        summary.duration_s,
        calls.failed,
    )


def _path(root: Path, name: str) -> Path:
    return Path(os.path.normpath(root / name))


def _reason(failure: Failure) -> str:
    """Why a node failed, with the last line that it printed."""
    said = last_lines(failure.tail, 1)
    return f"{failure.reason} ({said[0]})" if said else failure.reason
