"""A clock that obeys: time passes only when somebody sleeps on it."""

from __future__ import annotations


class FakeClock:
    """Give `clock` where a clock is wanted and `clock.sleep` where a sleep is; `slept` holds each sleep in seconds."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Return at once, `seconds` later."""
        self.slept.append(seconds)
        self.now += seconds

    advance = sleep
