"""Codecs, containers, rates and chunk sizes: every frame there, in order, equal to the chunk's own."""

from __future__ import annotations

import os
import random
import resource
from fractions import Fraction
from pathlib import Path

import pytest

from helios_pipe.stitch.certificate import proof_of, read_proof
from helios_pipe.stitch.join import JoinSettings, Piece, join
from helios_pipe.stitch.verify import verify_file
from tests.e2e.stitch.conftest import Ffmpeg, Make
from tests.kit import burnin

ENCODERS = {
    "libx264": ("-preset", "veryfast", "-bf", "3", "-pix_fmt", "yuv420p"),
    "libx265": ("-preset", "ultrafast", "-bf", "3", "-pix_fmt", "yuv420p", "-x265-params", "log-level=error"),
    "libvpx-vp9": ("-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p"),
    "libsvtav1": ("-preset", "12", "-crf", "20", "-svtav1-params", "lp=1", "-pix_fmt", "yuv420p"),
    "prores_ks": (),
    "ffv1": ("-level", "3"),
}
CONTAINERS = {
    "libx264": ("mp4", "mov", "mkv", "ts", "nut"),
    "libx265": ("mp4", "mov", "mkv", "ts", "nut"),
    "libvpx-vp9": ("webm", "mkv", "mp4", "nut"),
    "libsvtav1": ("webm", "mkv", "mp4"),
    "prores_ks": ("mov", "mkv"),
    "ffv1": ("mkv", "nut", "mov"),
}
RATES = ["25/2", "24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60"]


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Ffmpeg) -> Path:
    """Sixty frames with their numbers burnt in, as they are: no times, and so any rate."""
    path = tmp_path_factory.mktemp("numbered") / "all.mkv"
    options = burnin.arguments(["--count", "60", "--output", str(path), "--codec", "ffv1"])
    burnin.encode((burnin.picture(n, 128, 72, (128, 128), "yuv420p") for n in range(60)), path, options)
    ffmpeg("-i", path, "-fps_mode", "passthrough", path.with_suffix(".y4m"))
    return path.with_suffix(".y4m")


def cut(
    ffmpeg: Ffmpeg, source: Path, folder: Path, codec: str, suffix: str, rate: str, counts: list[int]
) -> list[Piece]:
    pieces, start = [], 0
    for number, count in enumerate(counts):
        path = folder / f"{number:03d}.{suffix}"
        trim = f"trim=start_frame={start}:end_frame={start + count},setpts=PTS-STARTPTS"
        shape = ("-c:v", codec, "-threads", "1", "-fflags", "+bitexact", *ENCODERS[codec])
        ffmpeg("-r", rate, "-i", source, "-vf", trim, *shape, path)
        pieces.append(Piece(path, f"a/{number:04d}", frames=count, start=start))
        start += count
    return pieces


def proved(pieces: list[Piece], target: Path, fps: Fraction | None = None) -> None:
    joined = join(pieces, target, JoinSettings(fps=fps))
    frames = sum(piece.frames or 0 for piece in pieces)
    assert joined.frames == frames
    assert burnin.read_frame_numbers(target) == list(range(frames))
    target.with_suffix(".json").write_bytes(proof_of(joined))
    found = verify_file(target, read_proof(target.with_suffix(".json")), chunks=pieces, full=True)
    assert found.problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("codec", ENCODERS)
def test_every_codec_in_every_container_it_fits(codec: str, tmp_path: Path, numbered: Path, ffmpeg: Ffmpeg) -> None:
    for suffix in CONTAINERS[codec]:
        (tmp_path / suffix).mkdir()
        pieces = cut(ffmpeg, numbered, tmp_path / suffix, codec, suffix, "30", [1, 2, 7, 10])
        for target in CONTAINERS[codec]:
            proved(pieces, tmp_path / f"{suffix}.{target}")


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
def test_every_rate(rate: str, tmp_path: Path, numbered: Path, ffmpeg: Ffmpeg) -> None:
    for codec, suffixes in (("libx264", ("mp4", "mov", "mkv", "ts", "nut")), ("libvpx-vp9", ("webm",))):
        for suffix in suffixes:
            (tmp_path / suffix).mkdir()
            pieces = cut(ffmpeg, numbered, tmp_path / suffix, codec, suffix, rate, [3, 1, 5, 4])
            proved(pieces, tmp_path / f"all.{suffix}")
            joined = join(pieces, tmp_path / f"again.{suffix}")
            assert joined.fps == Fraction(rate)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes", [[1] * 12, [2] * 6, [3] * 4, [7, 7, 7], [13, 11, 5], [60], [1, 59], [59, 1], [2, 1, 1, 2]]
)
def test_every_size_of_chunks(sizes: list[int], tmp_path: Path, numbered: Path, ffmpeg: Ffmpeg) -> None:
    for suffix in ("mp4", "mkv", "ts"):
        (tmp_path / suffix).mkdir()
        pieces = cut(ffmpeg, numbered, tmp_path / suffix, "libx264", suffix, "30000/1001", sizes)
        proved(pieces, tmp_path / f"all.{suffix}")


@pytest.mark.slow
def test_three_hundred_chunks_with_a_handful_of_open_files(tmp_path: Path, chunk: Make) -> None:
    """One chunk is open at a time: no limit on their number comes from us."""
    kinds = {count: chunk(tmp_path / f"{count}.mp4", 0, count, "--option", "bf=2").path for count in (1, 2, 3, 5)}
    dice = random.Random(300)
    pieces = []
    for number in range(300):
        count = dice.choice(list(kinds))
        pieces.append(Piece(kinds[count], f"a/{number:04d}", frames=count))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.dup(1) for _ in range(48)]  # so many more: whoever runs us may have others open
    for descriptor in free:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(free) + 1, hard))
    try:
        joined = join(pieces, tmp_path / "all.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert joined.frames == sum(piece.frames or 0 for piece in pieces)
    assert burnin.read_frame_numbers(tmp_path / "all.mp4") == [n for piece in pieces for n in range(piece.frames or 0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "settings"),
    [
        ("libx264", ("-qp", "20", "-g", "15", "-keyint_min", "15", "-sc_threshold", "0", "-x264-params", "open-gop=0")),
        ("ffv1", ("-level", "3", "-g", "1")),
    ],
)
def test_chunks_at_constant_quality_are_the_whole_pixel_for_pixel(
    codec: str, settings: tuple[str, ...], tmp_path: Path, numbered: Path, ffmpeg: Ffmpeg
) -> None:
    """Constant QP or lossless, closed groups as long as the chunks, one thread."""
    from helios_pipe.stitch.compare import compare_files

    common = ("-c:v", codec, "-threads", "1", "-pix_fmt", "yuv420p", *settings)
    ffmpeg("-i", numbered, *common, tmp_path / "whole.mkv")
    pieces = []
    for start in range(0, 60, 15):
        trim = f"trim=start_frame={start}:end_frame={start + 15},setpts=PTS-STARTPTS"
        ffmpeg("-i", numbered, "-vf", trim, *common, tmp_path / f"{start}.mkv")
        pieces.append(Piece(tmp_path / f"{start}.mkv", f"a/{start}", frames=15))
    join(pieces, tmp_path / "joined.mkv")
    assert compare_files(tmp_path / "whole.mkv", tmp_path / "joined.mkv").verdict in ("bytes", "frames")


@pytest.mark.slow
def test_chunks_at_a_rate_factor_are_not_the_whole(tmp_path: Path, numbered: Path, ffmpeg: Ffmpeg) -> None:
    """CRF looks ahead over what comes, and back over what was: a chunk knows neither."""
    from helios_pipe.stitch.compare import compare_files

    common = ("-c:v", "libx264", "-threads", "1", "-pix_fmt", "yuv420p", "-crf", "30", "-g", "15", "-sc_threshold", "0")
    ffmpeg("-i", numbered, *common, tmp_path / "whole.mkv")
    pieces = []
    for start in range(0, 60, 15):
        trim = f"trim=start_frame={start}:end_frame={start + 15},setpts=PTS-STARTPTS"
        ffmpeg("-i", numbered, "-vf", trim, *common, tmp_path / f"{start}.mkv")
        pieces.append(Piece(tmp_path / f"{start}.mkv", f"a/{start}", frames=15))
    join(pieces, tmp_path / "joined.mkv")
    found = compare_files(tmp_path / "whole.mkv", tmp_path / "joined.mkv")
    assert found.verdict == "pictures"
    assert found.differing > 30
