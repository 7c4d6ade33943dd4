"""How long a request may still take. Knows nothing of who set the limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_SHARE, _LEAST_S, _MOST_S = 0.1, 0.5, 15.0
"""What is kept back for ending the command, uploading its log and answering: a part of the time, within bounds."""


class Deadline:
    """Counts from its making. `remaining_s` is what the platform says is left; None: no limit."""

    def __init__(self, remaining_s: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        left = math.inf if remaining_s is None else max(0.0, remaining_s)
        self.margin_s = 0.0 if left == math.inf else min(_MOST_S, max(_LEAST_S, left * _SHARE))
        self._end = clock() + left

    def for_command_s(self) -> float | None:
        """Seconds that a command may run from now on, so that there is time to report; None: as long as it likes."""
        left = self._end - self._clock() - self.margin_s
        return None if left == math.inf else max(0.0, left)

    @property
    def grace_s(self) -> float:
        """How long a command that is told to end may take for it."""
        return min(5.0, self.margin_s / 3) if self.margin_s else 5.0
