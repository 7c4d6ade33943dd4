"""One attempt at an action on a worker that shares no files with us: inputs up, the call, the output down and checked.
Knows nothing of plans, keys or records, or of which platform the worker runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event

from helios_pipe.action.model import Action, Join, Step
from helios_pipe.adapters.downloads import Downloads
from helios_pipe.adapters.limiter import AdaptiveLimiter
from helios_pipe.adapters.specs import Place, Specs
from helios_pipe.adapters.uploads import Locate, Uploads
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import Digest
from helios_pipe.errors import (
    BlobDamagedError,
    BlobError,
    BlobMissingError,
    HeliosPipeError,
    OutputError,
    ThrottledError,
    TransientAdapterError,
    UnreachedError,
    UsageError,
)
from helios_pipe.ports import BlobStore, FailureClass, Outcome, WorkerAdapter, WorkerJob, WorkerResult
from helios_pipe.texts import encodable

LONGEST_THROTTLE_S = 900.0
"""After so long with nothing but throttles, an attempt counts as failed by the machinery."""
_ANSWER_S, _SLOW_BYTES_S = 300.0, 4 << 20
"""How long a worker may take besides its command: to start, to fetch the inputs at this rate, to leave the output, which may be
large, and answer. Who is given up too early made something for nothing; who is lost costs minutes once."""
_USUAL_CONCURRENCY = 16
LogPath = Callable[[str, int], Path]


class RemoteActionRunner:
    """Runs actions through a remote WorkerAdapter, with `store` in between. Thread-safe.

    `locate` tells where a content is on this machine; `name` is what outcomes call the worker, `close` ends what the adapter
    holds."""

    def __init__(
        self,
        adapter: WorkerAdapter,
        store: BlobStore,
        blobs: Blobs,
        locate: Locate,
        log_path: LogPath,
        *,
        name: str = "remote",
        signing_key: bytes | None = None,
        limiter: AdaptiveLimiter | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._adapter = adapter
        self._close = close
        self._blobs = blobs
        self._locate = locate
        self._log_path = log_path
        self._name = name
        self._uploads = Uploads(store, locate, blobs.temp_path)
        self._specs = Specs(store, signing_key)
        self._downloads = Downloads(store, blobs)
        self._unreached, self._reached = "", False
        self.limiter = limiter or AdaptiveLimiter(adapter.capabilities.concurrency or _USUAL_CONCURRENCY)

    prepares = True
    relay = None

    def prepare(self, steps: Iterable[Step]) -> None:
        """Say which steps may come, all that are known, also those that may turn out to be made already. What they need is then
        looked for in the store in one go, and many stand in one spec. Never needed, always quicker. Raises StoreError."""
        actions = [step for step in steps if isinstance(step, Action)]
        trees = {tree.digest: tree for action in actions for tree in (action.shared, action.extra)}
        self._uploads.look(trees.values())
        self._specs.announce(actions)

    def run(self, step: Step, attempt: int, cancel: Event) -> Outcome:
        """See ActionRunner."""
        if isinstance(step, Join):
            raise TypeError(f"{step.node} is a join, not a command")
        if step.workspace == "project":
            raise UsageError(
                f"{step.node} runs in the project's folder, which a remote worker does not have",
                hint="Run it on the adapter `local`, or give it `workspace: isolated`.",
            )
        try:
            place = self._placed(step)
        except (BlobMissingError, BlobDamagedError) as error:
            return self._no_inputs(error)
        except HeliosPipeError as error:
            return self._failed(error)
        try:
            result = self._call(step, place, attempt, cancel)
        except HeliosPipeError as error:
            return self._failed(error)
        return self._settle(step, attempt, result)

    def close(self) -> None:
        """See ActionRunner."""
        self._close()

    @property
    def unreached(self) -> str:
        """Why no call was ever taken, where calls were made and none of them got through; else empty."""
        return "" if self._reached else self._unreached

    def _placed(self, action: Action) -> Place:
        self._uploads.ensure(action.shared)
        self._uploads.ensure(action.extra)
        return self._specs.place(action)

    def _call(self, action: Action, place: Place, attempt: int, cancel: Event) -> WorkerResult:
        """The worker's result. A throttle is waited out: it slows everybody down, and fails nobody."""
        limited = action.limits.timeout_s is not None
        job = WorkerJob(
            action.argv[0],
            action.argv[1:],
            timeout_s=action.limits.timeout_s,
            stall_timeout_s=action.limits.stall_timeout_s,
            cancel=cancel,
            grace_s=_ANSWER_S + ((action.shared.size + action.extra.size) / _SLOW_BYTES_S if limited else 0.0),
            meta={"chunkId": place.chunk_id, "jobSpecUrl": place.url, "node": action.node, "attempt": attempt},
        )
        while True:
            ticket = self.limiter.enter(cancel)
            if ticket is None:
                return WorkerResult(1, failure=FailureClass.CANCELLED, reason="cancelled")
            throttle: ThrottledError | None = None
            try:
                return self._executed(job)
            except ThrottledError as error:
                throttle = error
            finally:
                after = throttle.retry_after_s if throttle else None
                self.limiter.leave(throttle is not None, ticket, after)
            if self.limiter.starved_s() > LONGEST_THROTTLE_S:
                raise TransientAdapterError(
                    f"{self._name} has taken no call for {LONGEST_THROTTLE_S:.0f} s: {throttle}"
                )

    def _executed(self, job: WorkerJob) -> WorkerResult:
        try:
            result = self._adapter.execute(job)
        except UnreachedError as error:
            self._unreached = error.message
            raise
        except HeliosPipeError:
            self._reached = True
            raise
        self._reached |= result.failure is not FailureClass.CANCELLED
        return result

    def _settle(self, action: Action, attempt: int, result: WorkerResult) -> Outcome:
        log = self._log_path(action.node, attempt)
        self._downloads.log(result, log)
        common = {
            "exit_code": result.exit_code, "duration_s": result.duration_ms / 1000, "worker": self._name,
            "tail": result.stderr or result.stdout, "log": log if log.exists() else None, "tools": result.tools,
            "billed_ms": result.billed_ms, "memory_mb": result.memory_mb,
        }  # fmt: skip
        if result.failure is not None or result.exit_code != 0:
            if result.lacking:  # deleted or damaged there since we looked
                self._uploads.forget(result.lacking, (action.shared, action.extra))
                self._specs.forget(action, result.lacking)
            failure = result.failure or FailureClass.COMMAND
            reason = result.reason or f"exit code {result.exit_code}"
            return Outcome(failure=failure, reason=reason, **common)  # type: ignore[arg-type]
        try:
            blob = self._downloads.output(result, action.output)
        except OutputError as error:
            return Outcome(failure=FailureClass.COMMAND, reason=str(error), **common)  # type: ignore[arg-type]
        except BlobError as error:
            return Outcome(failure=FailureClass.INFRASTRUCTURE, reason=str(error), **common)  # type: ignore[arg-type]
        except HeliosPipeError as error:
            failure = FailureClass.INFRASTRUCTURE if error.retryable else FailureClass.FATAL
            return Outcome(failure=failure, reason=str(error), **common)  # type: ignore[arg-type]
        return Outcome(blob.digest, blob.folder, blob.mark, **common)  # type: ignore[arg-type]

    def _failed(self, error: HeliosPipeError) -> Outcome:
        """Raises what time does not mend."""
        if not error.retryable:
            raise error
        return Outcome(failure=FailureClass.INFRASTRUCTURE, reason=encodable(str(error)), worker=self._name)

    def _no_inputs(self, error: BlobMissingError | BlobDamagedError) -> Outcome:
        """The inputs are not what they were when they were hashed: blobs can be made again, sources are the user's."""
        digest = Digest(error.digest)
        try:
            place = self._locate(digest)
        except BlobMissingError:
            place = Path(self._blobs.path(digest))
        if not place.is_relative_to(self._blobs.folder):
            return Outcome(
                failure=FailureClass.FATAL, reason=f"{place} changed since it was hashed: {error}", stale=True
            )
        self._blobs.intact(digest)  # which removes it where it is damaged
        return Outcome(failure=FailureClass.INFRASTRUCTURE, reason=str(error), damaged=(digest,))
