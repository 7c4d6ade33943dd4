"""Durations, frame rates and frame ranges, from every spelling that people use."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.manifest.model import Frames
from helios_pipe.manifest.rates import Rate, parse_rate
from helios_pipe.manifest.units import UnitError, frame_range, parse_duration, parse_frames


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h30m5s", 5405), ("2d", 172800), ("1.5s", 1.5), ("250ms", 0.25),
     ("1s500ms", 1.5), ("0s", 0)],
)  # fmt: skip
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "5x", "m", "1m1h", "-5s", "1 h", "1.5h", "9" * 20 + "s", "١s"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_duration(text)
    assert str(caught.value) == f"{text!r} is no duration, expected one such as 90s, 10m or 1h30m"


@given(st.integers(0, 99), st.integers(0, 999), st.integers(0, 9999), st.integers(0, 9999))
def test_the_parts_of_a_duration_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30", Fraction(30)), ("30.0", Fraction(30)), ("12.5", Fraction(25, 2)), ("24/1", Fraction(24)),
        ("30000/1001", Fraction(30000, 1001)), ("30000:1001", Fraction(30000, 1001)), ("1/2", Fraction(1, 2)),
        ("23.976", Fraction(24000, 1001)), ("23.98", Fraction(24000, 1001)), ("23.976023976", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)), ("29.970", Fraction(30000, 1001)), ("47.952", Fraction(48000, 1001)),
        ("59.94", Fraction(60000, 1001)), ("119.88", Fraction(120000, 1001)), ("29.9", Fraction(299, 10)),
        ("23.97", Fraction(2397, 100)), ("59.95", Fraction(5995, 100)), (".5", Fraction(1, 2)),
    ],
)  # fmt: skip
def test_a_frame_rate_is_exact(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "abc", "1/0", "-3", "1e3", "inf", "1/2/3", "30 fps", "0x10"])
def test_what_is_no_frame_rate_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_rate(text)
    assert str(caught.value) == (
        f"{text!r} is no frame rate, expected a number or a ratio such as 30, 23.976 or 30000/1001"
    )


@pytest.mark.parametrize("text", ["0", "0.0", "0/5", "100001"])
def test_a_frame_rate_has_bounds(text: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_rate(text)
    assert str(caught.value) == f"a frame rate of {text}, expected more than 0 and at most 100,000"


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_a_ratio_is_kept_as_it_is(numerator: int, denominator: int) -> None:
    assert parse_rate(f"{numerator}/{denominator}") == Fraction(numerator, denominator)


def test_a_command_sees_a_rate_as_a_ratio_or_formatted_as_a_decimal() -> None:
    assert f"{Rate(30)}" == "30"
    assert f"{Rate(30000, 1001)}" == "30000/1001"
    assert f"{Rate(30000, 1001):.3f}" == "29.970"


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("0-239", Frames(0, 239)), ("0-239x2", Frames(0, 238, 2)), ("240", Frames(0, 239)), ("5-5", Frames(5, 5)),
        ("10 - 20 x 3", Frames(10, 19, 3)), ("010-020", Frames(10, 20)), ("7-9x10", Frames(7, 7, 10)),
    ],
)  # fmt: skip
def test_a_range_is_read_in_every_spelling(text: str, frames: Frames) -> None:
    assert parse_frames(text) == frames


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10-5", "an empty range (10 to 5), expected at least one frame"),
        ("0", "an empty range (a count of 0), expected at least one frame"),
        ("0-9x0", "a step of 0, expected 1 or more"),
        ("1000000000000", None),
        ("1000000000001", "frame 1000000000000, expected frame numbers below 1,000,000,000,000"),
        ("-5", "'-5' is no frame range, expected one such as 0-239, 0-239x2, or a count such as 240"),
        ("1-", "'1-' is no frame range, expected one such as 0-239, 0-239x2, or a count such as 240"),
        ("a-b", "'a-b' is no frame range, expected one such as 0-239, 0-239x2, or a count such as 240"),
        ("1..5", "'1..5' is no frame range, expected one such as 0-239, 0-239x2, or a count such as 240"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(text: str, problem: str | None) -> None:
    if problem is None:
        assert parse_frames(text).count == int(text)
        return
    with pytest.raises(UnitError) as caught:
        parse_frames(text)
    assert str(caught.value) == problem


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 500))
def test_a_range_holds_what_python_counts(start: int, more: int, step: int) -> None:
    numbers = range(start, start + more + 1, step)
    frames = parse_frames(f"{start}-{start + more}x{step}")
    assert (frames.start, frames.end, frames.step, frames.count) == (start, numbers[-1], step, len(numbers))
    assert frame_range(frames.start, frames.end, step) == frames


def test_a_negative_frame_is_refused() -> None:
    with pytest.raises(UnitError) as caught:
        frame_range(-3, 5)
    assert str(caught.value) == "frame -3, expected 0 or more"
