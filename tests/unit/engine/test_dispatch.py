"""What ends in quick succession is gathered; what does not is told at once."""

from __future__ import annotations

from collections.abc import Iterable
from queue import SimpleQueue
from threading import Event

from helios_pipe.action.model import Action, Output, Step
from helios_pipe.engine.dispatch import Dispatcher
from helios_pipe.engine.pool import Pool
from helios_pipe.engine.slot import Ended, Flight, Message
from helios_pipe.engine.work import JobWork, Task
from helios_pipe.graph.nodes import JobNodes
from helios_pipe.manifest.model import Job
from helios_pipe.ports import Outcome

WORK = JobWork(JobNodes(Job("zoom", ("jobs", "zoom")), (), ()))
STEP = Action("zoom", "chunk", (), Output("c.mp4"))


class Idle:
    """A runner that nobody gets to."""

    prepares = False
    relay = None

    def prepare(self, steps: Iterable[Step]) -> None:
        raise AssertionError

    def run(self, step: Step, attempt: int, cancel: Event) -> Outcome:
        raise AssertionError

    def close(self) -> None:
        pass


class Slots(Pool):
    """Two slots that only take what they are given."""

    def submit(self, flight: Flight) -> None:
        self.given += 1
        self.flights.append(flight)

    def __init__(self, told: SimpleQueue[Message]) -> None:
        super().__init__(Idle(), 2, told, announce=False)
        self.flights: list[Flight] = []


class Traffic:
    """A dispatcher with a hundred tasks, and a clock that only moves when it is told to, or when it naps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.naps = 0
        self.told: SimpleQueue[Message] = SimpleQueue()
        self.pool = Slots(self.told)
        self.dispatcher = Dispatcher(lambda _: self.pool, lambda _: STEP, self.told, lambda: self.now, self.nap)
        self.dispatcher.add(Task(f"zoom/{at:04d}", "chunk", WORK) for at in range(100))
        self.dispatcher.dispatch()

    def nap(self, seconds: float) -> None:
        self.naps += 1
        self.now += seconds

    def turn(self, ended: int, within_s: float) -> None:
        """So many attempts end within that time, and are collected."""
        self.now += within_s
        for flight in self.pool.flights[:ended]:
            self.told.put(Ended(flight, Outcome()))
        del self.pool.flights[:ended]
        for message in self.dispatcher.collect(1.0):
            assert isinstance(message, Ended)
            self.dispatcher.land(message)
        self.dispatcher.dispatch()


def test_two_slots_are_given_two_tasks_more_than_they_can_make_at_once() -> None:
    traffic = Traffic()
    assert traffic.pool.given == 4
    for _ in range(5):
        traffic.turn(2, within_s=0.05)
    assert traffic.pool.given == 4
    assert traffic.naps == 0


def quick(traffic: Traffic) -> None:
    """An attempt each millisecond, until that is known."""
    for _ in range(8):
        assert traffic.pool.given == 4
        traffic.turn(2, within_s=0.002)


def test_where_attempts_end_every_millisecond_they_are_gathered_and_more_are_given() -> None:
    traffic = Traffic()
    quick(traffic)
    assert traffic.naps == 0  # nobody knew
    assert traffic.pool.given == 20
    traffic.turn(6, within_s=0.0)
    assert traffic.naps == 1
    assert traffic.pool.given == 20


def test_attempts_of_four_milliseconds_are_told_as_they_end() -> None:
    traffic = Traffic()
    for _ in range(20):
        traffic.turn(2, within_s=0.004)
    assert traffic.naps == 0
    assert traffic.pool.given == 4


def test_one_that_takes_its_time_ends_the_gathering() -> None:
    traffic = Traffic()
    quick(traffic)
    traffic.turn(2, within_s=0.05)
    naps = traffic.naps
    traffic.turn(1, within_s=0.02)
    assert traffic.naps == naps
    assert traffic.pool.given <= 20
