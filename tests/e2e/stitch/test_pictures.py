"""Codecs that need their container's tag to be read: the joined file decodes to the chunks' pictures, or there is none."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from helios_pipe.media.frames import open_frames
from helios_pipe.stitch.join import Piece, join
from tests.e2e.stitch.conftest import Ffmpeg

PRORES = ("-c:v", "prores_ks", "-profile:v", "4", "-pix_fmt", "yuva444p10le")
RAW = ("-c:v", "rawvideo", "-pix_fmt")


@pytest.fixture
def made(three: list[Piece], ffmpeg: Ffmpeg, tmp_path: Path) -> Path:
    """A picture source to be encoded in other ways."""
    ffmpeg("-i", three[2].path, "-c:v", "ffv1", tmp_path / "source.mkv")
    return tmp_path / "source.mkv"


def pictures(path: Path) -> list[tuple[str, bytes]]:
    with open_frames(path) as decoder:
        return [(raw.shown, raw.data) for raw in (decoder.raw(frame) for _, frame in decoder.frames())]


def tag_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.codec_tag


@pytest.mark.parametrize(
    ("name", "encoder", "target", "tag"),
    [
        ("c.nut", (*RAW, "yuv420p"), "all.nut", "I420"),
        ("c.mov", (*RAW, "rgb24"), "all.nut", "RGB\x18"),
        ("c.mov", (*RAW, "uyvy422"), "all.mkv", "2vuy"),
        ("c.mov", ("-c:v", "utvideo", "-pix_fmt", "yuv422p"), "all.nut", "ULY2"),
        ("c.mov", PRORES, "all.mkv", "ap4h"),
        ("c.mkv", PRORES, "all.mov", "ap4h"),
        ("c.mov", ("-c:v", "prores_ks", "-profile:v", "3"), "all.mkv", "apch"),
        ("c.mp4", ("-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=error"), "all.mov", "hvc1"),
    ],
)
def test_the_tag_comes_through_where_the_container_knows_it(
    name: str, encoder: tuple[str, ...], target: str, tag: str, made: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    ffmpeg("-i", made, *encoder, tmp_path / name)
    join([Piece(tmp_path / name, "a/0"), Piece(tmp_path / name, "a/1")], tmp_path / target)
    assert tag_of(tmp_path / target) == tag
    assert pictures(tmp_path / target) == 2 * pictures(tmp_path / name)
