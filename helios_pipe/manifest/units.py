"""Durations and frame ranges, from how people write them. Knows nothing of where they stand."""

from __future__ import annotations

import re

from helios_pipe.manifest.model import Frames
from helios_pipe.regex import regex

MAX_FRAME = 10**12
"""Frame numbers stay below this: at 1,000 a second it is thirty years of video."""

_DURATION = regex(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?\Z", re.ASCII
)
_SECONDS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_RANGE = regex(r"(\d{1,20})(?:\s*-\s*(\d{1,20})(?:\s*x\s*(\d{1,20}))?)?\Z", re.ASCII)


class UnitError(ValueError):
    """A text that spells no such quantity; the message says what is wrong and what was expected."""


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `10m`, `1h30m`, `500ms`. Raises UnitError."""
    match = _DURATION.match(text) if isinstance(text, str) else None
    if not match or not any(match.groups()):
        raise UnitError(f"{text!r} is no duration, expected one such as 90s, 10m or 1h30m")
    return sum(float(part) * size for part, size in zip(match.groups(), _SECONDS, strict=True) if part)


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
