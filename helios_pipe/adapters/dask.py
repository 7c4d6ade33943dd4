"""Runs chunks as tasks of a Dask cluster. Knows nothing of what is rendered, or of how the cluster came to be.

A task is one attempt. Dask cannot stop one that runs, so whoever cancels it sets an event of the cluster's, which the worker
listens to. A worker that dies takes its task to another one, until Dask has lost enough of them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

from helios_pipe.adapters.calls import Calls, CancelledCallError
from helios_pipe.errors import AdapterError, TransientAdapterError, UnusableError
from helios_pipe.ports import Capabilities, FailureClass, WorkerJob, WorkerResult
from helios_pipe.worker.wire import Body, chunk_of, read_body

RUN, HANDLER = "helios_pipe.adapters.dask.run_task", "helios_pipe.pipeline.workers.dask_chunk"
"""What a task calls on its worker, by name, and what that calls there."""
_CONNECT_S = 10.0
_LISTEN_S = 1.0
"""How long a worker listens to the event before it asks anew."""
_PATIENCE_S = 10.0
"""How long a cancelled task is waited for: one that no worker has begun is taken back then."""
_LOOK_S, _ALONE_S = 5.0, 120.0
"""How often a task that takes long has the workers counted, and how long there may be none, as some clusters start them late."""
_TASK = "helios-pipe"
Task = tuple[str, int, str, str]
"""A job's URL, a chunk's number, the store, and the event that cancels it."""


@dataclass(frozen=True, slots=True)
class DaskConfig:
    """Which cluster: the `address` of its scheduler, or a `local_cluster` of so many workers on this machine. `storage` is the
    store that its workers reach; without a `concurrency`, as many chunks at once as the cluster has threads."""

    storage: str
    address: str | None = None
    local_cluster: int | None = None
    concurrency: int | None = None
    job_url: str | None = None


class DaskAdapter:
    """A WorkerAdapter. Each `execute` is one task."""

    def __init__(self, config: DaskConfig) -> None:
        self.config = config
        self._calls = Calls()
        self._lock = Lock()
        self._cluster: Any = None
        self._client: Any = None

    @property
    def capabilities(self) -> Capabilities:
        """See WorkerAdapter. Asks the scheduler where the configuration says no concurrency. Raises as `execute`."""
        known = self.config.concurrency or self.config.local_cluster
        return Capabilities(remote=True, concurrency=known or self._threads() or None)

    def execute(self, job: WorkerJob) -> WorkerResult:
        """See WorkerAdapter. Raises TransientAdapterError, AdapterError, UnusableError."""
        url, chunk = chunk_of(job, self.config.job_url)
        client = self._connected()
        name = f"{_TASK}-{job.meta.get('node', chunk)}-{os.urandom(6).hex()}"
        task: Task = (url, chunk, self.config.storage, name)
        with _told_of(self.config):
            future = client.submit(_caller(), RUN, task, key=name, retries=0, pure=False)
            try:
                stop = _Stop(client, future, name)
                status, body = self._calls.make_here(lambda: _answer(client, future), job.cancel, stop)
            except CancelledCallError:
                return WorkerResult(1, failure=FailureClass.CANCELLED, reason="cancelled")
            finally:
                future.release()
        return read_body(status, body)

    def close(self) -> None:
        """Disconnect, and end the cluster if it is ours. Idempotent."""
        with self._lock:
            client, cluster = self._client, self._cluster
            self._client = self._cluster = None
        for held in (client, cluster):
            if held is not None:
                held.close()

    def _threads(self) -> int:
        """How many tasks the cluster runs at once."""
        client = self._connected()
        with _told_of(self.config):
            return sum(client.nthreads().values())

    def _connected(self) -> Any:
        """The client, connected anew where its scheduler was lost."""
        with self._lock:
            if self._client is None or self._client.status not in ("running", "connecting"):
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        distributed = _distributed()
        for name in logging.root.manager.loggerDict:
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told by us, once
        with _told_of(self.config):
            address: Any = self.config.address
            if address is None:
                if self._cluster is None:
                    self._cluster = distributed.LocalCluster(
                        n_workers=self.config.local_cluster, threads_per_worker=1, processes=True, host="127.0.0.1",
                        dashboard_address=None, silence_logs=logging.CRITICAL,
                    )  # fmt: skip
                address = self._cluster
            return distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)


def _answer(client: Any, future: Any) -> tuple[int, Body]:
    """What the task came to. Raises TransientAdapterError where no worker is there, and none comes."""
    alone_since = None
    while True:
        try:
            status, body = future.result(timeout=_LOOK_S)
            return status, body
        except TimeoutError:
            if client.nthreads():
                alone_since = None
                continue
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since >= _ALONE_S:
                raise TransientAdapterError(
                    f"the cluster has had no worker for {_ALONE_S:.0f} s", hint="Start some: `dask worker ADDRESS`."
                ) from None


class _Stop:
    """Ends a task: called again and again until it has ended."""

    def __init__(self, client: Any, future: Any, name: str) -> None:
        self._client, self._future, self._name = client, future, name
        self._since: float | None = None

    def __call__(self) -> None:
        if self._since is None:
            self._since = time.monotonic()
            Thread(target=self._set, name="dask-cancel", daemon=True).start()  # the scheduler may not answer
        elif time.monotonic() - self._since > _PATIENCE_S:
            self._future.cancel(force=True)

    def _set(self) -> None:
        try:
            _distributed().Event(self._name, client=self._client).set()
        except Exception:  # whatever a lost scheduler raises: then nobody waits for the task either
            logging.getLogger(__name__).debug("a task's end could not be asked for", exc_info=True)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UnusableError("Dask is not installed", hint="pip install 'helios-pipe[dask]'") from error
    return distributed


_MEANT = {
    "KilledWorker": "the workers that took the chunk died one after another",
    "FutureCancelledError": "the scheduler was lost",
}


@contextmanager
def _told_of(config: DaskConfig) -> Iterator[None]:
    """Says what Dask's errors mean."""
    try:
        yield
    except (AdapterError, CancelledCallError):
        raise
    except ModuleNotFoundError as error:
        raise _not_there(config) from error
    except Exception as error:
        where, kind = config.address or "the local cluster", type(error).__name__
        said = _MEANT.get(kind) or " ".join(f"{kind}: {error}".split())
        if isinstance(error, (TypeError, ValueError)):
            raise AdapterError(f"{where}: {said}", hint="An address looks like tcp://10.0.0.5:8786.") from error
        hint = "Is the scheduler up, and can it be reached from here?" if isinstance(error, OSError) else ""
        raise TransientAdapterError(f"{where}: {said}", hint=hint) from error


def _not_there(config: DaskConfig) -> AdapterError:
    return AdapterError(
        f"the workers of {config.address or 'the local cluster'} do not have helios-pipe",
        hint="Install the same version there: pip install 'helios-pipe[dask]'.",
    )


def _caller() -> Callable[[str, Task], tuple[int, Body]]:
    """What calls a function by its name. It travels as code, so that a scheduler which has nothing of ours can pass it on."""

    def call(name: str, task: Task) -> tuple[int, Body]:
        from importlib import import_module

        module, _, function = name.rpartition(".")
        found: tuple[int, Body] = getattr(import_module(module), function)(task)
        return found

    return call


# -- on the worker


def run_task(task: Task) -> tuple[int, Body]:
    """What a task does: the chunk is made there, and the reply comes back."""
    from pkgutil import resolve_name

    url, chunk, store, name = task
    handler: Callable[[str, int, str, Event], tuple[int, Body]] = resolve_name(HANDLER)
    with _listening(name) as cancel:
        return handler(url, chunk, store, cancel)


@contextmanager
def _listening(name: str) -> Iterator[Event]:
    """An event of this process's that is set when the cluster's is."""
    distributed = _distributed()
    heard, over = Event(), Event()
    told = distributed.Event(name, client=distributed.get_client())

    def listen() -> None:
        while not over.is_set() and not heard.is_set():
            try:
                if told.wait(timeout=_LISTEN_S):
                    heard.set()
            except Exception:  # noqa: BLE001 - the scheduler is gone, perhaps for a while: the command has its own limit
                over.wait(_LISTEN_S)

    Thread(target=listen, name="dask-listen", daemon=True).start()
    try:
        if told.is_set():
            heard.set()  # before anybody took the task up
        yield heard
    finally:
        over.set()
