"""Trying again what time may mend. Knows nothing of what is tried; decides by the error's class, never by its text."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from helios_pipe.errors import TransientStoreError
from helios_pipe.stores.problems import BusyStoreError

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Up to `attempts` tries. The pauses grow by doubling from `base_s` to `cap_s`, and each is cut at a random point, so
    that callers that failed together do not come back together."""

    attempts: int = 6
    base_s: float = 0.2
    cap_s: float = 20.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def call(self, function: Callable[[], Answer], progress: Callable[[], int] = lambda: 0) -> Answer:
        """What `function` returns, at last. A try that moved `progress` forward does not count against the limit: a
        download that goes on where it broke may break any number of times."""
        failures, reached = 0, progress()
        while True:
            try:
                return function()
            except TransientStoreError as error:
                now = progress()
                failures = 1 if now > reached else failures + 1
                reached = max(reached, now)
                if failures >= self.attempts:
                    raise
                self.sleep(self.pause(failures, error))

    def pause(self, failures: int, error: TransientStoreError) -> float:
        """Seconds to wait after so many failures in a row."""
        asked = error.retry_after_s if isinstance(error, BusyStoreError) else 0.0
        jittered = min(self.cap_s, self.base_s * 2.0 ** (failures - 1)) * (0.5 + self.random() / 2)
        return max(min(asked, 60.0), jittered)


PATIENT = Backoff()
"""For stores: some five seconds of pauses altogether, unless the store asks for more."""
