"""Attempts drawn in lanes: as many as there were at once, and none lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.report.timeline import Bar, lanes, merged, timeline

MOMENTS = st.integers(0, 200)
BARS = st.builds(
    lambda at, took, worker, node: Bar(f"film/{node:04}", "executed", worker, float(at), float(at + took)),
    MOMENTS, st.integers(1, 50), st.sampled_from(["a", "b"]), MOMENTS,
)  # fmt: skip


def at_once(bars: list[Bar]) -> int:
    """How many bars at most there are at one moment."""
    return max((sum(one.began <= other.began < one.ended for one in bars) for other in bars), default=0)


@given(st.lists(BARS, max_size=40))
def test_lanes_are_as_few_as_there_were_attempts_at_once_on_each_worker(bars: list[Bar]) -> None:
    found = lanes(bars)
    assert sorted(bar for lane in found for bar in lane) == sorted(bars)
    assert len(found) == sum(at_once([bar for bar in bars if bar.worker == worker]) for worker in ("a", "b"))
    for lane in found:
        assert len({bar.worker for bar in lane}) == 1
        assert all(one.ended <= other.began for one, other in pairwise(lane))


def test_what_comes_and_goes_has_no_lane_of_its_own() -> None:
    bars = [Bar(f"film/{at:04}", "executed", f"worker-{at}", float(at), at + 1.0) for at in range(100)]
    assert len(lanes(bars)) == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["executed", "failed"])), max_size=60))
def test_short_bars_become_one_and_all_are_counted(steps: list[tuple[int, int, str]]) -> None:
    lane, now = [], 0
    for at, (gap, took, status) in enumerate(steps):
        lane.append(Bar(f"film/{at:04}", status, "local", now + gap, now + gap + took))
        now += gap + took
    drawn = merged(lane, 5.0)
    assert sum(bar.nodes for bar in drawn) == len(lane)
    assert [bar for bar in drawn if bar.status == "failed"] == [bar for bar in lane if bar.status == "failed"]
    assert all(one.ended <= other.began for one, other in pairwise(drawn))


def test_ten_thousand_short_attempts_are_drawn_as_some_bars() -> None:
    bars = [Bar(f"film/{at:04}", "executed", "local", at / 1000, at / 1000 + 0.0009) for at in range(10_000)]
    text = "\n".join(timeline(bars, 0.0, 10.0))
    assert text.count("<i ") == 1
    assert "10000 nodes from film/0000 on: executed, 10.0 s" in text
    assert 'aria-label="10000 attempts in 1 lanes"' in text


def test_bars_stand_where_they_belong_on_the_axis() -> None:
    bars = [
        Bar("film/0000", "executed", "local", 100.0, 105.0),
        Bar("film/0001", "failed", "local", 105.0, 120.0, "exit code 1"),
    ]
    text = "\n".join(timeline(bars, 100.0, 120.0))
    assert '<i class="executed" style="left:0.000%;width:25.000%" title="film/0000: executed, 5.0 s">' in text
    assert (
        '<i class="failed" style="left:25.000%;width:75.000%" title="film/0001: failed, 15.0 s: exit code 1">' in text
    )
    assert '<u style="left:50.000%">10.0 s</u>' in text


def test_many_lanes_are_cut_and_that_is_said() -> None:
    bars = [Bar(f"film/{at:04}", "executed", "farm", 0.0, 9.0) for at in range(130)]
    text = "\n".join(timeline(bars, 0.0, 9.0))
    assert text.count("<i ") == 100
    assert "… and 30 more lanes" in text
