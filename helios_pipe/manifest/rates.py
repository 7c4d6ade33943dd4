"""Frame rates, exact, from how people write them. Loaded where a manifest has one: fractions take longer to load than to use."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from helios_pipe.manifest.units import UnitError
from helios_pipe.regex import regex

_RATIO = regex(r"(\d{1,9})\s*[/:]\s*(\d{1,9})\Z", re.ASCII)
_DECIMAL = regex(r"\d{1,9}(?:\.\d{0,9})?\Z|\.\d{1,9}\Z", re.ASCII)
_NTSC = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 72, 90, 96, 120, 144, 240))
_MAX_RATE = 100_000


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
