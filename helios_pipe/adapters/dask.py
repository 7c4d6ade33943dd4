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
from threading import Event, Lock
from typing import Any, TypeVar

from helios_pipe import settings
from helios_pipe.adapters.calls import Calls, CancelledCallError, Once
from helios_pipe.errors import AdapterError, HeliosPipeError, TransientAdapterError, UnreachedError
from helios_pipe.ports import Capabilities, FailureClass, WorkerJob, WorkerResult
from helios_pipe.worker.dask_task import Task, distributed_library
from helios_pipe.worker.wire import Body, chunk_of, read_body

RUN = "helios_pipe.pipeline.workers.dask_chunk"
"""What a task calls on its worker, by name."""
_CONNECT_S, _ASK_S, _CLOSE_S = 10.0, 5.0, 10.0
"""How long the scheduler may take to be connected to, to answer, and to be left."""
_PATIENCE_S = 10.0
"""How long a cancelled task is waited for, where there are workers that may have begun it."""
_LOOK_S, _ALONE_S = 5.0, 120.0
"""How often a task that takes long has the workers counted, and how long there may be none, as some clusters start them late."""
_TASK = "helios-pipe"
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
        """See WorkerAdapter. Raises UnreachedError, TransientAdapterError, AdapterError, UnusableError."""
        url, chunk = chunk_of(job, self.config.job_url)
        words = (_TASK, job.meta.get("node", chunk), job.meta.get("attempt", ""), os.urandom(4).hex())
        name = "-".join(str(word) for word in words if word != "")
        try:
            client = self._connected(job.cancel)
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
        with _told_of(self.config):
            future = client.submit(_caller(), RUN, task, key=task[-1], retries=0, pure=False)
        answer = self._calls.begin(lambda: _answer(client, future, self.config.where))
        try:
            return self._calls.wait(lambda: answer, cancel)
        except CancelledCallError:
            self._end(client, future, task[-1], answer)
            raise
        finally:
            self._calls.begin(future.release)

    def _end(self, client: Any, future: Any, name: str, answer: Future[Any]) -> None:
        """Have a task ended that was cancelled, and wait for it; one that no worker can have begun is only taken back."""
        event = distributed_library().Event(name, client=client)
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
        except Exception:  # noqa: BLE001 - whatever a lost scheduler raises: then it is waited for as if there were
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
        distributed = distributed_library()
        for name in list(logging.root.manager.loggerDict):
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told by us, once
        if self.config.address is None and self._cluster is None:
            self._cluster = _own_cluster(self.config)
        address = self.config.address or self._cluster.scheduler_address
        with _told_of(self.config, UnreachedError):
            client = self._soon(
                lambda: distributed.Client(address, timeout=_CONNECT_S, set_as_default=False), _CONNECT_S + _ASK_S
            )
        with self._lock:
            self._made = client
        return client


def _own_cluster(config: DaskConfig) -> Any:
    """Workers of ours: they read this run's store, and a Ctrl-C in the terminal is the run's, not theirs."""
    work = settings.text("HELIOS_PIPE_WORK_DIR") or f"{tempfile.gettempdir()}/helios-pipe-{os.getuid()}"
    try:
        return distributed_library().LocalCluster(
            n_workers=config.local_cluster, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address=None, scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL, env={"HELIOS_PIPE_STORE": config.storage, "HELIOS_PIPE_WORK_DIR": work},
            preload=["helios_pipe.worker.deaf"],
        )  # fmt: skip
    except HeliosPipeError:
        raise
    except Exception as error:
        raise AdapterError(
            f"a cluster of {config.local_cluster} workers cannot be started here: {_said(error)}"
        ) from error


def _answer(client: Any, future: Any, where: str) -> tuple[int, Body]:
    """What the task came to. Raises TransientAdapterError where the scheduler was lost, or no worker is there, and none comes;
    otherwise see `_raised_there`."""
    alone_since = None
    while True:
        try:
            status, body = future.result(timeout=_LOOK_S)
            return status, body
        except Exception as error:
            if future.status == "error":
                raise _raised_there(error, where) from error
            if not isinstance(error, TimeoutError):
                raise TransientAdapterError(f"{where}: the scheduler was lost") from error
        try:
            there = client.nthreads()
        except Exception as error:
            raise TransientAdapterError(f"{where}: the scheduler was lost") from error
        if there:
            alone_since = None
            continue
        alone_since = alone_since or time.monotonic()
        if time.monotonic() - alone_since >= _ALONE_S:
            raise TransientAdapterError(
                f"{where} has had no worker for {_ALONE_S:.0f} s", hint="Start some: `dask worker ADDRESS`."
            )


def _raised_there(error: Exception, where: str) -> HeliosPipeError:
    """What it means that a task raised something: ours answer whatever happens."""
    if isinstance(error, (ImportError, AttributeError, TypeError, ValueError)):
        return AdapterError(
            f"the workers of {where} do not have helios-pipe, or another version: {_said(error)}",
            hint="Install the same version there: pip install 'helios-pipe[dask]'.",
        )
    if type(error).__name__ == "KilledWorker":
        return TransientAdapterError(f"{where}: the workers that took the chunk died one after another")
    return TransientAdapterError(f"{where}: {_said(error)}")


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


_HINT = "Is it a Dask scheduler, is it up, and can it be reached from here?"


@contextmanager
def _told_of(config: DaskConfig, kind: type[TransientAdapterError] = TransientAdapterError) -> Iterator[None]:
    """Says what it means that the scheduler could not be talked to: mostly an error of this kind."""
    try:
        yield
    except (HeliosPipeError, CancelledCallError):
        raise
    except (TypeError, ValueError, ImportError) as error:
        hint = "An address looks like tcp://10.0.0.5:8786."
        raise AdapterError(f"{config.where}: {_said(error)}", hint=hint) from error
    except Exception as error:
        raise kind(f"{config.where}: {_said(error)}", hint=_HINT) from error


def _caller() -> Callable[[str, Task], tuple[int, Body]]:
    """What calls a function by its name. It travels as code, so that a scheduler which has nothing of ours can pass it on."""

    def call(name: str, task: Task) -> tuple[int, Body]:
        from importlib import import_module

        module, _, function = name.rpartition(".")
        found: tuple[int, Body] = getattr(import_module(module), function)(task)
        return found

    return call
