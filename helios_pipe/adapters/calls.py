"""Calls that block, made interruptible. Knows nothing of what is called.

An answer may take up to an hour, and whoever waits for it stops waiting when the cancel event is set. What can be broken
off from outside is called where it is; what cannot has a thread of its own, and the answer is thrown away when it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
_TICK_S = 0.1
_IDLE_S = 10.0


class CancelledCallError(Exception):
    """The cancel event was set before the answer came."""


class Calls:
    """Makes calls. Thread-safe. One thread looks after all cancel events, however many calls are under way."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[_Waiter, Event] = {}
        self._watcher: Thread | None = None
        self._hands = _Hands()

    def make(self, function: Callable[[], Answer], cancel: Event | None) -> Answer:
        """What `function` returns or raises, called in another thread. Raises CancelledCallError once `cancel` is set."""
        return function() if cancel is None else self.wait(lambda: self.begin(function), cancel)

    def make_here(
        self, function: Callable[[], Answer], cancel: Event | None, break_off: Callable[[], object]
    ) -> Answer:
        """The same in the caller's thread: passing it on costs as much as a request. Once `cancel` is set, `break_off` is
        called, again and again until `function` has ended. What that returns or raises then is no answer, for what is broken
        off may look like an end: CancelledCallError."""
        if cancel is None:
            return function()
        call = _Waiter(break_off)
        with self._watched(call, cancel):
            try:
                answer = function()
            except Exception as error:
                if call.given_up:
                    raise CancelledCallError from error
                raise
        if call.given_up:
            raise CancelledCallError
        return answer

    def begin(self, function: Callable[[], Answer]) -> Future[Answer]:
        """What `function` will return or raise, called in another thread."""
        answer: Future[Answer] = Future()
        self._hands.give(lambda: _fulfil(answer, function))
        return answer

    def wait(self, begun: Callable[[], Future[Answer]], cancel: Event) -> Answer:
        """The answer to what `begun` begins, or has begun before, unless `cancel` is set already."""
        done = Event()
        call = _Waiter(done.set)
        with self._watched(call, cancel):
            answer = begun()
            answer.add_done_callback(lambda _: done.set())
            done.wait()
        if not answer.done():
            raise CancelledCallError
        return answer.result()

    @contextmanager
    def _watched(self, call: _Waiter, cancel: Event) -> Iterator[None]:
        if cancel.is_set():
            raise CancelledCallError
        with self._lock:
            self._waiting[call] = cancel
            if self._watcher is None:
                self._watcher = Thread(target=self._watch, name="calls", daemon=True)
                self._watcher.start()
        try:
            yield
        finally:
            with self._lock:
                del self._waiting[call]

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
                elif time.monotonic() - idle_since > _IDLE_S:
                    self._watcher = None
                    return


class Once(Generic[Answer]):
    """What all calls need and the first one makes, in another thread, as it may hang. Where that fails, the next call tries
    again."""

    def __init__(self, calls: Calls, function: Callable[[], Answer]) -> None:
        self._calls = calls
        self._function = function
        self._lock = Lock()
        self._answer: Future[Answer] | None = None

    def get(self, cancel: Event | None) -> Answer:
        """What `function` returned or raises. Raises CancelledCallError once `cancel` is set."""
        answer = self._begun()
        return answer.result() if cancel is None or answer.done() else self._calls.wait(lambda: answer, cancel)

    def _begun(self) -> Future[Answer]:
        with self._lock:
            answer = self._answer
            if answer is None or (answer.done() and answer.exception() is not None):
                answer = self._answer = self._calls.begin(self._function)
            return answer


class _Waiter:
    """Somebody who waits for a call."""

    def __init__(self, give_up: Callable[[], object]) -> None:
        self._give_up = give_up
        self.given_up = False

    def give_up(self) -> None:
        self.given_up = True
        self._give_up()


class _Hands:
    """Threads for what may hang. One that has nothing to do takes the next call, and ends when there is none for a while."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._todo: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._free = 0

    def give(self, work: Callable[[], None]) -> None:
        with self._lock:
            found = self._free > 0
            self._free -= found
        self._todo.put(work)
        if not found:
            Thread(target=self._work, name="call", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                work = self._todo.get(timeout=_IDLE_S)
            except Empty:
                with self._lock:
                    if self._free:
                        self._free -= 1
                        return
                continue  # somebody counts on this thread already
            work()
            del work  # what it holds is not ours to keep
            with self._lock:
                self._free += 1


def _fulfil(answer: Future[Answer], function: Callable[[], Answer]) -> None:
    try:
        found = function()
    except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
        answer.set_exception(error)
    else:
        answer.set_result(found)
