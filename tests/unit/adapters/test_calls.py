"""Calls that block, and are given up when a cancel event says so."""

from __future__ import annotations

import threading
import time
from threading import Event

import pytest

from helios_pipe.adapters.calls import Calls, CancelledCallError, Once


def test_an_answer_and_an_error_come_through() -> None:
    def fail() -> None:
        raise ValueError("no")

    calls = Calls()
    for cancel in (None, Event()):
        assert calls.make(lambda: 42, cancel) == 42
        with pytest.raises(ValueError, match="no"):
            calls.make(fail, cancel)


def test_a_cancelled_call_is_not_waited_for() -> None:
    release, cancel = Event(), Event()
    threading.Timer(0.2, cancel.set).start()
    began = time.monotonic()
    with pytest.raises(CancelledCallError):
        Calls().make(lambda: release.wait(60), cancel)
    assert time.monotonic() - began < 30
    release.set()


def test_a_call_is_not_begun_when_it_is_cancelled_already() -> None:
    cancel, begun = Event(), Event()
    cancel.set()
    with pytest.raises(CancelledCallError):
        Calls().make(begun.set, cancel)
    assert not begun.is_set()


def watchers() -> int:
    return sum(thread.name == "calls" for thread in threading.enumerate())


def test_many_calls_have_one_watcher() -> None:
    calls, gate, cancel = Calls(), Event(), Event()
    before, ended = watchers(), []

    def one() -> None:
        try:
            calls.make(lambda: gate.wait(60), cancel)
        except CancelledCallError:
            ended.append(1)

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert watchers() == before + 1
    cancel.set()
    for thread in threads:
        thread.join(30)
    assert len(ended) == 50
    gate.set()


def test_a_thread_that_is_free_takes_the_next_call() -> None:
    calls = Calls()
    found = {calls.make(threading.get_ident, Event()) for _ in range(20)}
    assert len(found) < 20
    assert threading.get_ident() not in found


def test_a_call_that_hangs_keeps_no_other_waiting() -> None:
    calls, release, cancel = Calls(), Event(), Event()
    cancel_soon = threading.Timer(0.2, cancel.set)
    cancel_soon.start()
    with pytest.raises(CancelledCallError):
        calls.make(lambda: release.wait(60), cancel)
    assert [calls.make(lambda n=n: n, Event()) for n in range(5)] == list(range(5))  # type: ignore[misc]
    release.set()


def test_what_can_be_broken_off_is_called_where_it_is_and_ends_as_cancelled() -> None:
    calls, ended, cancel = Calls(), Event(), Event()
    seen: list[int] = []

    def answer() -> None:
        seen.append(threading.get_ident())
        ended.wait(60)
        raise OSError("the other end is gone")

    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(CancelledCallError):
        calls.make_here(answer, cancel, ended.set)
    assert seen == [threading.get_ident()]
    with pytest.raises(OSError, match="the other end is gone"):
        calls.make_here(answer, Event(), ended.set)
    with pytest.raises(CancelledCallError):
        calls.make_here(answer, cancel, ended.set)
    assert len(seen) == 2, "it is not begun when it is cancelled already"


def test_what_was_broken_off_is_no_answer_even_if_it_looks_like_one() -> None:
    ended, cancel = Event(), Event()
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(CancelledCallError):
        Calls().make_here(lambda: ended.wait(60), cancel, ended.set)


def test_what_all_calls_need_is_made_once() -> None:
    made, gate, calls = [], Event(), Calls()

    def make() -> str:
        gate.wait(60)
        made.append(1)
        return "connected"

    once, found = Once(calls, make), []
    threads = [threading.Thread(target=lambda: found.append(once.get(Event()))) for _ in range(10)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(30)
    assert found == ["connected"] * 10
    assert once.get(None) == "connected"
    assert made == [1]


def test_what_could_not_be_made_is_tried_again_by_the_next_call() -> None:
    tries: list[int] = []

    def make() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return len(tries)

    once = Once(Calls(), make)
    with pytest.raises(ValueError, match="not yet"):
        once.get(Event())
    assert once.get(Event()) == 2


def test_a_call_does_not_wait_for_what_all_need_once_it_is_cancelled() -> None:
    release, cancel = Event(), Event()
    once = Once(Calls(), lambda: release.wait(60))
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(CancelledCallError):
        once.get(cancel)
    release.set()
    assert once.get(Event())
