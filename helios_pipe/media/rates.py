"""Frame rates as exact ratios. Knows nothing of files."""

from __future__ import annotations

from fractions import Fraction

_NEAR = Fraction(1, 2500)
"""How far, relatively, a measured rate may lie from the one it stands for: half of what lies between 24 and 23.976, less a
little. Two frames of 59.94 in ticks of 90 kHz are that far off."""


def snap(rate: Fraction | None) -> Fraction | None:
    """The exact rate that a measured one stands for: a whole or half number, or one of them times 1000/1001, where one is
    near; else the nearest ratio with a denominator up to 1001. None for none."""
    if not rate or rate <= 0:
        return None
    return _standard(rate) or rate.limit_denominator(1001)


def is_standard(rate: Fraction) -> bool:
    """Whether the rate lies near one that cameras and players use, rather than an average of uneven frames."""
    return _standard(rate) is not None


def _standard(rate: Fraction) -> Fraction | None:
    doubled = round(rate * 2)
    pulled = round(rate * Fraction(1001, 1000))
    near = min((Fraction(doubled, 2), Fraction(pulled * 1000, 1001)), key=lambda known: abs(known - rate))
    return near if abs(near - rate) <= rate * _NEAR else None
