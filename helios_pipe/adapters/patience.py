"""How long an answer is waited for that a worker owes. Knows nothing of how it is asked.

A worker ends a command at its time limit itself, and answers. Where no answer comes long after that, the worker is lost, or what
is between us is: that is the machinery's failure, not the command's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Event

from helios_pipe.errors import TransientAdapterError
from helios_pipe.ports import FailureClass, WorkerJob, WorkerResult


class Patience(Event):
    """The `cancel` of one call from now on: set when the job is cancelled, or nobody answers any more. `heard` tells when the
    same worker answered anybody last, on the same clock: who has many at once answers one after another."""

    def __init__(
        self,
        job: WorkerJob,
        heard: Callable[[], float] = lambda: -math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._cancel = job.cancel
        self._limit_s = job.timeout_s
        self._most_s = math.inf if job.timeout_s is None else job.timeout_s + job.grace_s
        self._heard = heard
        self._clock = clock
        self._began = clock()

    def is_set(self) -> bool:
        """Whether there is nothing to wait for."""
        return self._cancelled() or self._clock() - max(self._began, self._heard()) > self._most_s

    def given_up(self, worker: str) -> WorkerResult:
        """What the call came to that was broken off. Raises TransientAdapterError where nobody answered."""
        if self._cancelled():
            return WorkerResult(1, failure=FailureClass.CANCELLED, reason="cancelled")
        raise TransientAdapterError(
            f"{worker} has not answered for {round(self._most_s, 1):g} s, though the command may take {self._limit_s:g} s at most"
        )

    def _cancelled(self) -> bool:
        return self._cancel is not None and self._cancel.is_set()
