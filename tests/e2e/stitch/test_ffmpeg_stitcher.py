"""The ffmpeg program as a stitcher: its joins pass the same checks, its blind spots are covered."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from helios_pipe.errors import StitchError
from helios_pipe.stitch.join import FfmpegStitcher, Piece, join
from tests.e2e.stitch.conftest import Ffmpeg, Make
from tests.kit import burnin


@pytest.fixture
def stitcher(program: str) -> FfmpegStitcher:
    return FfmpegStitcher(program)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".nut"])
def test_it_gives_the_same_frames_as_the_library(
    suffix: str, three: list[Piece], stitcher: FfmpegStitcher, tmp_path: Path
) -> None:
    stitcher.stitch([piece.path for piece in three], tmp_path / f"all{suffix}")
    assert burnin.read_frame_numbers(tmp_path / f"all{suffix}") == list(range(10))


def test_many_chunks_lie_on_whole_ticks(tmp_path: Path, chunk: Make, stitcher: FfmpegStitcher) -> None:
    """Where the concat demuxer alone gives steps of 511 and 507: the check after the join would say so."""
    paths = [chunk(tmp_path / f"{start:04d}.mp4", start, 10).path for start in range(0, 120, 10)]
    stitcher.stitch(paths, tmp_path / "all.mp4")
    assert burnin.read_frame_numbers(tmp_path / "all.mp4") == list(range(120))


@pytest.mark.parametrize("name", ["it's.mp4", "two\nlines.mp4", "-dash.mp4", "grün 日本.mp4", "%05d.mp4"])
def test_any_name_will_do(name: str, three: list[Piece], stitcher: FfmpegStitcher, tmp_path: Path) -> None:
    paths = []
    for piece in three:
        path = tmp_path / f"{piece.start}{name}"
        piece.path.rename(path)
        paths.append(path)
    stitcher.stitch(paths, tmp_path / name)
    assert burnin.read_frame_numbers(tmp_path / name) == list(range(10))


def test_a_truncated_chunk_that_ffmpeg_itself_would_pass_over(
    three: list[Piece], program: str, stitcher: FfmpegStitcher, tmp_path: Path
) -> None:
    os.truncate(three[1].path, three[1].path.stat().st_size // 2)
    (tmp_path / "list.txt").write_text("".join(f"file '{piece.path}'\n" for piece in three))
    naive = [program, "-v", "quiet", "-f", "concat", "-safe", "0", "-i", str(tmp_path / "list.txt"), "-c", "copy"]
    assert subprocess.run([*naive, str(tmp_path / "naive.mp4")], check=False).returncode == 0
    with pytest.raises(StitchError, match=r"^1\.mp4: .*not readable as mov"):
        stitcher.stitch([piece.path for piece in three], tmp_path / "all.mp4")
    assert not (tmp_path / "all.mp4").exists()


def test_tags_come_through(three: list[Piece], ffmpeg: Ffmpeg, stitcher: FfmpegStitcher, tmp_path: Path) -> None:
    paths = []
    for piece in three:
        path = tmp_path / f"titled{piece.start}.mp4"
        ffmpeg("-i", piece.path, "-c", "copy", "-metadata", "title=Zoom", path)
        paths.append(path)
    stitcher.stitch(paths, tmp_path / "all.mp4")
    import av

    with av.open(str(tmp_path / "all.mp4")) as container:
        assert container.metadata["title"] == "Zoom"


def test_the_library_hands_over_what_it_does_not_write(tmp_path: Path, chunk: Make, ffmpeg: Ffmpeg) -> None:
    """FFV1 goes into QuickTime by the program only."""
    pieces = []
    for start in (0, 4):
        chunk(tmp_path / f"{start}.mp4", start, 4)
        ffmpeg(
            "-i", tmp_path / f"{start}.mp4", "-c:v", "ffv1", "-level", "3", "-threads", "1", tmp_path / f"{start}.mkv"
        )
        pieces.append(Piece(tmp_path / f"{start}.mkv", f"a/{start}"))
    assert join(pieces, tmp_path / "all.mov").frames == 8
    assert burnin.read_frame_numbers(tmp_path / "all.mov") == list(range(8))


@pytest.mark.parametrize(
    ("made", "target"),
    [
        (("0.mkv", "-c:v", "rawvideo", "-pix_fmt", "yuv420p"), "all.mkv"),
        (("0.mov", "-c:v", "rawvideo", "-pix_fmt", "uyvy422"), "all.mkv"),
        (("0.nut", "-c:v", "rawvideo", "-pix_fmt", "yuv420p"), "all.mkv"),
        (("0.mov", "-c:v", "jpeg2000", "-threads", "1"), "all.mp4"),
    ],
)
def test_a_header_that_the_library_does_not_write_is_no_end(
    made: tuple[str, ...], target: str, three: list[Piece], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    name, *encoder = made
    ffmpeg("-i", three[2].path, *encoder, tmp_path / name)
    joined = join([Piece(tmp_path / name, "a/0"), Piece(tmp_path / name, "a/1")], tmp_path / target)
    assert joined.frames == 14
    assert burnin.read_frame_numbers(tmp_path / target) == [*range(3, 10), *range(3, 10)]


def test_what_nobody_writes_is_refused(three: list[Piece], stitcher: FfmpegStitcher, tmp_path: Path) -> None:
    with pytest.raises(StitchError, match=r"ffmpeg could not join 3 chunks as webm: "):
        stitcher.stitch([piece.path for piece in three], tmp_path / "all.webm")
    with pytest.raises(StitchError, match=r"as webm: "):
        join([piece._replace(start=None) for piece in three], tmp_path / "all.webm")
    assert not (tmp_path / "all.webm").exists()
