"""A store and an adapter of which one call, the n-th, goes wrong. Everything else goes to the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from helios_pipe.digest import Digest
from helios_pipe.errors import BlobDamagedError, StoreError, TransientAdapterError, TransientStoreError
from helios_pipe.ports import BlobStore, Capabilities, FailureClass, WorkerAdapter, WorkerJob, WorkerResult

_Value = TypeVar("_Value")


class Turns:
    """Counts calls, over threads; `index` is the one that fails (0: none)."""

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.seen: list[str] = []
        self._lock = Lock()

    def mine(self, what: str) -> bool:
        """Whether this call is the one."""
        with self._lock:
            self.seen.append(what)
            return len(self.seen) == self.index


STORE_FAULTS: dict[str, Callable[[], StoreError]] = {
    "reset": lambda: TransientStoreError("the connection was reset by the peer"),
    "full": lambda: StoreError("507 Insufficient Storage"),
    "refused": lambda: StoreError("403 Forbidden: the key may not write"),
    "malformed": lambda: BlobDamagedError("the reply is no blob: its digest is another"),
}


class FaultyStore:
    """A BlobStore in front of a real one."""

    def __init__(self, real: BlobStore, turns: Turns, fault: Callable[[], StoreError]) -> None:
        self.url = real.url
        self._real, self._turns, self._fault = real, turns, fault

    def _call(self, what: str, call: Callable[[], _Value]) -> _Value:
        if self._turns.mine(what):
            raise self._fault()
        return call()

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        wanted = list(digests)
        return self._call("missing", lambda: self._real.missing(wanted))

    def put(self, digest: Digest, source: Path) -> None:
        self._call("put", lambda: self._real.put(digest, source))

    def get(self, digest: Digest, target: Path) -> None:
        self._call("get", lambda: self._real.get(digest, target))

    def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        return self._call("put_object", lambda: self._real.put_object(name, data, if_absent=if_absent))

    def get_object(self, name: str) -> bytes | None:
        return self._call("get_object", lambda: self._real.get_object(name))

    def delete_object(self, name: str) -> None:
        self._call("delete_object", lambda: self._real.delete_object(name))

    def list_objects(self, prefix: str) -> list[str]:
        return self._call("list_objects", lambda: self._real.list_objects(prefix))


def _raising(error: Exception) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


ADAPTER_FAULTS: dict[str, Callable[[], Any]] = {
    "reset": _raising(ConnectionResetError("the connection was reset by the peer")),
    "timed out": _raising(TimeoutError("no answer in time")),
    "5xx": _raising(TransientAdapterError("502 Bad Gateway")),
    "no reply": lambda: None,
    "malformed": lambda: {"statusCode": 200},
    "preempted": lambda: WorkerResult(1, failure=FailureClass.PREEMPTED, reason="the instance was taken away"),
    "empty-handed": lambda: WorkerResult(0),
}


class FaultyAdapter:
    """A WorkerAdapter in front of a real one."""

    def __init__(self, real: WorkerAdapter, turns: Turns, fault: Callable[[], Any]) -> None:
        self.capabilities: Capabilities = real.capabilities
        self._real, self._turns, self._fault = real, turns, fault

    def execute(self, job: WorkerJob) -> WorkerResult:
        if self._turns.mine(str(job.meta.get("node"))):
            found: WorkerResult = self._fault()
            return found
        return self._real.execute(job)
