"""Durations, frame rates and frame ranges, from how people write them. Knows nothing of where they stand."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from helios_pipe.manifest.model import Frames

MAX_FRAME = 10**12
"""Frame numbers stay below this: at 1,000 a second it is thirty years of video."""

_DURATION = re.compile(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?\Z", re.ASCII
)
_SECONDS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_RATIO = re.compile(r"(\d{1,9})\s*[/:]\s*(\d{1,9})\Z", re.ASCII)
_DECIMAL = re.compile(r"\d{1,9}(?:\.\d{0,9})?\Z|\.\d{1,9}\Z", re.ASCII)
_RANGE = re.compile(r"(\d{1,20})(?:\s*-\s*(\d{1,20})(?:\s*x\s*(\d{1,20}))?)?\Z", re.ASCII)
_NTSC = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 72, 90, 96, 120, 144, 240))
_MAX_RATE = 100_000


class UnitError(ValueError):
    """A text that spells no such quantity; the message says what is wrong and what was expected."""


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `10m`, `1h30m`, `500ms`. Raises UnitError."""
    match = _DURATION.match(text) if isinstance(text, str) else None
    if not match or not any(match.groups()):
        raise UnitError(f"{text!r} is no duration, expected one such as 90s, 10m or 1h30m")
    return sum(float(part) * size for part, size in zip(match.groups(), _SECONDS, strict=True) if part)


def parse_rate(text: str) -> Fraction:
    """Frames a second of `30`, `29.97` or `30000/1001`, exact. Raises UnitError.

    A decimal that is a rounding of n·1000/1001 to two or more places (23.976, 29.97, 59.94) means that ratio: no camera
    runs at exactly 29.97.
    """
    ratio = _RATIO.match(text)
    if ratio and int(ratio[2]):
        rate = Fraction(int(ratio[1]), int(ratio[2]))
    elif _DECIMAL.match(text):
        rate = _meant(Decimal(text))
    else:
        raise UnitError(f"{text!r} is no frame rate, expected a number or a ratio such as 30, 23.976 or 30000/1001")
    if not 0 < rate <= _MAX_RATE:
        raise UnitError(f"a frame rate of {text}, expected more than 0 and at most {_MAX_RATE:,}")
    return rate


def _meant(value: Decimal) -> Fraction:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent <= -2:
        step = Decimal(1).scaleb(exponent)
        for rate in _NTSC:
            exact = Decimal(rate.numerator) / Decimal(rate.denominator)
            if exact.quantize(step, ROUND_HALF_EVEN) == value:
                return rate
    return Fraction(value)


class Rate(Fraction):
    """A frame rate as a command sees it: `30` or `30000/1001`; with a format spec, the decimal number."""

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)


def parse_frames(text: str) -> Frames:
    """The range of `0-239`, `0-239x2`, or `240` (0 to 239). Raises UnitError, also for an empty one."""
    match = _RANGE.match(text)
    if not match:
        raise UnitError(f"{text!r} is no frame range, expected one such as 0-239, 0-239x2, or a count such as 240")
    if match[2] is None:
        return frame_range(0, int(match[1]) - 1)
    return frame_range(int(match[1]), int(match[2]), int(match[3] or 1))


def frame_range(start: int, end: int, step: int = 1) -> Frames:
    """The range from `start` to `end`, its end normalised to the last number that is rendered. Raises UnitError."""
    if step < 1:
        raise UnitError(f"a step of {step}, expected 1 or more")
    if start < 0:
        raise UnitError(f"frame {start}, expected 0 or more")
    if end < start:
        what = f"{start} to {end}" if start or end >= 0 else "a count of 0"
        raise UnitError(f"an empty range ({what}), expected at least one frame")
    if end >= MAX_FRAME:
        raise UnitError(f"frame {end}, expected frame numbers below {MAX_FRAME:,}")
    return Frames(start, start + (end - start) // step * step, step)
