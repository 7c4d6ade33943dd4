"""A call that cannot be interrupted, made interruptible. Knows nothing of what is called.

SDKs block until their answer comes, for up to fifteen minutes. A call runs in a thread of its own; whoever waits for it
stops waiting when the cancel event is set, and the answer is thrown away when it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import TypeVar

Answer = TypeVar("Answer")
_TICK_S = 0.1


class CancelledCallError(Exception):
    """The cancel event was set before the answer came."""


class Calls:
    """Makes calls. Thread-safe. One thread looks after all cancel events, however many calls are under way."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[_Call, Event] = {}
        self._watcher: Thread | None = None

    def make(self, function: Callable[[], Answer], cancel: Event | None) -> Answer:
        """What `function` returns or raises. Raises CancelledCallError once `cancel` is set."""
        if cancel is None:
            return function()
        if cancel.is_set():
            raise CancelledCallError
        call = _Call(function)
        with self._lock:
            self._waiting[call] = cancel
            if self._watcher is None:
                self._watcher = Thread(target=self._watch, name="calls", daemon=True)
                self._watcher.start()
        try:
            Thread(target=call.run, name="call", daemon=True).start()
            call.done.wait()
        finally:
            with self._lock:
                del self._waiting[call]
        if call.error is not None:
            raise call.error
        return call.answer  # type: ignore[return-value]

    def _watch(self) -> None:
        idle_since = time.monotonic()
        while True:
            time.sleep(_TICK_S)
            with self._lock:
                for call, cancel in self._waiting.items():
                    if cancel.is_set():
                        call.give_up()
                if self._waiting:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > 10:
                    self._watcher = None
                    return


class _Call:
    """One call under way."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self.done = Event()
        self.answer: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            answer = self._function()
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            if not self.done.is_set():
                self.error = error
        else:
            self.answer = answer
        self.done.set()

    def give_up(self) -> None:
        if not self.done.is_set():
            self.error = CancelledCallError()
            self.done.set()
