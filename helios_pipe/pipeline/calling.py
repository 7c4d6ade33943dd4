"""What a program wants to hear of a job while it is made, told so that nothing it does can harm the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from helios_pipe.errors import AdapterError, HeliosPipeError, TransientAdapterError
from helios_pipe.events import Event
from helios_pipe.job_ports import JobExecutionOptions, JobProgress
from helios_pipe.ports import Capabilities, WorkerAdapter, WorkerJob, WorkerResult
from helios_pipe.texts import encodable

_MOST_WARNINGS = 100
_END = 4000
"""Characters of each stream that are kept of a chunk that failed."""


class Calls:
    """The program's callbacks. Thread-safe. `chunk_ids` are the ids of chunks by their nodes' names."""

    def __init__(self, options: JobExecutionOptions, chunk_ids: Mapping[str, int], total: int) -> None:
        self._options = options
        self._ids = chunk_ids
        self._total = total
        self._lock = Lock()
        self._done = 0
        self._failed = 0
        self._running: set[int] = set()
        self._results: dict[str, WorkerResult] = {}
        self.completed: list[int] = []
        self.failed: dict[int, WorkerResult] = {}
        """What the last attempts at the chunks that failed came to, the ends of what they printed."""
        self.warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        """One event of the run."""
        name = event["event"]
        if name == "node_finished":
            self._under_way(str(event["node"]), going=False)
            self._node_finished(str(event["node"]), str(event["status"]))
        elif name in ("node_started", "retry"):
            self._under_way(str(event["node"]), going=name == "node_started")
            self._progress()
        elif name in ("plan", "progress"):
            self._progress()
        elif name == "warning":
            self.warn(str(event["message"]))

    def _under_way(self, node: str, *, going: bool) -> None:
        chunk = self._ids.get(node)
        if chunk is not None:
            (self._running.add if going else self._running.discard)(chunk)

    def _node_finished(self, node: str, status: str) -> None:
        result = self._results.pop(node, None)
        if status == "failed":
            self._failed += 1
            if node in self._ids and result is not None:
                self.failed[self._ids[node]] = _ends(result)
        elif status != "skipped":
            self._done += 1
            if node in self._ids:
                chunk = self._ids[node]
                self.completed.append(chunk)
                found = result or WorkerResult(0, reason="found in the cache")
                self._call("on_chunk_complete", self._options.on_chunk_complete, chunk, found)
        self._progress()

    def _progress(self) -> None:
        progress = JobProgress(self._done, self._total, self._failed, tuple(sorted(self._running)))
        self._call("on_progress", self._options.on_progress, progress)

    def of_adapter(self, node: str) -> tuple[Callable[[str], None] | None, Callable[[str], None] | None]:
        """What to call with a node's output as it comes: stdout, stderr."""
        chunk = self._ids.get(node)
        if chunk is None:
            return None, None
        out, err = self._options.on_chunk_stdout, self._options.on_chunk_stderr
        # Whoever is given results wants to know which stream is which: these are told apart only where somebody listens.
        unheard = None if self._options.on_chunk_complete is None else _unheard
        return (
            unheard if out is None else partial(self._call, "on_chunk_stdout", out, chunk),
            unheard if err is None else partial(self._call, "on_chunk_stderr", err, chunk),
        )

    def attempted(self, node: str, result: WorkerResult) -> None:
        """An attempt at a node ended, for now unchecked."""
        self._results[node] = result

    def warn(self, text: str) -> None:
        """Something that is no failure, but must not go unsaid."""
        with self._lock:
            if len(self.warnings) < _MOST_WARNINGS:
                self.warnings.append(text)
        if self._options.on_warning is not None:
            try:
                self._options.on_warning(text)
            except Exception:  # noqa: BLE001, S110 - whom should we tell?
                pass

    def _call(self, name: str, callback: Callable[..., None] | None, *given: Any) -> None:
        """Somebody else's code. What it raises is told, and changes nothing."""
        if callback is None:
            return
        try:
            callback(*given)
        except Exception as error:  # noqa: BLE001 - whatever it raises
            self.warn(f"{name} raised {type(error).__name__}: {error}")


def _unheard(_: str) -> None:
    """What a chunk prints where nobody wants to hear it as it comes."""


def _ends(result: WorkerResult) -> WorkerResult:
    return result._replace(stdout=result.stdout[-_END:], stderr=result.stderr[-_END:])


class CallingAdapter:
    """A WorkerAdapter in front of a program's own: hands it what belongs to the chunk, tells what it prints, and keeps what
    is wrong with the adapter apart from what is wrong with the command."""

    def __init__(self, adapter: WorkerAdapter, calls: Calls, meta: Mapping[str, Any], ids: Mapping[str, int]) -> None:
        self._adapter = adapter
        self._calls = calls
        self._meta = meta
        self._ids = ids
        self.capabilities: Capabilities = getattr(adapter, "capabilities", None) or Capabilities()

    def execute(self, job: WorkerJob) -> WorkerResult:
        """See WorkerAdapter."""
        node = str(job.meta.get("node", ""))
        out, err = self._calls.of_adapter(node)
        chunk = {"chunkId": self._ids[node]} if node in self._ids else {}
        streams = not self.capabilities.remote
        asked = job._replace(
            meta={**self._meta, **chunk, **job.meta},
            on_stdout=out if streams else None,
            on_stderr=err if streams else None,
        )
        try:
            result = self._checked(asked)
        except HeliosPipeError as error:
            self._calls.attempted(node, WorkerResult(1, reason=str(error)))
            raise
        if not streams:
            for tell, text in ((out, result.stdout), (err, result.stderr)):
                if tell is not None and text:
                    tell(text)
        self._calls.attempted(node, result)
        return result

    def _checked(self, job: WorkerJob) -> WorkerResult:
        name = type(self._adapter).__name__
        try:
            result = self._adapter.execute(job)
        except HeliosPipeError:
            raise
        except (ConnectionError, TimeoutError) as error:
            raise TransientAdapterError(f"{name}: {type(error).__name__}: {error}") from error
        except Exception as error:
            raise AdapterError(f"{name} raised {type(error).__name__}: {error}") from error
        if not isinstance(result, WorkerResult):
            raise TransientAdapterError(f"{name} gave {type(result).__name__}, expected a WorkerResult")
        result = _sound(result)
        _keep_log(job, result)
        return result


def _sound(result: WorkerResult) -> WorkerResult:
    """What an adapter read from somewhere may hold what cannot be kept."""
    tools = {encodable(name): encodable(line) for name, line in result.tools.items()} if result.tools else result.tools
    return result._replace(
        stdout=encodable(result.stdout), stderr=encodable(result.stderr), reason=encodable(result.reason), tools=tools
    )


def _keep_log(job: WorkerJob, result: WorkerResult) -> None:
    """An adapter that knows nothing of logs has its output kept all the same."""
    text = result.stdout + result.stderr
    if job.log is None or not text:
        return
    try:
        log = Path(job.log)
        if not log.exists() or not log.stat().st_size:
            log.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError:
        pass  # the tails are in the journal
