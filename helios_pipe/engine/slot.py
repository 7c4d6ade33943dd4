"""A slot: a thread that makes one attempt at a time through one runner. Knows nothing of what comes next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, get_ident

from helios_pipe.action.model import Step
from helios_pipe.engine.work import Task
from helios_pipe.errors import HeliosPipeError
from helios_pipe.ports import ActionRunner, FailureClass, Outcome, Rest
from helios_pipe.texts import encodable
from helios_pipe.tuples import NamedTuple


def _nobody_waits() -> None:
    """What there is to do when an attempt was decided on that did not fail."""


class Flight:
    """One attempt at a task, on its way. `began` (monotonic seconds) is None until a slot takes it up; a `copy` was started
    while another attempt at the same task was under way. Where it failed, its slot waits until it is told that this was `decided`
    on."""

    __slots__ = ("attempt", "began", "cancel", "copy", "decided", "step", "task")

    def __init__(self, task: Task, step: Step, attempt: int, copy: bool = False, began: float | None = None) -> None:
        self.task, self.step, self.attempt, self.copy, self.began = task, step, attempt, copy, began
        self.cancel = Event()
        self.decided: Callable[[], None] = _nobody_waits


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


class Desk:
    """What the slots of a pool share. `swift`: attempts end in quick succession."""

    def __init__(
        self, runner: ActionRunner, told: SimpleQueue[Message], clock: Callable[[], float], *, announce: bool
    ) -> None:
        self.told, self.clock, self.announce = told, clock, announce
        self.inbox: SimpleQueue[Flight | None] = SimpleQueue()
        self.swift = self.closed = False
        self._runner = runner
        self._relay = runner.relay

    def begin(self, flight: Flight, running: Callable[[], None]) -> Outcome | Rest:
        """Make the attempt; where the runner relays, what is left to do when its command has ended comes back."""
        if self._relay is None:
            return self._runner.run(flight.step, flight.attempt, flight.cancel)
        return self._relay.begin(flight.step, flight.attempt, flight.cancel, running)


class Slot:
    """One thread of a pool: one attempt after another. Where they end in quick succession, it begins with the next one before it
    takes in what the last one left, and does that while the next one's command runs: else the machine would be idle meanwhile."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._thread = 0
        self._left: tuple[Flight, Rest] | None = None
        """An attempt whose command has ended well, and what is left to do of it."""
        self._unsaid: Flight | None = None
        """An attempt that was taken up, which has not been said yet."""
        self._owed = 0
        """How many failures the loop has to decide on before anything else is begun here."""
        self._decided = Semaphore(0)
        """As many permits as it has decided on."""

    def serve(self) -> None:
        """Until there is no more to come. In a thread of its own."""
        self._thread = get_ident()
        while (flight := self._next()) is not None:
            if self._left is not None and not _alike(flight, self._left[0]):
                self._finish()
                if self._owed:
                    self._desk.inbox.put(flight)  # nothing is begun before that was decided on
                    continue
            flight.began = self._desk.clock()
            self._attempt(flight)
        self._finish()

    def _next(self) -> Flight | None:
        """What is next; None at the end. What is left is done first, unless the next one is there and may be begun."""
        inbox = self._desk.inbox
        if self._left is not None and not self._owed and self._desk.swift:
            try:
                return inbox.get_nowait()
            except Empty:
                pass
        self._finish()
        while self._owed and not self._desk.closed:
            self._decided.acquire()  # the first failure may be the last thing that is done
            self._owed -= 1
        return inbox.get()

    def _attempt(self, flight: Flight) -> None:
        desk = self._desk
        if desk.announce:
            self._unsaid = flight
        if self._left is None:
            self._running()
        came = _tried(flight, partial(desk.begin, flight, self._running))
        self._running()  # if nobody has said so
        if isinstance(came, Ended):
            self._tell(came)
        else:
            self._left = flight, came

    def _running(self) -> None:
        """The command of the attempt that was taken up runs, or is over. Who says so from another thread is not heard."""
        if get_ident() != self._thread:
            return
        self._finish()
        if self._unsaid is not None:
            started, self._unsaid = self._unsaid, None
            self._desk.told.put(Started(started))

    def _finish(self) -> None:
        """Do what is left of the attempt before."""
        if self._left is not None:
            (flight, rest), self._left = self._left, None
            ended = _tried(flight, rest)
            assert isinstance(ended, Ended)
            self._tell(ended)

    def _tell(self, ended: Ended) -> None:
        if ended.outcome.digest is None:
            self._owed += 1
            ended.flight.decided = self._decided.release
        self._desk.told.put(ended)

    def let_go(self) -> None:
        """The desk is closed: wait for no decision any more."""
        self._decided.release()


def _alike(one: Flight, other: Flight) -> bool:
    """Whether to prepare the one takes as long as it took for the other, as far as can be told."""
    return one.task.work is other.task.work and one.task.kind == other.task.kind


def _tried(flight: Flight, make: Callable[[], Outcome | Rest]) -> Ended | Rest:
    try:
        came = make()
    except HeliosPipeError as error:
        kind = FailureClass.INFRASTRUCTURE if error.retryable else FailureClass.FATAL
        return Ended(flight, Outcome(failure=kind, reason=encodable(str(error))))
    except BaseException as error:  # noqa: BLE001 - a slot must not die in silence: the loop raises it
        return Ended(flight, Outcome(failure=FailureClass.FATAL, reason=repr(error)), error)
    return Ended(flight, came) if isinstance(came, Outcome) else came
