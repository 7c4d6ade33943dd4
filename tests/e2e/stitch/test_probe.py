"""Frames are counted from packets, without decoding; what is wrong with a file is said."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from helios_pipe.errors import OutputError
from helios_pipe.media.probe import count_frames, probe
from tests.e2e.stitch.conftest import Ffmpeg, Make


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".nut", ".avi"])
def test_frames_are_counted_in_every_container(suffix: str, tmp_path: Path, chunk: Make) -> None:
    piece = chunk(tmp_path / f"a{suffix}", 0, 13)
    assert count_frames(piece.path) == 13
    piece.path.rename(tmp_path / "blob")
    assert count_frames(tmp_path / "blob") == 13


def test_a_video_is_described(tmp_path: Path, chunk: Make) -> None:
    found = probe(chunk(tmp_path / "a.mp4", 0, 5).path)
    assert (found.codec, found.pix_fmt, found.width, found.height) == ("h264", "yuv420p", 128, 72)
    assert (found.fps, found.frames, found.sar, found.audio) == (Fraction(30), 5, Fraction(1), 0)


def test_what_is_no_whole_video_is_told(tmp_path: Path, chunk: Make, ffmpeg: Ffmpeg) -> None:
    good = chunk(tmp_path / "good.mp4", 0, 5).path
    shutil.copy(good, tmp_path / "whole.mp4")
    with pytest.raises(OutputError, match=r"gone\.mp4: No such file or directory$"):
        count_frames(tmp_path / "gone.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(OutputError, match=r"empty\.mp4: empty$"):
        count_frames(tmp_path / "empty.mp4")
    cut = tmp_path / "cut.mp4"
    ffmpeg("-i", good, "-c", "copy", "-movflags", "+faststart", cut)
    os.truncate(cut, cut.stat().st_size - 50)
    with pytest.raises(OutputError, match=r"cut\.mp4: (frame 4 is cut off or damaged|holds 4 frames where)"):
        count_frames(cut)
    os.truncate(good, 300)
    with pytest.raises(OutputError, match=r"good\.mp4: not readable as mov"):
        count_frames(good)
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", tmp_path / "sound.mp4")
    with pytest.raises(OutputError, match=r"sound\.mp4: 0 video streams, expected one$"):
        count_frames(tmp_path / "sound.mp4")
    ffmpeg("-f", "lavfi", "-i", "color=red:s=8x8", "-frames:v", "1", tmp_path / "cover.png")
    cover = ("-map", "0", "-map", "1", "-c:v:0", "copy", "-c:v:1", "png", "-disposition:v:1", "attached_pic")
    ffmpeg("-i", tmp_path / "whole.mp4", "-i", tmp_path / "cover.png", *cover, tmp_path / "cover.mp4")
    with pytest.raises(OutputError, match=r"cover\.mp4: 2 video streams, expected one$"):
        count_frames(tmp_path / "cover.mp4")
