"""Time is counted in whole ticks of whole frames."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.stitch.timeline import Clock, FrameWalk, OffGridError

RATES = [
    Fraction(25, 2),
    *(Fraction(n) for n in (24, 25, 30, 50, 60)),
    *(Fraction(n, 1001) for n in (24000, 30000, 60000)),
]


@pytest.mark.parametrize(
    ("fps", "timescale", "per"),
    [
        (Fraction(30), 15360, 512),
        (Fraction(24), 12288, 512),
        (Fraction(60), 30720, 512),
        (Fraction(24000, 1001), 24000, 1001),
        (Fraction(60000, 1001), 60000, 1001),
        (Fraction(25, 2), 25, 2),
    ],
)
def test_every_frame_lies_on_a_tick(fps: Fraction, timescale: int, per: int) -> None:
    clock = Clock.of(fps)
    assert (clock.timescale, clock.per) == (timescale, per)
    assert clock.per * clock.tick == 1 / fps


@given(st.sampled_from(RATES), st.sampled_from([1000, 90000, 15360]), st.integers(0, 10**6), st.permutations(range(8)))
def test_rounded_times_find_their_frames_in_any_order(fps: Fraction, scale: int, base: int, order: list[int]) -> None:
    walk = FrameWalk(Fraction(1, scale), fps, base=base)
    placed = [walk.place(base + round(frame / fps * scale)) for frame in order]
    assert placed == order
    assert walk.hole() is None
    assert walk.delay == max(0, *(number - frame for number, frame in enumerate(order)))


@given(st.sampled_from(RATES), st.integers(0, 10**7))
def test_half_a_tick_is_the_most_that_rounding_does(fps: Fraction, frame: int) -> None:
    for scale in (1000, 90000):
        walk = FrameWalk(Fraction(1, scale), fps, base=0, half_tick=True)
        assert walk.place(round(frame / fps * scale)) == frame


def test_on_a_grid_that_fits_half_a_tick_is_none_at_all() -> None:
    walk = FrameWalk(Fraction(1, 15360), Fraction(30), base=0, half_tick=True)
    walk.place(0)
    with pytest.raises(OffGridError, match=r"packet 1 lies at frame 1\.002") as caught:
        walk.place(513)
    assert caught.value.kind == "grid"


def test_more_than_a_quarter_frame_is_off_the_grid() -> None:
    walk = FrameWalk(Fraction(1, 1000), Fraction(25), base=0)
    assert walk.place(10) == 0
    with pytest.raises(OffGridError, match=r"packet 1 lies at frame 1\.275"):
        walk.place(51)


def test_a_frame_twice_is_told() -> None:
    walk = FrameWalk(Fraction(1, 30), Fraction(30), base=5)
    for pts in (5, 7, 6):
        walk.place(pts)
    with pytest.raises(OffGridError, match=r"packet 3 is frame 1 a second time") as caught:
        walk.place(6)
    assert caught.value.kind == "duplicate"


def test_a_frame_before_the_first_is_told() -> None:
    walk = FrameWalk(Fraction(1, 30), Fraction(30), base=5)
    walk.place(5)
    with pytest.raises(OffGridError, match=r"packet 1 is shown 2 frames before the first one") as caught:
        walk.place(3)
    assert caught.value.kind == "early"


def test_the_first_hole_is_told() -> None:
    walk = FrameWalk(Fraction(1, 30), Fraction(30), base=0)
    for pts in (0, 1, 4, 3):
        walk.place(pts)
    assert walk.hole() == 2
