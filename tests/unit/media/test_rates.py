"""A measured rate stands for an exact one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.media.rates import is_standard, snap

KNOWN = [
    *(Fraction(rate) for rate in (10, 12, 15, 24, 25, 30, 48, 50, 60, 100, 120)),
    Fraction(25, 2),
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)),
]


@pytest.mark.parametrize("rate", KNOWN)
def test_a_known_rate_is_itself(rate: Fraction) -> None:
    assert snap(rate) == rate


@given(st.sampled_from(KNOWN), st.integers(-35, 35))
def test_a_rate_measured_a_little_off_is_the_known_one(rate: Fraction, off: int) -> None:
    assert snap(rate * (1 + Fraction(off, 100_000))) == rate


def test_film_and_ntsc_film_stay_apart() -> None:
    assert snap(Fraction(24)) != snap(Fraction(24000, 1001))
    assert snap(Fraction(23_976, 1000)) == Fraction(24000, 1001)
    assert snap(Fraction(2997, 100)) == Fraction(30000, 1001)


def test_an_average_of_uneven_frames_is_no_rate() -> None:
    assert is_standard(Fraction(30))
    assert is_standard(Fraction(30000, 1001))
    assert not is_standard(Fraction(180, 7))


def test_no_rate_stays_none() -> None:
    assert snap(None) is None
    assert snap(Fraction(0)) is None
    assert snap(Fraction(-30)) is None
