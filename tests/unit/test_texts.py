"""A text that can be written down stays; halves of characters are replaced. Times are spelled as the standard library does."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.texts import encodable, timestamp


@pytest.mark.parametrize("text", ["", "plain", "é ü 語 \U0001f3ac", "\0\n\x7f", "\ufffd"])
def test_what_can_be_written_down_is_left_as_it_is(text: str) -> None:
    assert encodable(text) is text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\ud800", "\ufffd"),
        ("a\udfff語", "a\ufffd語"),
        ("cut \ud83c", "cut \ufffd"),
        (os.fsdecode(b"caf\xe9.txt"), "caf\ufffd.txt"),
    ],
)
def test_half_a_character_is_replaced(text: str, found: str) -> None:
    assert encodable(text) == found


@given(st.integers(-(10**12), 10**14))
def test_a_time_is_spelled_as_iso_8601(milliseconds: int) -> None:
    told = timestamp(milliseconds / 1000)
    assert told.endswith("Z")
    assert datetime.fromisoformat(told) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
