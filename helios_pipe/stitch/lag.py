"""Whether two recordings of one sound lie on the same sample. Pure arithmetic; knows nothing of files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import sqrt
from operator import mul

WINDOW = 1024
"""Samples that are compared."""
REACH = 3000
"""How far apart, in samples, the two may lie and still be found: farther than any encoder's run-up (AAC 2,112, MP3 1,792)."""
_CLEARLY = 1.0005


def lag(reference: Sequence[int], sound: Sequence[int], reach: int = REACH) -> int | None:
    """By how many samples `sound` comes later than `reference` (negative: earlier), by cross-correlation of the loudest
    stretch. None where there is too little, or only silence, to tell."""
    at = _loudest(reference[: len(sound)], reach)
    if at is None:
        return None
    window = reference[at : at + WINDOW]
    begin = at - reach
    sums = list(accumulate(map(mul, *[sound[begin : at + WINDOW + reach]] * 2), initial=0))
    scores = [
        _likeness(window, sound[begin + shift : begin + shift + WINDOW], sums[shift + WINDOW] - sums[shift])
        for shift in range(2 * reach + 1)
    ]
    best = max(range(len(scores)), key=scores.__getitem__)
    # A pure tone looks like itself a period later: nothing counts as a shift that is not clearly better than none.
    return best - reach if scores[best] > scores[reach] * _CLEARLY else 0


def _loudest(samples: Sequence[int], reach: int) -> int | None:
    """Where the loudest window begins that leaves room on both sides."""
    best, found = 0, None
    for at in range(reach, len(samples) - WINDOW - reach + 1, WINDOW):
        block = samples[at : at + WINDOW]
        energy = sum(map(mul, block, block))
        if energy > best:
            best, found = energy, at
    return found


def _likeness(left: Sequence[int], right: Sequence[int], energy: int) -> float:
    """Their product, whatever the loudness of the right one, whose energy is given."""
    return sum(map(mul, left, right)) / sqrt(energy) if energy else 0.0
