"""Chunks made by real encoders, and the one way to see a join refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

from helios_pipe.errors import StitchError
from helios_pipe.stitch.join import JoinSettings, Piece, join
from tests.kit import burnin

Make = Callable[..., Piece]
Ffmpeg = Callable[..., None]
Refused = Callable[..., str]


@pytest.fixture(scope="session")
def program() -> str:
    """The ffmpeg that comes with the tests."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@pytest.fixture(scope="session")
def ffmpeg(program: str) -> Ffmpeg:
    """Runs ffmpeg; its failure is the test's."""

    def run(*arguments: str | Path) -> None:
        argv = [program, "-v", "error", "-nostdin", "-y", *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def chunk() -> Make:
    """Renders frames with their numbers burnt in: chunk(path, start, count, *burnin_options) -> Piece."""

    def make(path: Path, start: int, count: int, *options: str) -> Piece:
        read = burnin.arguments(["--count", str(count), "--gop", "250", "--output", str(path), *options])
        frames = (
            burnin.picture(number, read.width, read.height, (128, 128), read.pixels)
            for number in range(start, start + count)
        )
        burnin.encode(frames, path, read)
        return Piece(path, f"zoom/{start:04d}", frames=count, start=start)

    return make


@pytest.fixture
def three(tmp_path: Path, chunk: Make) -> list[Piece]:
    """Ten frames in three chunks, the first of one frame, the second of two."""
    return [chunk(tmp_path / f"{start}.mp4", start, count) for start, count in ((0, 1), (1, 2), (3, 7))]


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Joins what must be refused, over an older output that must stay. Gives the message with its advice."""

    def check(pieces: list[Piece], settings: JoinSettings | None = None, *, sound: Piece | None = None) -> str:
        target = tmp_path / "out" / "all.mp4"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"what was there")
        with pytest.raises(StitchError) as caught:
            join(pieces, target, settings or JoinSettings(), sound=sound)
        assert target.read_bytes() == b"what was there"
        assert [path.name for path in target.parent.iterdir()] == ["all.mp4"]
        return str(caught.value)

    return check
