"""Rotation as the header tells it: what the decoder tells of the frames, the same in every chunk, and kept or refused."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from helios_pipe.errors import StitchError
from helios_pipe.media.container import demuxer_for
from helios_pipe.media.turning import UPRIGHT, turning
from helios_pipe.stitch.join import FfmpegStitcher, Piece, RemuxStitcher, join
from tests.e2e.stitch.conftest import Ffmpeg


def turned(ffmpeg: Ffmpeg, source: Path, target: Path, *how: str) -> Path:
    ffmpeg(*how, "-i", source, "-c", "copy", target)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("angle", [0, 45, 90, 180, -90])
@pytest.mark.parametrize("mirror", [(), ("-display_hflip",), ("-display_vflip",)])
def test_the_header_tells_what_the_decoder_tells(
    suffix: str, angle: int, mirror: tuple[str, ...], three: list[Piece], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    path = turned(ffmpeg, three[1].path, tmp_path / f"t{suffix}", "-display_rotation", str(angle), *mirror)
    with av.open(str(path)) as container:
        told = next(container.decode(video=0)).rotation
    expected = f"{180 if told == -180 else told}°{', mirrored' if mirror else ''}"
    assert turning(path, demuxer_for(path)) == expected


def test_what_is_no_header_turns_nothing(three: list[Piece], ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        path = turned(ffmpeg, three[1].path, tmp_path / f"t{suffix}", "-display_rotation", "90")
        data, demuxer = path.read_bytes(), demuxer_for(path)
        at = data.index(b"tkhd" if suffix == ".mp4" else b"\x16\x54\xae\x6b")
        for length in (0, 1, 7, at, at + 2, at + 40):
            path.write_bytes(data[:length])
            assert turning(path, demuxer) == UPRIGHT
    assert turning(tmp_path / "gone.mp4", "mov") == UPRIGHT


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_chunk_that_is_turned_otherwise_is_refused(
    suffix: str, three: list[Piece], ffmpeg: Ffmpeg, program: str, tmp_path: Path
) -> None:
    plain = turned(ffmpeg, three[1].path, tmp_path / f"plain{suffix}")
    other = turned(ffmpeg, three[2].path, tmp_path / f"other{suffix}", "-display_rotation", "90")
    for stitcher in (RemuxStitcher(), FfmpegStitcher(program)):
        with pytest.raises(StitchError) as caught:
            stitcher.stitch([plain, other], tmp_path / f"all{suffix}")
        assert caught.value.message == f"{other.name} ({other.name}): rotation is 90°, but 0° in {plain.name}"
        with pytest.raises(StitchError, match=r"rotation is 0°, but 90° in "):
            stitcher.stitch([other, plain], tmp_path / f"all{suffix}")


def test_rotation_survives_or_there_is_no_film(three: list[Piece], ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    chunk = Piece(turned(ffmpeg, three[2].path, tmp_path / "turned.mp4", "-display_rotation", "90"), "a/0")
    for suffix in (".mov", ".mkv"):
        target = tmp_path / f"all{suffix}"
        join([chunk, chunk], target)
        assert turning(target, demuxer_for(target)) == "90°"
    with pytest.raises(
        StitchError, match=r"h264 yuv420p does not come through as mpegts: rotation is 0°, but 90° in a/0"
    ):
        join([chunk, chunk], tmp_path / "all.ts")
