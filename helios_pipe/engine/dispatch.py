"""Attempts on their way: what is ready, what waits for its next attempt, what is under way where. Decides neither what is
ready nor what an outcome means."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from itertools import count, islice
from queue import Empty, SimpleQueue

from helios_pipe.action.model import Step
from helios_pipe.engine.pool import Pool
from helios_pipe.engine.slot import Ended, Flight, Message
from helios_pipe.engine.work import State, Task

_SWIFT_ENDS, _SWIFT_S, _NAP_S, _SWIFT_DEPTH = 16, 0.028, 0.004, 10
"""Where so many attempts end within that time, they are gathered for so long, and slots are given so many times as many as they
can make at once: to be woken for each one costs as much as to record it."""
_AHEAD = 1000
"""How many tasks a pool hears of at a time."""


class Dispatcher:
    """Hands tasks to slots, and takes in what they say. For the loop's thread."""

    def __init__(
        self,
        pool_of: Callable[[Task], Pool],
        step_of: Callable[[Task], Step],
        told: SimpleQueue[Message],
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._swift = False
        self._ends: deque[float] = deque(maxlen=_SWIFT_ENDS)
        self._pool_of = pool_of
        self._step_of = step_of
        self._told = told
        self._clock = clock
        self._serial = count()
        self._ready: defaultdict[Pool, deque[Task]] = defaultdict(deque)
        self._later: list[tuple[float, int, Task]] = []
        self._flights: dict[Task, list[Flight]] = {}

    @property
    def flying(self) -> bool:
        """Whether an attempt is under way."""
        return bool(self._flights)

    @property
    def waiting(self) -> bool:
        """Whether a task waits for a slot, or for its next attempt."""
        return any(self._ready.values()) or bool(self._later)

    def add(self, tasks: Iterable[Task]) -> None:
        """These can be attempted now."""
        for task in tasks:
            self._ready[self._pool_of(task)].append(task)

    def add_later(self, task: Task, delay_s: float) -> None:
        """This one can be attempted then."""
        heapq.heappush(self._later, (self._clock() + delay_s, next(self._serial), task))

    def under_way(self) -> list[Flight]:
        """The attempts that slots have taken up."""
        return [flight for flights in self._flights.values() for flight in flights if flight.began is not None]

    def dispatch(self) -> None:
        """Fill the pools."""
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            self.add([heapq.heappop(self._later)[2]])
        depth = _SWIFT_DEPTH if self._swift else 2
        for pool, tasks in self._ready.items():
            pool.pace(swift=self._swift)
            while tasks and pool.room(depth) > 0:
                if pool.prepares and not tasks[0].step:
                    self._prepare(pool, tasks)
                self._send(tasks.popleft(), pool)

    def _prepare(self, pool: Pool, tasks: Iterable[Task]) -> None:
        """Tell the pool of those that come next."""
        coming = list(islice(tasks, _AHEAD))
        for task in coming:
            task.step = task.step or self._step_of(task)
        pool.prepare([task.step for task in coming if task.step])

    def send_copy(self, task: Task) -> bool:
        """Start a second attempt at a task beside the one that is under way; False where no slot is idle."""
        pool = self._pool_of(task)
        if pool.idle:
            self._send(task, pool, copy=True)
            return True
        return False

    def _send(self, task: Task, pool: Pool, *, copy: bool = False) -> None:
        task.attempts += 1
        task.state = State.RUNNING
        flight = Flight(task, task.step or self._step_of(task), task.attempts, copy)
        self._flights.setdefault(task, []).append(flight)
        pool.submit(flight)

    def collect(self, patience_s: float) -> list[Message]:
        """Wait for a word from the slots, for at most so long, then take all that is there."""
        if self._later:
            patience_s = min(patience_s, max(0.0, self._later[0][0] - self._clock()))
        if self._swift:
            self._sleep(_NAP_S)
        messages = self._messages(patience_s)
        now = self._clock()
        self._ends.extend(now for message in messages if isinstance(message, Ended))
        self._swift = len(self._ends) == _SWIFT_ENDS and now - self._ends[0] < _SWIFT_S
        return messages

    def _messages(self, patience_s: float) -> list[Message]:
        messages: list[Message] = []
        try:
            messages.append(self._told.get(timeout=patience_s))
            while True:
                messages.append(self._told.get_nowait())
        except Empty:
            return messages

    def land(self, ended: Ended) -> list[Flight]:
        """An attempt ended. Returns the other attempts at its task that are under way."""
        flight = ended.flight
        self._pool_of(flight.task).landed(flight)
        return self._remove(flight)

    def _remove(self, flight: Flight) -> list[Flight]:
        others = self._flights[flight.task]
        others.remove(flight)
        if not others:
            del self._flights[flight.task]
        return others

    def take_back(self) -> None:
        """What no slot has taken up yet is ready again, as if it had not been given."""
        for pool in self._pools():
            for flight in pool.take_back():
                flight.task.attempts -= 1
                if not self._remove(flight):
                    flight.task.state = State.READY
                    self.add([flight.task])

    def cancel(self) -> None:
        """End what is under way."""
        for pool in self._pools():
            pool.cancel()

    def _pools(self) -> list[Pool]:
        return list({id(pool): pool for pool in map(self._pool_of, self._flights)}.values())
