"""Blocks of files: whole, in order, and none begun after one has failed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from helios_pipe.stitch.blocks import BLOCK, CutOffError, Lane, ReadOnce, blocks, side_by_side, write_whole


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    data = os.urandom(3 * BLOCK + 17)
    (tmp_path / "a").write_bytes(data)
    return data


def test_a_stretch_is_read_block_by_block(content: bytes, tmp_path: Path) -> None:
    with (tmp_path / "a").open("rb") as file:
        assert b"".join(map(bytes, blocks(file.fileno(), 5, 2 * BLOCK + 1))) == content[5 : 2 * BLOCK + 6]
        with pytest.raises(CutOffError):
            list(blocks(file.fileno(), 2 * BLOCK, 2 * BLOCK))


@pytest.mark.parametrize("thread", [False, True])
def test_what_is_read_is_used_in_order(thread: bool, content: bytes, tmp_path: Path) -> None:
    used: list[bytes] = []

    def use(block: memoryview) -> None:
        used.append(bytes(block))

    with (tmp_path / "a").open("rb") as file, Lane(thread=thread) as lane:
        once = ReadOnce(file.fileno(), use, lane)
        parts = [bytes(view) for length in (40, 0, BLOCK, len(content) - BLOCK - 40) for view in once.read(length)]
        with pytest.raises(EOFError):
            list(once.read(1))
    assert b"".join(parts) == b"".join(used) == content


@pytest.mark.parametrize("thread", [False, True])
def test_who_reads_is_told_of_what_went_wrong_with_a_block(thread: bool, content: bytes, tmp_path: Path) -> None:
    used: list[int] = []

    def use(block: memoryview) -> None:
        used.append(len(block))
        if len(used) == 1:
            raise ValueError("the first one")
        raise ValueError("another one")

    def read(length: int) -> None:
        with (tmp_path / "a").open("rb") as file, Lane(thread=thread) as lane:
            for _ in ReadOnce(file.fileno(), use, lane).read(length):
                pass

    for length in (1, len(content)):
        used.clear()
        with pytest.raises(ValueError, match="the first one"):
            read(length)


def test_an_error_of_the_reader_is_the_one_that_is_raised(content: bytes, tmp_path: Path) -> None:
    def use(_: memoryview) -> None:
        raise ValueError("not this one")

    def read() -> None:
        with (tmp_path / "a").open("rb") as file, Lane(thread=True) as lane:
            list(ReadOnce(file.fileno(), use, lane).read(1))
            raise CutOffError

    before = threading.active_count()
    with pytest.raises(CutOffError):
        read()
    assert threading.active_count() == before


@pytest.mark.parametrize("sizes", [[], [0], [3, 0, 5], [1] * 2500, [BLOCK, 1]])
def test_many_views_are_written_one_behind_the_other(sizes: list[int], tmp_path: Path) -> None:
    parts = [os.urandom(size) for size in sizes]
    with (tmp_path / "b").open("wb") as file:
        end = write_whole(file.fileno(), [memoryview(part) for part in parts], 7)
    assert end == 7 + sum(sizes)
    assert (tmp_path / "b").read_bytes()[7:] == b"".join(parts)


def test_a_system_that_writes_less_than_it_is_given_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda file, views, place: system(file, [views[0][:3]], place))
    parts = [b"abcdefg", b"", b"h", b"ijkl"]
    with (tmp_path / "b").open("wb") as file:
        assert write_whole(file.fileno(), [memoryview(part) for part in parts], 0) == 12
    assert (tmp_path / "b").read_bytes() == b"abcdefghijkl"


@pytest.mark.parametrize("threads", [False, True])
def test_results_come_in_the_order_of_the_tasks(threads: bool) -> None:
    assert side_by_side(lambda n: n * n, range(50), threads=threads) == [n * n for n in range(50)]


def test_when_one_fails_no_other_is_begun() -> None:
    begun: list[int] = []
    held = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            held.set()
            raise ValueError("three")
        held.wait(0.01)
        return number

    with pytest.raises(ValueError, match="three"):
        side_by_side(work, range(1000), threads=True)
    assert len(begun) < 50


def alive() -> list[str]:
    """The threads of ours, once those that were on their way out are gone."""
    for _ in range(100):
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("helios-")]
        if not names:
            break
        time.sleep(0.02)
    return names


def test_who_is_interrupted_does_not_wait_and_nothing_more_is_begun() -> None:
    begun: list[int] = []
    held = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        held.wait(10)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, range(1000), threads=True)
    held.set()
    assert alive() == []
    assert len(begun) <= 8


def test_an_interrupted_lane_ends_by_itself() -> None:
    def interrupted() -> None:
        with Lane(thread=True) as lane:
            lane.give(lane.block(), lambda _: None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert alive() == []


def test_an_interrupt_as_a_lane_starts_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def started(self: threading.Thread) -> None:
        start(self)
        raise KeyboardInterrupt

    def give() -> None:
        with Lane(thread=True) as lane:
            lane.give(lane.block(), lambda _: None)

    monkeypatch.setattr(threading.Thread, "start", started)
    with pytest.raises(KeyboardInterrupt):
        give()
    with pytest.raises(KeyboardInterrupt):
        side_by_side(lambda number: number, range(1000), threads=True)
    assert alive() == []


def test_a_lane_holds_few_blocks_at_a_time() -> None:
    """Memory does not grow with what is still to be done."""
    may, given, done = threading.Event(), [0], [0]

    def give_all() -> None:
        def work(_: memoryview) -> None:
            may.wait(10)
            done[0] += 1

        with Lane(thread=True) as lane:
            for number in range(50):
                lane.give(lane.block(), work)
                given[0] = number + 1

    giver = threading.Thread(target=give_all)
    giver.start()
    time.sleep(0.2)
    assert 0 < given[0] < 10
    assert done == [0]
    may.set()
    giver.join(10)
    assert done == given == [50]


@pytest.mark.parametrize("thread", [False, True])
def test_who_waits_for_a_lane_finds_everything_done(thread: bool) -> None:
    done: list[int] = []

    def work(block: memoryview) -> None:
        time.sleep(0.01)
        done.append(block[0])

    with Lane(thread=thread) as lane:
        for number in range(9):
            block = lane.block()
            block[0] = number
            lane.give(block, work)
        lane.wait()
        assert done == list(range(9))
        lane.wait()


def test_who_waits_for_a_lane_in_which_something_failed_waits_no_longer() -> None:
    def work(_: memoryview) -> None:
        raise ValueError("in the lane")

    def give() -> None:
        with Lane(thread=True) as lane:
            for _ in range(9):
                lane.give(lane.block(), work)
            lane.wait()

    with pytest.raises(ValueError, match="in the lane"):
        give()


@pytest.mark.parametrize("thread", [False, True])
def test_after_an_error_one_may_read_again(thread: bool, content: bytes, tmp_path: Path) -> None:
    with (tmp_path / "a").open("rb") as file, Lane(thread=thread) as lane:
        once = ReadOnce(file.fileno(), lambda _: None, lane)
        assert b"".join(map(bytes, once.read(len(content)))) == content
        for _ in range(9):
            with pytest.raises(EOFError):
                list(once.read(1))
