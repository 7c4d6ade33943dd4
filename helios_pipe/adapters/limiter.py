"""How many calls may be under way at once, found out by what the other side says. Knows nothing of what is called.

As TCP does it: a throttle cuts the window, each answer opens it a little, so that it stays near what the other side takes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Condition, Event

_CUT = 0.7
_TICK_S = 0.25
_BASE_S, _CAP_S = 0.25, 20.0


class AdaptiveLimiter:
    """A window of calls, shared by threads. It begins as wide as it may become: `most`."""

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._most = float(max(1, most))
        self._clock = clock
        self._random = random
        self._changed = Condition()
        self._window = self._most
        self._under_way = 0
        self._epoch = 0
        self._throttles = 0
        self._not_before = clock()
        self._progress = clock()

    @property
    def window(self) -> float:
        """How many calls may be under way just now."""
        return self._window

    def enter(self, cancel: Event | None = None) -> int | None:
        """Wait for a place, and take it. What is returned is to be given back; None: cancelled, no place taken."""
        with self._changed:
            if not self._under_way and not self._throttles:
                self._progress = self._clock()  # nobody was starved while nobody called
            while True:
                if cancel is not None and cancel.is_set():
                    return None
                pause = self._not_before - self._clock()
                if pause <= 0 and self._under_way < max(1, int(self._window)):
                    self._under_way += 1
                    return self._epoch
                self._changed.wait(min(_TICK_S, pause) if pause > 0 else _TICK_S)

    def leave(self, throttled: bool, place: int, retry_after_s: float | None = None) -> None:
        """Give the place back, and say how the call went. Many calls are throttled together: they count once."""
        with self._changed:
            self._under_way -= 1
            if not throttled:
                self._throttles = 0
                self._progress = self._clock()
                self._window = min(self._most, self._window + 1 / self._window)
            elif place == self._epoch:
                self._epoch += 1
                self._throttles += 1
                self._window = max(1.0, min(self._window, self._under_way + 1.0) * _CUT)
                self._not_before = self._clock() + self._pause(retry_after_s)
            self._changed.notify_all()

    def starved_s(self) -> float:
        """For how long no call has gone well, though calls were made."""
        return self._clock() - self._progress

    def _pause(self, asked_s: float | None) -> float:
        backoff = min(_CAP_S, _BASE_S * 2.0 ** min(self._throttles - 1, 10)) * (0.5 + self._random() / 2)
        return max(backoff, min(asked_s or 0.0, 60.0))
