"""Slots: threads that each make one attempt at a time through one runner. Knows nothing of what comes next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread

from helios_pipe.action.model import Step
from helios_pipe.engine.work import Task
from helios_pipe.errors import HeliosPipeError
from helios_pipe.ports import ActionRunner, FailureClass, Outcome
from helios_pipe.tuples import NamedTuple


class Flight:
    """One attempt at a task, on its way. `began` (monotonic seconds) is None until a slot takes it up; a `copy` was started
    while another attempt at the same task was under way."""

    __slots__ = ("attempt", "began", "cancel", "copy", "step", "task")

    def __init__(self, task: Task, step: Step, attempt: int, copy: bool = False, began: float | None = None) -> None:
        self.task, self.step, self.attempt, self.copy, self.began = task, step, attempt, copy, began
        self.cancel = Event()


class Started(NamedTuple):
    """A slot took up an attempt."""

    flight: Flight


class Ended(NamedTuple):
    """A slot is done with an attempt. `crash` is an error that nobody foresaw."""

    flight: Flight
    outcome: Outcome
    crash: BaseException | None = None

    @property
    def task(self) -> Task:
        """What was attempted."""
        return self.flight.task


Message = Started | Ended | None
"""What a slot tells the loop; None only wakes it."""


class Pool:
    """The slots of one adapter. A few tasks more than there are slots may be given, so that none waits for the loop. With
    `hedges`, a second copy of a straggler is worth its price here even where nobody asked for one."""

    def __init__(
        self,
        runner: ActionRunner,
        size: int,
        told: SimpleQueue[Message],
        *,
        announce: bool,
        hedges: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.given = 0
        self.hedges = hedges
        self._runner = runner
        self._told = told
        self._announce = announce
        self._clock = clock
        self._inbox: SimpleQueue[Flight | None] = SimpleQueue()
        self._flying: set[Flight] = set()
        self._threads: list[Thread] = []
        self._handled = Semaphore(0)
        self._closed = False

    def room(self, depth: int) -> int:
        """How many more tasks it takes now, where it may be given `depth` times as many as it has slots."""
        return depth * self.size - self.given

    @property
    def idle(self) -> int:
        """How many slots have nothing to do."""
        return max(0, self.size - self.given)

    @property
    def prepares(self) -> bool:
        """Whether it wants to hear of tasks before it is given them."""
        return self._runner.prepares

    def prepare(self, steps: Iterable[Step]) -> None:
        """These may be given next. Where that goes wrong it will again when they are given, and is told then."""
        with suppress(HeliosPipeError):
            self._runner.prepare(steps)

    def submit(self, flight: Flight) -> None:
        """Give it an attempt; it answers with Ended."""
        self.given += 1
        self._flying.add(flight)
        if len(self._threads) < min(self.size, self.given):
            thread = Thread(target=self._serve, name=f"slot-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._inbox.put(flight)

    def landed(self, flight: Flight) -> None:
        """The loop has heard that the attempt ended."""
        self.given -= 1
        self._flying.discard(flight)

    def take_back(self) -> list[Flight]:
        """The attempts that no slot has taken up yet."""
        back: list[Flight] = []
        while True:
            try:
                flight = self._inbox.get_nowait()
            except Empty:
                return back
            if flight is not None:
                self.landed(flight)
                back.append(flight)

    def cancel(self) -> None:
        """End every attempt that is under way."""
        for flight in self._flying:
            flight.cancel.set()

    def failure_handled(self) -> None:
        """The loop has decided what a failure means: its slot may go on."""
        self._handled.release()

    def close(self) -> None:
        """End the slots when they are through with what they are at, and give back what the runner holds. What no slot has
        taken up is left."""
        self._closed = True
        self.take_back()
        self._handled.release(max(1, len(self._threads)))
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._runner.close()

    def _serve(self) -> None:
        while (flight := self._inbox.get()) is not None:
            flight.began = self._clock()
            if self._announce:
                self._told.put(Started(flight))
            ended = self._try(flight)
            self._told.put(ended)
            if ended.outcome.digest is None and not self._closed:
                self._handled.acquire()  # the first failure may be the last thing that is done

    def _try(self, flight: Flight) -> Ended:
        try:
            return Ended(flight, self._runner.run(flight.step, flight.attempt, flight.cancel))
        except HeliosPipeError as error:
            kind = FailureClass.INFRASTRUCTURE if error.retryable else FailureClass.FATAL
            return Ended(flight, Outcome(failure=kind, reason=str(error)))
        except BaseException as error:  # noqa: BLE001 - a slot must not die in silence: the loop raises it
            return Ended(flight, Outcome(failure=FailureClass.FATAL, reason=repr(error)), error)
