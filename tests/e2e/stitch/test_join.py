"""Chunks made by real encoders, joined, and read back by a decoder."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from helios_pipe.errors import StitchError
from helios_pipe.media.probe import count_frames
from helios_pipe.stitch.join import Joined, Piece, join
from tests.kit import burnin


def chunk(path: Path, start: int, count: int) -> Piece:
    options = burnin.arguments(["--count", str(count), "--gop", "250", "--output", str(path)])
    frames = (
        burnin.picture(n, options.width, options.height, (128, 128), "yuv420p") for n in range(start, start + count)
    )
    burnin.encode(frames, path, options)
    return Piece(path, f"zoom/{start:04d}", frames=count, start=start)


@pytest.fixture
def three(tmp_path: Path) -> list[Piece]:
    return [chunk(tmp_path / f"{start}.mp4", start, count) for start, count in ((0, 1), (1, 2), (3, 7))]


def test_every_frame_is_there_once_and_in_order(three: list[Piece], tmp_path: Path) -> None:
    joined = join(three, tmp_path / "all.mp4")
    assert isinstance(joined, Joined)
    assert (joined.frames, joined.fps, joined.duration) == (10, Fraction(30), Fraction(1, 3))
    assert count_frames(tmp_path / "all.mp4") == 10
    assert burnin.read_frame_numbers(tmp_path / "all.mp4") == list(range(10))


def test_a_truncated_chunk_is_refused_by_name_and_the_old_target_stays(three: list[Piece], tmp_path: Path) -> None:
    target = tmp_path / "out" / "all.mp4"
    target.parent.mkdir()
    target.write_bytes(b"what was there")
    os.truncate(three[1].path, three[1].path.stat().st_size // 2)
    with pytest.raises(StitchError, match=r"^zoom/0001: .*1\.mp4: not readable as mov"):
        join(three, target)
    assert target.read_bytes() == b"what was there"
    assert [path.name for path in target.parent.iterdir()] == ["all.mp4"]
