"""Whether a run is being stopped, why, and how hard. Does not know who asks."""

from __future__ import annotations

from helios_pipe.engine.dispatch import Dispatcher
from helios_pipe.engine.ledger import Ledger
from helios_pipe.engine.options import Stop


class Brake:
    """Stops a run: nothing new is taken up, and with `now` what is under way is ended."""

    def __init__(self, traffic: Dispatcher, ledger: Ledger) -> None:
        self._traffic = traffic
        self._ledger = ledger
        self.reason: Stop | None = None
        self.ended = False

    def stop(self, why: Stop, *, now: bool = False) -> None:
        """Take up no new work; with `now`, end what is running too. The weightiest reason is the one that is told."""
        news = self.reason is None or why.weight > self.reason.weight or (now and not self.ended)
        self.reason = why if self.reason is None or why.weight > self.reason.weight else self.reason
        self._traffic.take_back()
        if now:
            self.ended = True
            self._traffic.cancel()
        if news and why is not Stop.FAILURE:  # a failure tells of itself
            self._ledger.tell("stopping", reason=why.value, now=now)

    def release(self) -> None:
        """Take back a pause, as long as nothing was ended for it."""
        if self.reason is Stop.PAUSE and not self.ended:
            self.reason = None
            self._ledger.tell("resumed")
