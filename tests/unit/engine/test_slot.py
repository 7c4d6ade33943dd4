"""A slot takes in what one command left while the next one runs, where that is worth while; and loses nothing of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread, get_ident

import pytest

from helios_pipe.action.model import Action, Output, Step
from helios_pipe.digest import Digest
from helios_pipe.engine.pool import Pool
from helios_pipe.engine.slot import Ended, Flight, Message, Started
from helios_pipe.engine.work import JobWork, Task
from helios_pipe.errors import StoreError, TransientStoreError
from helios_pipe.graph.nodes import JobNodes
from helios_pipe.manifest.model import Job
from helios_pipe.ports import FailureClass, Outcome, Rest

SOON_S = 20.0
WORK, OTHER = (JobWork(JobNodes(Job(name, ("jobs", name)), (), ())) for name in ("zoom", "pan"))
GOOD = Outcome(Digest("d" * 64))


class Relay:
    """A runner whose commands are over at once. It notes in `done` what is done, and gates whoever begins: `begin NODE` waits
    for a permit where the node has one in `gates`."""

    prepares = False

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gates: dict[str, Event] = {}
        self.rests: dict[str, Callable[[], Outcome]] = {}
        self.failing: set[str] = set()
        self.after: dict[str, Callable[[], None]] = {}
        self.threads: dict[str, int] = {}
        """Which one ran which command."""
        self.silent = self.elsewhere = False

    @property
    def relay(self) -> Relay | None:
        return self

    def prepare(self, steps: Iterable[Step]) -> None:
        raise AssertionError

    def run(self, step: Step, attempt: int, cancel: Event) -> Outcome:
        self.done.append(f"run {step.node}")
        return GOOD

    def begin(self, step: Step, attempt: int, cancel: Event, running: Callable[[], None]) -> Outcome | Rest:
        self.done.append(f"begin {step.node}")
        self.threads[step.node] = get_ident()
        if step.node in self.gates:
            assert self.gates[step.node].wait(SOON_S)
        if self.elsewhere:
            thread = Thread(target=running)
            thread.start()
            thread.join()
        elif not self.silent:
            running()
        self.after.get(step.node, lambda: None)()
        self.done.append(f"end {step.node}")
        if step.node in self.failing:
            return Outcome(failure=FailureClass.COMMAND, reason="exit code 1")
        return lambda: self._rest(step.node)

    def _rest(self, node: str) -> Outcome:
        self.done.append(f"rest {node}")
        return self.rests.get(node, lambda: GOOD)()

    def close(self) -> None:
        self.done.append("close")


class Plain(Relay):
    """One that does not tell when its commands run."""

    @property
    def relay(self) -> Relay | None:
        return None


class Bench:
    """One slot, or more. The first attempt is held until all are given, so that what is next is there when it ends."""

    def __init__(self, runner: Relay, *, swift: bool, announce: bool = True, slots: int = 1) -> None:
        self.runner = runner
        self.told: SimpleQueue[Message] = SimpleQueue()
        self.pool = Pool(runner, slots, self.told, announce=announce)
        self.heard: list[Message] = []
        self.pool.pace(swift=swift)

    def give(self, *nodes: str, others: tuple[str, ...] = ()) -> None:
        first = self.runner.gates.setdefault(nodes[0], Event())
        for node in nodes:
            task = Task(node, "chunk", OTHER if node in others else WORK)
            self.pool.submit(Flight(task, Action(node, "chunk", (), Output("c.mp4")), 1))
        first.set()

    def hear(self, count: int) -> list[str]:
        """So many words of the slot."""
        self.heard = [self.told.get(timeout=SOON_S) for _ in range(count)]
        return [shown(message) for message in self.heard]

    def decide(self) -> None:
        """On the failures that were heard of last."""
        for message in self.heard:
            if isinstance(message, Ended) and message.outcome.digest is None:
                message.flight.decided()


def shown(message: Message) -> str:
    if isinstance(message, Started):
        return f"started {message.flight.task.name}"
    assert isinstance(message, Ended)
    outcome = message.outcome
    return f"ended {message.task.name}" + ("" if outcome.digest else f" {outcome.failure}")


@contextmanager
def bench(runner: Relay, *, swift: bool, announce: bool = True, slots: int = 1) -> Iterator[Bench]:
    made = Bench(runner, swift=swift, announce=announce, slots=slots)
    try:
        yield made
    finally:
        made.pool.close()


def test_in_quick_succession_the_rest_is_done_when_the_next_command_runs() -> None:
    with bench(Relay(), swift=True) as slot:
        slot.give("a", "b")
        assert slot.hear(4) == ["started a", "ended a", "started b", "ended b"]
    assert slot.runner.done == ["begin a", "end a", "begin b", "rest a", "end b", "rest b", "close"]


def test_otherwise_it_is_done_at_once() -> None:
    with bench(Relay(), swift=False) as slot:
        slot.give("a", "b")
        assert slot.hear(4) == ["started a", "ended a", "started b", "ended b"]
    assert slot.runner.done == ["begin a", "end a", "rest a", "begin b", "end b", "rest b", "close"]


def test_where_nothing_is_next_it_is_done_at_once() -> None:
    with bench(Relay(), swift=True, announce=False) as slot:
        slot.give("a")
        assert slot.hear(1) == ["ended a"]


def test_the_preparation_of_another_job_is_not_waited_for() -> None:
    """It may take long: its inputs may not even be there yet."""
    with bench(Relay(), swift=True, announce=False) as slot:
        slot.give("a", "b", others=("b",))
        slot.hear(2)
    assert slot.runner.done == ["begin a", "end a", "rest a", "begin b", "end b", "rest b", "close"]


def test_where_the_next_one_never_runs_nothing_is_forgotten() -> None:
    runner = Relay()
    runner.silent = True
    with bench(runner, swift=True) as slot:
        slot.give("a", "b")
        assert slot.hear(4) == ["started a", "ended a", "started b", "ended b"]
    assert runner.done == ["begin a", "end a", "begin b", "end b", "rest a", "rest b", "close"]


def test_a_runner_that_cannot_tell_makes_one_attempt_after_the_other() -> None:
    with bench(Plain(), swift=True, announce=False) as slot:
        slot.give("a", "b")
        slot.hear(2)
    assert slot.runner.done == ["run a", "run b", "close"]


def test_after_a_failure_nothing_begins_until_it_was_decided_on() -> None:
    runner = Relay()
    runner.failing = {"a"}
    with bench(runner, swift=True, announce=False) as slot:
        slot.give("a", "b")
        assert slot.hear(1) == ["ended a command"]
        assert slot.pool.take_back()[0].task.name == "b"
        slot.decide()
    assert runner.done == ["begin a", "end a", "close"]


@pytest.mark.parametrize(
    ("error", "failure"),
    [(StoreError("no"), "fatal"), (TransientStoreError("not now"), "infrastructure"), (ZeroDivisionError(), "fatal")],
)
def test_what_goes_wrong_with_the_rest_does_not_touch_the_command_that_runs(error: Exception, failure: str) -> None:
    """It is told as that attempt's end; the one that runs comes to its own, and then nothing begins until it was decided on."""
    runner = Relay()

    def broken() -> Outcome:
        raise error

    runner.rests["a"] = broken
    with bench(runner, swift=True, announce=False) as slot:
        slot.give("a", "b", "c")
        assert slot.hear(2) == [f"ended a {failure}", "ended b"]
        assert [flight.task.name for flight in slot.pool.take_back()] == ["c"]
        slot.decide()
    assert runner.done == ["begin a", "end a", "begin b", "rest a", "end b", "rest b", "close"]


@pytest.mark.parametrize("why", ["another job", "slower now"])
def test_a_failure_before_the_next_one_begins_is_decided_on_first(why: str) -> None:
    """It was taken out of the queue already: it is put back, where it can be taken from."""
    runner = Relay()
    with bench(runner, swift=True, announce=False) as slot:

        def broken() -> Outcome:
            raise StoreError("the disk is full")

        def slower() -> None:
            slot.pool.pace(swift=False)

        runner.rests["a"] = broken
        runner.after["a"] = slower if why == "slower now" else lambda: None
        slot.give("a", "b", others=("b",) if why == "another job" else ())
        assert slot.hear(1) == ["ended a fatal"]
        assert [flight.task.name for flight in wait_for(slot.pool.take_back)] == ["b"]
        slot.decide()
    assert runner.done == ["begin a", "end a", "rest a", "close"]


def wait_for(look: Callable[[], list[Flight]]) -> list[Flight]:
    until = time.monotonic() + SOON_S
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.001)
    return found


def test_a_slot_waits_for_the_decision_on_its_own_failure() -> None:
    """That on another slot's is none on this one's: it may be tried again, and this one be the end of the run."""
    runner = Relay()
    runner.failing = {"a", "b"}
    with bench(runner, swift=False, announce=False, slots=2) as slot:
        slot.give("a", "b", "c", "d")
        first, second = slot.hear(2)
        assert {first, second} == {"ended a command", "ended b command"}
        one, other = slot.heard
        assert isinstance(one, Ended)
        assert isinstance(other, Ended)
        one.flight.decided()
        slot.hear(2)  # c and d, both by the one slot
        slot.give("e")
        slot.hear(1)
        other.flight.decided()
    assert runner.threads["c"] == runner.threads["d"] == runner.threads["e"] == runner.threads[one.task.name]


def test_only_the_slots_own_thread_is_heard() -> None:
    """An adapter may run a command in a thread of its own, and give it up."""
    runner = Relay()
    runner.elsewhere = True
    with bench(runner, swift=True, announce=False) as slot:
        slot.give("a", "b")
        assert slot.hear(2) == ["ended a", "ended b"]
    assert runner.done == ["begin a", "end a", "begin b", "end b", "rest a", "rest b", "close"]


def test_what_is_left_when_the_slots_are_closed_is_done_first() -> None:
    """And so it is told, for whoever still listens."""
    runner = Relay()
    slot = Bench(runner, swift=True, announce=False)
    held = runner.gates.setdefault("b", Event())
    slot.give("a", "b")
    until = time.monotonic() + SOON_S
    while "begin b" not in runner.done and time.monotonic() < until:
        time.sleep(0.001)
    slot.pool._desk.inbox.put(None)  # as `close` does, which waits
    held.set()
    slot.pool.close()
    assert runner.done == ["begin a", "end a", "begin b", "rest a", "end b", "rest b", "close"]
    assert slot.hear(2) == ["ended a", "ended b"]
