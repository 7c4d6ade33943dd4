"""Whether two recordings of one sound lie on the same sample. Pure arithmetic; knows nothing of files."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from operator import mul

WINDOW = 2048
"""Samples that are compared."""
REACH = 3000
"""How far apart, in samples, the two may lie and still be found: farther than any encoder's run-up (AAC 2,112, MP3 1,792)."""
_CLEARLY = 1.0005


def lag(reference: Sequence[int], sound: Sequence[int], reach: int = REACH) -> int | None:
    """By how many samples `sound` comes later than `reference` (negative: earlier), by cross-correlation of the loudest
    stretch. None where there is too little, or only silence, to tell."""
    at = _loudest(reference, reach)
    if at is None or at + WINDOW + reach > len(sound):
        return None
    window = reference[at : at + WINDOW]
    scores = {shift: _likeness(window, sound[at + shift : at + shift + WINDOW]) for shift in range(-reach, reach + 1)}
    best = max(scores, key=scores.__getitem__)
    # A pure tone looks like itself a period later: nothing counts as a shift that is not clearly better than none.
    return best if scores[best] > scores[0] * _CLEARLY else 0


def _loudest(samples: Sequence[int], reach: int) -> int | None:
    """Where the loudest window begins that leaves room on both sides."""
    best, found = 0, None
    for at in range(reach, len(samples) - WINDOW - reach + 1, WINDOW):
        block = samples[at : at + WINDOW]
        energy = sum(map(mul, block, block))
        if energy > best:
            best, found = energy, at
    return found


def _likeness(left: Sequence[int], right: Sequence[int]) -> float:
    """Their product, whatever the loudness of the right one."""
    energy = sum(map(mul, right, right))
    return sum(map(mul, left, right)) / sqrt(energy) if energy else 0.0
