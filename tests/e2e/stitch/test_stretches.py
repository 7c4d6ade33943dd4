"""However many bytes go at a time, and whatever thread takes them, the film and its proof are the same."""

from __future__ import annotations

import gc
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import StitchError
from helios_pipe.stitch import blocks, indexes, readback, source, stretches
from helios_pipe.stitch.join import Piece, RemuxStitcher, join
from tests.e2e.stitch.conftest import Ffmpeg

NEVER = 1 << 60


@pytest.fixture
def pieces(tmp_path: Path, ffmpeg: Ffmpeg) -> list[Piece]:
    """Twelve chunks of 7 kB to 0.2 MB, 0.8 MB together: more than a block, of which most hold several."""
    made = []
    for number in range(12):
        path = tmp_path / f"{number}.mp4"
        noise = f"color=gray:s=96x64:r=30,noise=alls=100:allf=t:all_seed={number + 1}"
        words = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-pix_fmt", "yuv420p", "-threads", "1")
        ffmpeg("-f", "lavfi", "-i", noise, "-frames:v", str(1 + number**2 % 17), *words, path)
        made.append(Piece(path, f"a/{number}", digest=digest_file(path)))
    assert sum(piece.path.stat().st_size for piece in made) > blocks.BLOCK
    return made


def take(monkeypatch: pytest.MonkeyPatch, block: int, lane: int, aside: int) -> None:
    for module in (blocks, stretches, readback):
        monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr("helios_pipe.stitch.join._LANE", lane)
    monkeypatch.setattr(stretches, "ASIDE", aside)


@pytest.mark.parametrize("block", [1000, 100_000, 1 << 22])
@pytest.mark.parametrize(("lane", "aside"), [(NEVER, NEVER), (1, NEVER), (1, 1)], ids=["alone", "lane", "threads"])
def test_the_film_is_the_same(
    block: int, lane: int, aside: int, pieces: list[Piece], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = join(pieces, tmp_path / "plain.mp4")
    take(monkeypatch, block, lane, aside)
    joined = join(pieces, tmp_path / "film.mp4", copy=tmp_path / "copy.mp4")
    assert joined == plain
    assert digest_file(tmp_path / "film.mp4") == digest_file(tmp_path / "copy.mp4") == plain.sha256
    some = [piece._replace(digest=piece.digest if number % 3 else None) for number, piece in enumerate(pieces)]
    assert join(some, tmp_path / "some.mp4").sha256 == plain.sha256
    RemuxStitcher().stitch([piece.path for piece in pieces], tmp_path / "stitched.mp4")
    assert digest_file(tmp_path / "stitched.mp4") == plain.sha256


@pytest.mark.parametrize(("lane", "aside"), [(NEVER, NEVER), (1, NEVER), (1, 1)], ids=["alone", "lane", "threads"])
@pytest.mark.parametrize("number", [0, 5, 11])
def test_the_chunk_with_other_bytes_is_named(
    number: int, lane: int, aside: int, pieces: list[Piece], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(monkeypatch, blocks.BLOCK, lane, aside)
    pieces[number] = pieces[number]._replace(digest=Digest("0" * 64))
    with pytest.raises(StitchError, match=rf"^a/{number} \({number}.mp4\): sha256 is "):
        join(pieces, tmp_path / "film.mp4")
    assert not [path for path in tmp_path.iterdir() if path.name == "film.mp4" or path.name.endswith(".part")]


def test_an_interrupt_as_a_chunk_is_opened_leaves_no_descriptor(
    pieces: list[Piece], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind each look at an open chunk, one after the other: while indexes are read, while it is written, and read back."""
    real = source.mark_from
    calls, hit = [0], [0]

    def interrupted(found: os.stat_result) -> Any:
        calls[0] += 1
        if calls[0] == hit[0]:
            raise KeyboardInterrupt
        return real(found)

    for module in (indexes, stretches):
        monkeypatch.setattr(module, "mark_from", interrupted)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(1, 1 + 3 * len(pieces)):
        calls[0], hit[0] = 0, number
        with pytest.raises(KeyboardInterrupt):
            join(pieces, tmp_path / "film.mp4")
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == before
    calls[0] = hit[0] = 0
    assert join(pieces, tmp_path / "film.mp4").size
    assert calls[0] == 3 * len(pieces)


@pytest.mark.parametrize("aside", [NEVER, 1], ids=["lane", "threads"])
@pytest.mark.parametrize("when", ["written", "read back"])
def test_a_disk_that_fails_leaves_neither_film_nor_thread(
    when: str, aside: int, pieces: list[Piece], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(monkeypatch, 20_000, 1, aside)
    system = os.pwritev if when == "written" else os.preadv
    calls: list[int] = []

    def fail(descriptor: int, views: Any, place: int) -> int:
        calls.append(place)
        if when == "written" and place > 200_000:
            raise OSError(5, "Input/output error")
        if when == "read back" and os.readlink(f"/proc/self/fd/{descriptor}").endswith(".part") and place > 200_000:
            return 0
        return system(descriptor, views, place)

    before = threading.active_count()
    plain = join(pieces, tmp_path / "plain.mp4")
    monkeypatch.setattr(os, system.__name__, fail)
    early = r"length: it ends early, expected (\d+) bytes"
    message = "could not be written as mp4: Input/output error" if when == "written" else early
    with pytest.raises(StitchError, match=message) as caught:
        join(pieces, tmp_path / "film.mp4", copy=tmp_path / "copy.mp4")
    if found := re.search(early, str(caught.value)):
        assert int(found[1]) == plain.size
    assert calls
    assert threading.active_count() == before
    assert not [path for path in tmp_path.iterdir() if path.name == "film.mp4" or path.name.endswith(".part")]
