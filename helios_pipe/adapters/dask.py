"""Runs chunks as tasks of a Dask cluster. Knows nothing of what is rendered, or of how the cluster came to be.

A task is one attempt. Dask cannot stop one that runs, so whoever cancels it sets an event of the cluster's, which the worker
listens to. A worker that dies takes its task to another one, until Dask has lost enough of them.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from helios_pipe import settings
from helios_pipe.adapters.calls import Calls, CancelledCallError, Once
from helios_pipe.errors import AdapterError, HeliosPipeError, TransientAdapterError, UnusableError
from helios_pipe.ports import Capabilities, FailureClass, WorkerJob, WorkerResult
from helios_pipe.worker.wire import Body, chunk_of, crash_reply, read_body

RUN, HANDLER = "helios_pipe.adapters.dask.run_task", "helios_pipe.pipeline.workers.dask_chunk"
"""What a task calls on its worker, by name, and what that calls there."""
_CONNECT_S, _ASK_S, _CLOSE_S = 10.0, 5.0, 10.0
"""How long the scheduler may take to be connected to, to answer, and to be left."""
_LISTEN_S = 1.0
"""How long a worker listens to the event before it asks anew."""
_PATIENCE_S = 10.0
"""How long a cancelled task is waited for, where there are workers that may have begun it."""
_LOOK_S, _ALONE_S = 5.0, 120.0
"""How often a task that takes long has the workers counted, and how long there may be none, as some clusters start them late."""
_TASK = "helios-pipe"
Task = tuple[str, int, str, str]
"""A job's URL, a chunk's number, the store, and the event that cancels it."""
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class DaskConfig:
    """Which cluster: the `address` of its scheduler, or a `local_cluster` of so many workers on this machine. `storage` is the
    store that its workers reach; without a `concurrency`, as many chunks at once as the cluster has threads."""

    storage: str
    address: str | None = None
    local_cluster: int | None = None
    concurrency: int | None = None
    job_url: str | None = None

    @property
    def where(self) -> str:
        """What messages call it."""
        return self.address or "the local cluster"


class DaskAdapter:
    """A WorkerAdapter. Each `execute` is one task. Whatever may hang is called in another thread: a silent scheduler keeps nobody
    from giving up."""

    def __init__(self, config: DaskConfig) -> None:
        self.config = config
        self._calls = Calls()
        self._lock = Lock()
        self._cluster: Any = None
        self._made: Any = None
        self._client = Once(self._calls, self._connect)
        self._capabilities: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities:
        """See WorkerAdapter. Asks the scheduler, once, where the configuration says no concurrency. Raises as `execute`."""
        if self._capabilities is None:
            known = self.config.concurrency or self.config.local_cluster
            if known is None:
                client = self._connected(None)
                with _told_of(self.config):
                    known = sum(self._soon(client.nthreads, _ASK_S).values())
            self._capabilities = Capabilities(remote=True, concurrency=known or None)
        return self._capabilities

    def execute(self, job: WorkerJob) -> WorkerResult:
        """See WorkerAdapter. Raises TransientAdapterError, AdapterError, UnusableError."""
        url, chunk = chunk_of(job, self.config.job_url)
        words = (_TASK, job.meta.get("node", chunk), job.meta.get("attempt", ""), os.urandom(4).hex())
        name = "-".join(str(word) for word in words if word != "")
        try:
            client = self._connected(job.cancel)
            with _told_of(self.config):
                status, body = self._run(client, (url, chunk, self.config.storage, name), job.cancel or Event())
        except CancelledCallError:
            return WorkerResult(1, failure=FailureClass.CANCELLED, reason="cancelled")
        return read_body(status, body)

    def close(self) -> None:
        """Disconnect, and end the cluster if it is ours. Idempotent."""
        with self._lock:
            held = [it for it in (self._made, self._cluster) if it is not None]
            self._made = self._cluster = None
            self._client = Once(self._calls, self._connect)
        for it in held:
            wait([self._calls.begin(it.close)], _CLOSE_S)

    def _run(self, client: Any, task: Task, cancel: Event) -> tuple[int, Body]:
        future = client.submit(_caller(), RUN, task, key=task[-1], retries=0, pure=False)
        answer = self._calls.begin(lambda: _answer(client, future))
        try:
            return self._calls.wait(lambda: answer, cancel)
        except CancelledCallError:
            self._end(client, future, task[-1], answer)
            raise
        finally:
            self._calls.begin(future.release)

    def _end(self, client: Any, future: Any, name: str, answer: Future[Any]) -> None:
        """Have a task ended that was cancelled, and wait for it; one that no worker can have begun is only taken back."""
        event = _distributed().Event(name, client=client)
        told = self._calls.begin(event.set)
        heard = bool(wait([told], _ASK_S).done)
        if heard and self._has_workers(client):
            wait([answer], _PATIENCE_S)
        self._calls.begin(lambda: future.cancel(force=True))
        if told.done():
            self._calls.begin(event.clear)  # or the scheduler keeps it for good

    def _soon(self, function: Callable[[], Answer], limit_s: float) -> Answer:
        answer = self._calls.begin(function)
        if not wait([answer], limit_s).done:
            raise TransientAdapterError(f"{self.config.where} has not answered for {limit_s:.0f} s", hint=_HINT)
        return answer.result()

    def _has_workers(self, client: Any) -> bool:
        try:
            return bool(self._soon(client.nthreads, _ASK_S))
        except Exception:  # noqa: BLE001 - whatever a lost scheduler raises
            return True

    def _connected(self, cancel: Event | None) -> Any:
        """The client: one attempt to connect answers everybody who waits, and a lost scheduler is connected to anew."""
        with self._lock:
            lost = self._made if self._made is not None and self._made.status != "running" else None
            if lost is not None:
                self._made = None
                self._client = Once(self._calls, self._connect)
            client = self._client
        if lost is not None:
            self._calls.begin(lost.close)
        return client.get(cancel)

    def _connect(self) -> Any:
        distributed = _distributed()
        for name in list(logging.root.manager.loggerDict):
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told by us, once
        if self.config.address is None and self._cluster is None:
            with _told_of(self.config):
                self._cluster = _own_cluster(self.config)
        address = self.config.address or self._cluster.scheduler_address
        with _told_of(self.config, connecting=True):
            client = self._soon(
                lambda: distributed.Client(address, timeout=_CONNECT_S, set_as_default=False), _CONNECT_S + _ASK_S
            )
        with self._lock:
            self._made = client
        return client


def _own_cluster(config: DaskConfig) -> Any:
    """Workers of ours: they read this run's store, and a Ctrl-C in the terminal is the run's, not theirs."""
    work = settings.text("HELIOS_PIPE_WORK_DIR") or f"{tempfile.gettempdir()}/helios-pipe-{os.getuid()}"
    return _distributed().LocalCluster(
        n_workers=config.local_cluster, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"}, silence_logs=logging.CRITICAL,
        env={"HELIOS_PIPE_STORE": config.storage, "HELIOS_PIPE_WORK_DIR": work}, preload=["helios_pipe.worker.deaf"],
    )  # fmt: skip


def _answer(client: Any, future: Any) -> tuple[int, Body]:
    """What the task came to. Raises TransientAdapterError where no worker is there, and none comes."""
    alone_since = None
    while True:
        try:
            status, body = future.result(timeout=_LOOK_S)
            return status, body
        except TimeoutError:
            if future.done():
                raise  # it is the task's own
        if client.nthreads():
            alone_since = None
            continue
        alone_since = alone_since or time.monotonic()
        if time.monotonic() - alone_since >= _ALONE_S:
            raise TransientAdapterError(
                f"the cluster has had no worker for {_ALONE_S:.0f} s", hint="Start some: `dask worker ADDRESS`."
            )


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UnusableError("Dask is not installed", hint="pip install 'helios-pipe[dask]'") from error
    return distributed


_HINT = "Is it a Dask scheduler, is it up, and can it be reached from here?"
_LOST = ("FutureCancelledError", "CancelledError", "CommClosedError", "ClosedClientError")
_OTHERS = (ImportError, AttributeError, TypeError, ValueError)
"""What a worker raises that has another helios-pipe than we, or none."""


@contextmanager
def _told_of(config: DaskConfig, *, connecting: bool = False) -> Iterator[None]:
    """Says what Dask's errors mean, those of connecting or of a task."""
    try:
        yield
    except (HeliosPipeError, CancelledCallError):
        raise
    except Exception as error:
        where, kind = config.where, type(error).__name__
        said = " ".join(f"{kind}: {error}".split())
        if connecting and isinstance(error, (TypeError, ValueError, ImportError)):
            raise AdapterError(f"{where}: {said}", hint="An address looks like tcp://10.0.0.5:8786.") from error
        if connecting:
            raise TransientAdapterError(f"{where}: {said}", hint=_HINT) from error
        if isinstance(error, _OTHERS):
            raise AdapterError(
                f"the workers of {where} do not have helios-pipe, or another version: {said}",
                hint="Install the same version there: pip install 'helios-pipe[dask]'.",
            ) from error
        if kind == "KilledWorker":
            raise TransientAdapterError(f"{where}: the workers that took the chunk died one after another") from error
        if kind in _LOST:
            raise TransientAdapterError(f"{where}: the scheduler was lost") from error
        raise TransientAdapterError(f"{where}: {said}") from error


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
    try:
        with _listening(name) as cancel:
            return handler(url, chunk, store, cancel)
    except Exception as error:  # noqa: BLE001 - such as a scheduler too busy to answer
        return crash_reply(error)


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
