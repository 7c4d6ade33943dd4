"""Two spellings of one packet hold the same picture units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.stitch.framing import length_bytes, picture_units

AUD, SPS, SLICE, IDR = b"\x09\xf0", b"\x67\x42", b"\x41\x9a\x02", b"\x65\x88\x84"


def with_lengths(units: list[bytes], size: int) -> bytes:
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


def with_start_codes(units: list[bytes]) -> bytes:
    return b"".join((b"\0\0\0\1" if number == 0 else b"\0\0\1") + unit for number, unit in enumerate(units))


def test_delimiters_and_parameter_sets_do_not_count() -> None:
    spelled = with_start_codes([AUD, SPS, IDR, SLICE])
    assert picture_units("h264", spelled, 0) == [IDR, SLICE]
    assert picture_units("h264", with_lengths([IDR, SLICE], 4), 4) == [IDR, SLICE]


def test_another_picture_is_seen() -> None:
    assert picture_units("h264", with_start_codes([IDR]), 0) != picture_units("h264", with_lengths([SLICE], 4), 4)


def test_hevc_has_its_own_kinds() -> None:
    aud, vps, idr = b"\x46\x01\x50", b"\x40\x01\x0c", b"\x26\x01\xaf"
    assert picture_units("hevc", with_start_codes([aud, vps, idr]), 0) == [idr]


@pytest.mark.parametrize(
    ("codec", "extradata", "expected"),
    [
        ("h264", b"\x01\x64\x00\x0a\xff\xe1", 4),
        ("h264", b"\x01\x64\x00\x0a\xfd\xe1", 2),
        ("h264", b"\x00\x00\x00\x01\x67", 0),
        ("hevc", b"\x01" + bytes(20) + b"\x03", 4),
        ("av1", b"\x01\x00\x00\x00", 0),
        ("h264", b"", 0),
    ],
)
def test_the_header_says_how_lengths_are_spelled(codec: str, extradata: bytes, expected: int) -> None:
    assert length_bytes(codec, extradata) == expected


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.sampled_from([2, 4]))
def test_both_spellings_agree(bodies: list[bytes], size: int) -> None:
    units = [b"\x41" + body.replace(b"\0", b"\x03") + b"\x80" for body in bodies]
    assert picture_units("h264", with_lengths(units, size), size) == picture_units("h264", with_start_codes(units), 0)


@given(st.binary(max_size=60))
def test_garbage_never_hangs(payload: bytes) -> None:
    picture_units("h264", payload, 4)
    picture_units("h264", payload, 0)
