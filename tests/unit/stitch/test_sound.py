"""Borders in samples are rounded from the beginning."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.stitch.sound import SoundFormat, samples_at

RATES = [
    Fraction(24),
    Fraction(25),
    Fraction(24000, 1001),
    Fraction(30000, 1001),
    Fraction(60000, 1001),
    Fraction(25, 2),
]


@given(st.sampled_from(RATES), st.sampled_from([44100, 48000, 96000]), st.integers(0, 10**6))
def test_a_border_is_never_more_than_half_a_sample_off(fps: Fraction, rate: int, frame: int) -> None:
    assert abs(samples_at(frame, fps, rate) - frame * rate / fps) <= Fraction(1, 2)


def test_rounding_each_chunk_would_drift() -> None:
    fps = Fraction(30000, 1001)
    assert 1000 * samples_at(50, fps, 48000) - samples_at(50_000, fps, 48000) == 0
    assert 1000 * samples_at(11, fps, 48000) - samples_at(11_000, fps, 48000) == 400


def test_halves_go_up() -> None:
    assert [samples_at(frame, Fraction(24), 44100) for frame in (1, 3)] == [1838, 5513]


def test_what_is_lossless() -> None:
    formats = [
        SoundFormat(codec, 48000, "stereo", "s16") for codec in ("pcm_s16le", "flac", "alac", "aac", "opus", "mp3")
    ]
    assert [sound.codec for sound in formats if sound.lossless] == ["pcm_s16le", "flac", "alac"]
    assert SoundFormat("aac", 48000, "5.1", "flt").channels == 6
