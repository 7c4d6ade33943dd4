"""Frame numbers stand in names; sizes stand in headers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.errors import OutputError
from helios_pipe.media.images import frame_number, renumbered, series_of
from helios_pipe.media.imagesize import image_size


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("0042.png", 42),
        ("shot1_0042.png", 42),
        ("a.0042.exr", 42),
        ("v2.png", 2),
        ("cover.png", None),
        (".5", 5),
        ("shot7/cover.png", None),
        ("v1.2/a_3.png", 3),
    ],
)
def test_the_last_number_before_the_suffix_is_the_frames(name: str, number: int | None) -> None:
    assert frame_number(name) == number


@given(st.integers(0, 10**7), st.integers(1, 8), st.sampled_from(["", "shot_", "a1b", "depth."]))
def test_a_new_number_is_read_back_and_keeps_its_series(number: int, width: int, prefix: str) -> None:
    name = renumbered(f"{prefix}{0:0{width}d}.png", number)
    assert frame_number(name) == number
    assert series_of(name) == f"{prefix}#.png"


def test_a_name_without_a_number_cannot_get_one() -> None:
    with pytest.raises(ValueError, match=r"cover\.png cannot be given the frame number 3"):
        renumbered("cover.png", 3)


def test_a_damaged_header_is_told(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(OutputError, match=r"1\.png: its header is damaged"):
        image_size(tmp_path / "1.png")
    (tmp_path / "words").write_bytes(b"words")
    with pytest.raises(OutputError, match=r"words: no suffix is no known kind of image"):
        image_size(tmp_path / "words")
