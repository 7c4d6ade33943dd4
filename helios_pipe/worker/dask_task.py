"""What a worker of a Dask cluster needs beside the chunk itself: the word that its task is cancelled. Knows nothing of chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from helios_pipe.errors import UnusableError

_LISTEN_S = 1.0
"""How long a worker listens to the cluster before it asks anew."""
Task = tuple[str, int, str, str]
"""A job's URL, a chunk's number, the store, and the event of the cluster's that cancels it."""


def distributed_library() -> Any:
    """Dask's. Raises UnusableError where it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise UnusableError("Dask is not installed", hint="pip install 'helios-pipe[dask]'") from error
    return distributed


@contextmanager
def listening(name: str) -> Iterator[Event]:
    """An event of this process's that is set when the cluster's is. To be used in a task."""
    distributed = distributed_library()
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
