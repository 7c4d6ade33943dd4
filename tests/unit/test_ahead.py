"""A second process answers what it is asked; and where it cannot, whoever asked finds out and looks for himself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe import ahead
from helios_pipe.ahead import Ahead, BothEnds, chunks_of, standing_at


def _asked(question: Callable[[], object], _: BothEnds) -> object:
    return question()


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_cores", lambda: 2)


@pytest.fixture
def asked() -> Iterator[Callable[..., Ahead]]:
    """An Ahead with these questions, which is stopped in the end."""
    made: list[Ahead] = []

    def ask(**questions: Callable[[], object]) -> Ahead:
        one = Ahead()
        made.append(one)
        one.ask({name: partial(_asked, question) for name, question in questions.items()})
        return one

    yield ask
    for one in made:
        one.stop()


def test_every_question_is_answered_by_another_process(asked: Callable[..., Ahead]) -> None:
    one = asked(pid=os.getpid, paths=lambda: ["a", "b"], pair=lambda: (b"x", True))
    assert one.answer("pair") == (b"x", True)  # whatever was asked before is kept
    assert one.answer("paths") == ["a", "b"]
    assert one.answer("pid") not in (None, os.getpid())
    assert one.answer("pid") == one.answer("pid")


def test_nobody_answers_what_was_not_asked(asked: Callable[..., Ahead]) -> None:
    assert Ahead().answer("anything") is None
    one = asked(known=lambda: 1)
    assert one.answer("other") is None
    assert one.answer("known") == 1


def test_a_long_answer_comes_whole(asked: Callable[..., Ahead]) -> None:
    assert asked(long=lambda: list(range(200_000))).answer("long") == list(range(200_000))


def test_where_one_question_goes_wrong_it_and_the_rest_have_no_answer(
    asked: Callable[..., Ahead], capfd: pytest.CaptureFixture[str]
) -> None:
    def wrong() -> object:
        raise OSError("it is gone")

    one = asked(first=lambda: 1, second=wrong, third=lambda: 3)
    assert [one.answer(name) for name in ("third", "second", "first")] == [None, None, 1]
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_told_has_no_answer(asked: Callable[..., Ahead]) -> None:
    assert asked(path=lambda: Path("x")).answer("path") is None


def test_an_answer_of_long_ago_is_none(asked: Callable[..., Ahead], monkeypatch: pytest.MonkeyPatch) -> None:
    one = asked(known=lambda: 1)
    assert one.answer("known") == 1
    now = time.monotonic() + ahead.JUST_NOW_S
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert not one.recent
    assert one.answer("known") is None


def test_the_process_has_ended_with_its_last_answer_and_was_waited_for(asked: Callable[..., Ahead]) -> None:
    one = asked(pid=os.getpid, last=lambda: 1)
    pid = one.answer("pid")
    assert isinstance(pid, int)
    assert one.answer("last") == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_one_that_is_stopped_ends_at_once(asked: Callable[..., Ahead]) -> None:
    one = asked(pid=os.getpid, long=lambda: time.sleep(60))
    pid = one.answer("pid")
    assert isinstance(pid, int)
    one.stop()
    assert os.waitpid(pid, 0)[0] == pid
    assert one.answer("long") is None
    one.stop()


def test_it_holds_nothing_of_what_we_write_to(asked: Callable[..., Ahead]) -> None:
    def links() -> object:
        return [os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)]

    assert asked(links=links).answer("links") == [os.devnull] * 3


def test_one_that_is_held_up_is_not_waited_for(asked: Callable[..., Ahead], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "JUST_NOW_S", 0.5)
    one = asked(pid=os.getpid, then=lambda: time.sleep(60))
    pid = one.answer("pid")
    assert isinstance(pid, int)
    assert one.process == pid
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    assert one.answer("then") is None
    assert time.monotonic() - began < 30
    assert one.answer("then") is None
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[0] == pid


def test_with_one_core_or_where_nothing_forks_nobody_is_asked(
    asked: Callable[..., Ahead], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_cores", lambda: 1)
    assert asked(known=lambda: 1).answer("known") is None
    monkeypatch.setattr(ahead, "_cores", lambda: 2)

    def refuse() -> int:
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(os, "fork", refuse)
    before = {*os.listdir("/proc/self/fd")}
    assert asked(known=lambda: 1).answer("known") is None
    assert {*os.listdir("/proc/self/fd")} <= before  # what others have left open may be closed meanwhile
    monkeypatch.delattr(os, "fork")
    assert asked(known=lambda: 1).answer("known") is None


def test_questions_are_told_apart() -> None:
    assert chunks_of("a") != chunks_of("b")
    assert standing_at("a/../b") == standing_at(os.path.abspath("b"))


def test_an_interrupt_ends_it_without_a_word(asked: Callable[..., Ahead], capfd: pytest.CaptureFixture[str]) -> None:
    one = asked(pid=os.getpid, long=lambda: time.sleep(60))
    pid = one.answer("pid")
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGINT)
    assert one.answer("long") is None
    assert capfd.readouterr() == ("", "")


# -- from both ends ---------------------------------------------------------------------------------------------------


@given(st.integers(0, 700), st.integers(0, 700), st.sets(st.integers(0, 699), max_size=3), st.booleans())
def test_from_both_ends_nothing_is_left_out(count: int, meet: int, changed: set[int], until_found: bool) -> None:
    """The other one does its part while the first one looks at number `meet`; whatever has changed is found."""
    looked: list[int] = []
    others: list[str] = []
    first = True

    def look(numbers: Sequence[int]) -> list[str]:
        looked.extend(numbers)
        if first and meet in numbers and not others:
            others.append("")  # once
            others.extend(both.from_the_end(row, look))
        return [str(number) for number in numbers if number in changed]

    both, row = BothEnds(), range(count)
    found = both.from_the_start(row, look, until_found=until_found)
    first = False
    rest = [] if others else both.from_the_end(row, look)  # at last
    wanted = {str(number) for number in changed if number < count}
    assert {*found, *others, *rest} - {""} == wanted
    assert set(looked) == set(range(count))
    assert len(looked) <= count + count // 50 + 1  # no more than one block twice
    assert {*found, *both.not_from_the_start(row, look)} == wanted


def test_who_has_found_something_looks_no_further() -> None:
    looked: list[int] = []

    def look(numbers: Sequence[int]) -> list[str]:
        looked.extend(numbers)
        return ["seven"] if 7 in numbers else []

    both, row = BothEnds(), range(1000)
    assert both.from_the_start(row, look, until_found=True) == ["seven"]
    assert looked == list(range(10))
    assert both.from_the_end(row, look) == []
    assert sorted(looked) == list(range(1000))


def odd_ones(numbers: range) -> list[int]:
    return [number for number in numbers if number % 7000 == 6999]


@pytest.mark.parametrize("identity", ["the same", "another"])
@pytest.mark.parametrize("wait_s", [0.0, 0.3])
def test_two_processes_meet(identity: str, wait_s: float) -> None:
    row = range(20_000)
    one = Ahead()
    one.ask({"row": lambda ends: ("the same", ends.from_the_end(row, odd_ones))})
    time.sleep(wait_s)
    assert set(one.look("row", identity, row, odd_ones)) == {6999, 13999}  # of another row, it would be no answer
    one.stop()


def test_who_asks_again_has_all_looked_at_anew() -> None:
    row = range(20_000)
    looked: list[int] = []

    def look(numbers: range) -> list[int]:
        looked.extend(numbers)
        return odd_ones(numbers)

    one = Ahead()
    one.ask({"row": lambda ends: ("this", ends.from_the_end(row, odd_ones))})
    assert set(one.look("row", "this", row, look)) == {6999, 13999}
    looked.clear()
    assert one.look("row", "that", row, look) == [6999, 13999]
    assert looked == list(row)
    one.stop()


def test_who_has_looked_at_all_does_not_wait_for_who_has_not_begun() -> None:
    row, one = range(20_000), Ahead()
    one.ask({"long": lambda ends: time.sleep(60), "row": lambda ends: ("this", ends.from_the_end(row, odd_ones))})
    assert one.look("row", "this", row, odd_ones) == [6999, 13999]
    assert one.recent  # within the second: waiting would have taken it
    one.stop()


def test_what_the_other_one_cannot_tell_is_looked_at_here(monkeypatch: pytest.MonkeyPatch) -> None:
    row, one = range(20_000), Ahead()
    one.ask({"gone": lambda ends: os.kill(os.getpid(), signal.SIGKILL), "late": lambda ends: None})
    assert one.look("gone", "", row, odd_ones) == [6999, 13999]
    assert one.look("late", "", row, odd_ones) == [6999, 13999]
    assert one.look("never asked", "", row, odd_ones) == [6999, 13999]


@pytest.mark.parametrize("asked_too", [True, False])
def test_what_was_begun_is_found_to_its_end(asked_too: bool) -> None:
    row, one = range(20_000), Ahead()
    if asked_too:
        one.ask({"row": lambda ends: ends.from_the_end(row, odd_ones)})
    found = one.begin("row", row, odd_ones)
    assert {*found, *one.rest("row", row, odd_ones)} == {6999, 13999}


def test_what_changed_is_found_out_when_somebody_wants_to_know() -> None:
    asked_for: list[str] = []

    def find() -> list[str]:
        asked_for.append("now")
        return ["a", "b", "a"]

    one = Ahead()
    assert one.changed is None
    one.will_find(find)
    assert asked_for == []
    assert one.changed == {"a", "b"}
    assert one.changed == {"a", "b"}
    assert asked_for == ["now"]
