"""Calls that block, and are given up when a cancel event says so."""

from __future__ import annotations

import threading
import time
from threading import Event

import pytest

from helios_pipe.adapters.calls import Calls, CancelledCallError


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
