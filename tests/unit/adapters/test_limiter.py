"""The window of calls: cut by throttles, opened by answers."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from helios_pipe.adapters.limiter import AdaptiveLimiter
from tests.kit.clock import FakeClock


def limiter(most: int, clock: FakeClock) -> AdaptiveLimiter:
    return AdaptiveLimiter(most, clock, random=lambda: 1.0)


def enter(gate: AdaptiveLimiter) -> int:
    place = gate.enter()
    assert place is not None
    return place


def test_it_begins_as_wide_as_it_may_be(clock: FakeClock) -> None:
    gate = limiter(3, clock)
    for _ in range(3):
        enter(gate)
    full = Event()
    full.set()
    assert gate.enter(full) is None


def test_throttles_of_one_wave_cut_it_once(clock: FakeClock) -> None:
    gate = limiter(100, clock)
    places = [enter(gate) for _ in range(100)]
    for place in places:
        gate.leave(True, place)
    assert gate.window == pytest.approx(70)
    clock.sleep(1)
    again = enter(gate)
    gate.leave(True, again)
    assert gate.window == pytest.approx(0.7 * 1, abs=0.31)
    assert gate.window >= 1


def test_answers_open_it_again_up_to_the_most(clock: FakeClock) -> None:
    gate = limiter(10, clock)
    gate.leave(True, enter(gate))
    narrow = gate.window
    clock.sleep(1)
    for _ in range(200):
        gate.leave(False, enter(gate))
    assert narrow < gate.window == 10


def test_nobody_enters_before_the_pause_is_over(clock: FakeClock) -> None:
    gate = limiter(10, clock)
    gate.leave(True, enter(gate), retry_after_s=5.0)
    entered = Event()

    def wait() -> None:
        gate.enter()
        entered.set()

    thread = Thread(target=wait)
    thread.start()
    assert not entered.wait(0.6)
    clock.sleep(5.0)
    assert entered.wait(5)
    thread.join()


def test_the_pauses_double_while_throttles_go_on(clock: FakeClock) -> None:
    gate = limiter(10, clock)
    pauses = []
    for _ in range(4):
        gate.leave(True, enter(gate))
        pauses.append(gate._not_before - clock())
        clock.sleep(pauses[-1])
    assert pauses == pytest.approx([0.25, 0.5, 1.0, 2.0])


def test_a_cancel_ends_the_wait(clock: FakeClock) -> None:
    gate = limiter(1, clock)
    enter(gate)
    cancel, results = Event(), []
    thread = Thread(target=lambda: results.append(gate.enter(cancel)))
    thread.start()
    cancel.set()
    thread.join(5)
    assert results == [None]


def test_it_knows_how_long_nothing_went_well(clock: FakeClock) -> None:
    gate = limiter(1, clock)
    clock.sleep(1000)
    for _ in range(3):
        gate.leave(True, enter(gate))
        clock.sleep(100)
    assert gate.starved_s() == pytest.approx(300)
    gate.leave(False, enter(gate))
    assert gate.starved_s() == 0
