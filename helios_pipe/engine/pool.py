"""Slots: threads that each make one attempt at a time through one runner. Knows nothing of what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread

from helios_pipe.action.model import Step
from helios_pipe.engine.work import Task
from helios_pipe.errors import HeliosPipeError
from helios_pipe.ports import ActionRunner, FailureClass, Outcome


@dataclass(frozen=True, slots=True)
class Started:
    """A slot took up a task."""

    task: Task


@dataclass(frozen=True, slots=True)
class Ended:
    """A slot is done with a task. `crash` is an error that nobody foresaw."""

    task: Task
    outcome: Outcome
    crash: BaseException | None = None


Message = Started | Ended | None
"""What a slot tells the loop; None only wakes it."""


class Pool:
    """The slots of one adapter. A few tasks more than there are slots may be given, so that none waits for the loop."""

    def __init__(self, runner: ActionRunner, size: int, told: SimpleQueue[Message], *, announce: bool) -> None:
        self.size = size
        self.given = 0
        self.cancel = Event()
        self._runner = runner
        self._told = told
        self._announce = announce
        self._inbox: SimpleQueue[tuple[Task, Step, int] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._handled = Semaphore(0)

    @property
    def room(self) -> int:
        """How many more tasks it takes now."""
        return 2 * self.size - self.given

    def submit(self, task: Task, step: Step, attempt: int) -> None:
        """Give it a task; it answers with Ended."""
        self.given += 1
        if len(self._threads) < min(self.size, self.given):
            thread = Thread(target=self._serve, name=f"slot-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._inbox.put((task, step, attempt))

    def take_back(self) -> list[Task]:
        """The tasks that no slot has taken up yet."""
        back: list[Task] = []
        while True:
            try:
                item = self._inbox.get_nowait()
            except Empty:
                self.given -= len(back)
                return back
            if item is not None:
                back.append(item[0])

    def failure_handled(self) -> None:
        """The loop has decided what a failure means: its slot may go on."""
        self._handled.release()

    def close(self) -> None:
        """End the slots when they are through, and give back what the runner holds."""
        self._handled.release(max(1, len(self._threads)))
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._runner.close()

    def _serve(self) -> None:
        while (item := self._inbox.get()) is not None:
            task, step, attempt = item
            if self._announce:
                self._told.put(Started(task))
            ended = self._try(task, step, attempt)
            self._told.put(ended)
            if ended.outcome.digest is None:
                self._handled.acquire()  # the first failure may be the last thing that is done

    def _try(self, task: Task, step: Step, attempt: int) -> Ended:
        try:
            return Ended(task, self._runner.run(step, attempt, self.cancel))
        except HeliosPipeError as error:
            kind = FailureClass.INFRASTRUCTURE if error.retryable else FailureClass.FATAL
            return Ended(task, Outcome(failure=kind, reason=str(error)))
        except BaseException as error:  # noqa: BLE001 - a slot must not die in silence: the loop raises it
            return Ended(task, Outcome(failure=FailureClass.FATAL, reason=repr(error)), error)
