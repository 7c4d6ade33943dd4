"""The slots of one adapter, and what they are given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

from helios_pipe.action.model import Step
from helios_pipe.engine.slot import Desk, Flight, Message, Slot
from helios_pipe.errors import HeliosPipeError
from helios_pipe.ports import ActionRunner


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
        self._desk = Desk(runner, told, clock, announce=announce)
        self._flying: set[Flight] = set()
        self._slots: list[tuple[Slot, Thread]] = []

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

    def pace(self, *, swift: bool) -> None:
        """Whether attempts end in quick succession: then each millisecond between two commands counts."""
        self._desk.swift = swift

    def submit(self, flight: Flight) -> None:
        """Give it an attempt; it answers with Ended."""
        self.given += 1
        self._flying.add(flight)
        if len(self._slots) < min(self.size, self.given):
            slot = Slot(self._desk)
            thread = Thread(target=slot.serve, name=f"slot-{len(self._slots)}", daemon=True)
            self._slots.append((slot, thread))
            thread.start()
        self._desk.inbox.put(flight)

    def landed(self, flight: Flight) -> None:
        """The loop has heard that the attempt ended."""
        self.given -= 1
        self._flying.discard(flight)

    def take_back(self) -> list[Flight]:
        """The attempts that no slot has taken up yet."""
        back: list[Flight] = []
        while True:
            try:
                flight = self._desk.inbox.get_nowait()
            except Empty:
                return back
            if flight is not None:
                self.landed(flight)
                back.append(flight)

    def cancel(self) -> None:
        """End every attempt that is under way."""
        for flight in self._flying:
            flight.cancel.set()

    def close(self) -> None:
        """End the slots when they are through with what they are at, and give back what the runner holds. What no slot has
        taken up is left."""
        self._desk.closed = True
        self.take_back()
        for slot, _ in self._slots:
            slot.let_go()
            self._desk.inbox.put(None)
        for _, thread in self._slots:
            thread.join()
        self._slots.clear()
        self._runner.close()
