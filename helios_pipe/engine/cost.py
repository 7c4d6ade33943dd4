"""What a run costs, where its workers say what they bill. Knows nothing of who bills, or how."""

from __future__ import annotations

from collections.abc import Mapping

from helios_pipe.ports import Outcome
from helios_pipe.tuples import NamedTuple


class Prices(NamedTuple):
    """What an adapter's calls cost, in one currency: for each call, each billed second, each billed GB-second."""

    per_call: float = 0.0
    per_s: float = 0.0
    per_gb_s: float = 0.0


class Meter:
    """Adds up what attempts are billed. `prices` are by the name that outcomes give their worker; `limit` is what the run may
    cost (None: anything)."""

    def __init__(self, prices: Mapping[str, Prices], limit: float | None) -> None:
        self._prices = prices
        self._limit = limit
        self.billed_s = 0.0
        self.billed_gb_s = 0.0
        self.cost = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one attempt, failed ones too: they are billed as well."""
        if outcome.billed_ms is None:
            return
        seconds = outcome.billed_ms / 1000
        gb_s = seconds * (outcome.memory_mb or 0) / 1024
        self.billed_s += seconds
        self.billed_gb_s += gb_s
        price = self._prices.get(outcome.worker)
        if price is not None:
            self.cost += price.per_call + seconds * price.per_s + gb_s * price.per_gb_s

    @property
    def over(self) -> bool:
        """Whether the limit is reached."""
        return self._limit is not None and self.cost >= self._limit
