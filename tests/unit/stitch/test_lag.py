"""A shift between two recordings is found to the sample."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from helios_pipe.stitch.lag import lag


def noise(count: int, seed: int = 1) -> array[int]:
    source = random.Random(seed)
    return array("h", (source.randrange(-20000, 20000) for _ in range(count)))


@pytest.mark.parametrize("shift", [0, 1, 48, 312, 399])
def test_late_and_early_are_found(shift: int) -> None:
    sound = noise(6000)
    assert lag(sound, array("h", [0] * shift) + sound, reach=400) == shift
    assert lag(array("h", [0] * shift) + sound, sound, reach=400) == -shift


def test_loudness_does_not_matter() -> None:
    sound = noise(6000)
    assert lag(sound, array("h", (sample // 5 for sample in sound)), reach=400) == 0


def test_a_pure_tone_is_not_taken_for_a_shift_by_its_period() -> None:
    tone = array("h", (int(9000 * math.sin(n * 0.0576)) for n in range(6000)))
    quieter = array("h", (int(8900 * math.sin(n * 0.0576)) + n % 3 for n in range(6000)))
    assert lag(tone, quieter, reach=400) == 0


def test_silence_tells_nothing() -> None:
    assert lag(array("h", [0] * 6000), noise(6000), reach=400) is None
    assert lag(noise(100), noise(100), reach=400) is None
