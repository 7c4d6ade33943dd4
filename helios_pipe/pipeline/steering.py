"""Who may tell a run to stop: signals, other terminals, the caller's own code. Knows nothing of what the run does."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from helios_pipe.engine.options import Asked, Stop
from helios_pipe.errors import StoreError
from helios_pipe.jobs.journal import Entry, Journal

TERM_GRACE_S = 4.0
"""After SIGTERM, what runs may come to its end for so long. Then it is ended, which takes as long again at most: whoever
sent it (a container's runtime, a batch system) kills us after ten seconds."""
_PATIENT_PRESSES = 2

_VERBS = {
    "pause": (Asked(Stop.PAUSE), "pausing"),
    "pause now": (Asked(Stop.PAUSE, now=True), "pausing"),
    "cancel": (Asked(Stop.CANCEL, now=True), "cancelling"),
    "resume": (Asked(None), "running"),
}

Own = Callable[[], Asked | None]
"""What the caller's own code asks for now."""


class Steering:
    """What is asked of one run. `wake` is called when a signal came, from within its handler."""

    def __init__(self, journal: Journal, job: str, wake: Callable[[], None], own: Own | None = None) -> None:
        self._journal = journal
        self._job = job
        self._wake = wake
        self._own = own
        self._signals: list[Stop] = []
        self._term_at = 0.0
        self._heard = 0

    def asked(self, entry: Entry) -> Asked | None:
        """The strongest word there is: a signal's, our caller's, another terminal's; None where nobody said anything."""
        if self._signals:
            return self._by_signal()
        if self._own is not None and (asked := self._own()) is not None:
            return asked
        word = self._journal.control(self._job, entry)
        if word is None:
            return None
        asked, state = _VERBS.get(word.detail, (None, ""))
        if asked is not None and word.id != self._heard:
            self._heard = word.id
            self._answer(entry, state)
        return asked

    def _answer(self, entry: Entry, state: str) -> None:
        try:
            self._journal.note(self._job, entry.run, state, "", time.time())
        except StoreError:
            pass  # it is done all the same; whoever asked sees it by the run's end

    def _by_signal(self) -> Asked:
        if Stop.INTERRUPT in self._signals:
            return Asked(Stop.INTERRUPT, now=len(self._signals) > 1)
        return Asked(Stop.TERMINATE, now=len(self._signals) > 1 or time.monotonic() > self._term_at + TERM_GRACE_S)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Ctrl-C once drains, twice kills; SIGTERM drains for a while. A third Ctrl-C is raised: whatever we are at (reading
        a terabyte of inputs, say) is left. Only in the main thread, where Python lets signals arrive: elsewhere it is the
        caller who stops us."""

        def arrived(number: int, _: FrameType | None) -> None:
            self._term_at = self._term_at or time.monotonic()
            self._signals.append(Stop.TERMINATE if number == signal.SIGTERM else Stop.INTERRUPT)
            self._wake()
            if self._signals.count(Stop.INTERRUPT) > _PATIENT_PRESSES:
                raise KeyboardInterrupt

        try:
            old = {number: signal.signal(number, arrived) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:
            yield
            return
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
