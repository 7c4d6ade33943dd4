"""What a run costs: billed attempts at their adapters' prices, and the limit."""

import pytest

from helios_pipe.engine.cost import Meter, Prices
from helios_pipe.ports import FailureClass, Outcome


def billed(worker: str, ms: int | None, memory_mb: int | None = None, failure: FailureClass | None = None) -> Outcome:
    return Outcome(worker=worker, billed_ms=ms, memory_mb=memory_mb, failure=failure)


def test_seconds_gb_seconds_and_calls_are_added_up_at_their_prices() -> None:
    meter = Meter({"farm": Prices(per_call=0.5, per_s=0.1, per_gb_s=2.0)}, None)
    meter.add(billed("farm", 2000, 2048))
    meter.add(billed("farm", 1000, 1024))
    assert (meter.billed_s, meter.billed_gb_s) == (3.0, 5.0)
    assert meter.cost == pytest.approx(2 * 0.5 + 3 * 0.1 + 5 * 2.0)


def test_a_failed_attempt_is_billed_like_any_other() -> None:
    meter = Meter({"farm": Prices(per_s=1.0)}, None)
    meter.add(billed("farm", 1500, failure=FailureClass.COMMAND))
    assert meter.cost == 1.5


def test_what_is_not_billed_costs_nothing() -> None:
    meter = Meter({"farm": Prices(per_call=1.0)}, 1.0)
    meter.add(billed("local", None))
    assert (meter.billed_s, meter.cost, meter.over) == (0.0, 0.0, False)


def test_the_limit_is_reached_when_the_cost_is() -> None:
    meter = Meter({"farm": Prices(per_call=1.0)}, 2.0)
    meter.add(billed("farm", 1))
    assert not meter.over
    meter.add(billed("farm", 1))
    assert meter.over
