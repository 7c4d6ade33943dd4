"""After the join: each row is broken by a real file, and seen."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import pytest

from helios_pipe.digest import digest_file
from helios_pipe.errors import StitchError
from helios_pipe.stitch.compare import compare_files
from helios_pipe.stitch.join import FfmpegStitcher, JoinSettings, Piece, RemuxStitcher, join
from helios_pipe.stitch.order import marks_of
from helios_pipe.stitch.postcheck import postcheck
from helios_pipe.stitch.preflight import Plan, preflight
from helios_pipe.stitch.remux import remux
from tests.e2e.stitch.conftest import Ffmpeg, Make


@pytest.fixture
def plan(three: list[Piece]) -> Plan:
    return preflight(three, marks_of(three), JoinSettings())


def wrong(path: Path, plan: Plan, tmp_path: Path, muxer: str = "mp4") -> str:
    packets = remux(plan, tmp_path / "right", muxer, JoinSettings()).packets
    postcheck(tmp_path / "right", muxer, plan, packets)
    with pytest.raises(StitchError) as caught:
        postcheck(path, muxer, plan, packets)
    return caught.value.message


def rewritten(source: Path, target: Path, change: object = None, *, scale: int = 15360) -> Path:
    """The video again, each packet's (number, pts, dts) changed by `change`; where it gives None the packet is left out."""
    settings = {"video_track_timescale": str(scale), "movie_timescale": str(scale)}
    with av.open(str(source)) as given, av.open(str(target), "w", container_options=settings) as container:
        out = container.add_stream_from_template(given.streams.video[0], opaque=True)
        packets = [packet for packet in given.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            assert packet.pts is not None
            assert packet.dts is not None
            times = change(number, packet.pts, packet.dts) if callable(change) else (packet.pts, packet.dts)
            if times is None:
                continue
            packet.stream = out
            packet.pts, packet.dts = times
            container.mux(packet)
    return target


@pytest.fixture
def good(three: list[Piece], tmp_path: Path) -> Path:
    join(three, tmp_path / "good.mp4")
    return tmp_path / "good.mp4"


def test_the_concat_demuxers_own_clock_is_refused(tmp_path: Path, chunk: Make, ffmpeg: Ffmpeg) -> None:
    """It places chunks in microseconds: steps of 511 and 507 ticks where 512 are right."""
    pieces = [chunk(tmp_path / f"{start:04d}.mp4", start, 10) for start in range(0, 120, 10)]
    lines = "".join(f"file '{piece.path}'\n" for piece in pieces)
    (tmp_path / "list.txt").write_text(lines)
    naive = tmp_path / "naive.mp4"
    ffmpeg("-f", "concat", "-safe", "0", "-i", tmp_path / "list.txt", "-c", "copy", naive)
    told = wrong(naive, preflight(pieces, marks_of(pieces), JoinSettings()), tmp_path)
    assert told.startswith("the join came out wrong: ")


def test_a_frame_too_few(plan: Plan, good: Path, tmp_path: Path) -> None:
    bad = rewritten(good, tmp_path / "bad.mp4", lambda n, pts, dts: None if n == 9 else (pts, dts))
    assert wrong(bad, plan, tmp_path) == "the join came out wrong: frames: 9, expected 10"


def test_a_frame_too_many(three: list[Piece], plan: Plan, tmp_path: Path) -> None:
    join(
        [*three, three[0]][:0] or [*three[:0], *[Piece(p.path, p.name) for p in (*three, three[0])]],
        tmp_path / "bad.mp4",
    )
    assert wrong(tmp_path / "bad.mp4", plan, tmp_path) == "the join came out wrong: frames: more than 10, expected 10"


def test_a_hole_in_time(plan: Plan, good: Path, tmp_path: Path) -> None:
    bad = rewritten(good, tmp_path / "bad.mp4", lambda n, pts, dts: (pts + 512 * (n > 5), dts + 512 * (n > 5)))
    assert wrong(bad, plan, tmp_path) == "the join came out wrong: frame: 6 missing, expected every frame"


def test_a_tick_off(plan: Plan, good: Path, tmp_path: Path) -> None:
    bad = rewritten(good, tmp_path / "bad.mp4", lambda n, pts, dts: (pts + (n == 4), dts + (n == 4)))
    assert wrong(bad, plan, tmp_path).startswith("the join came out wrong: time: packet 4 lies at frame 4.002")


def test_a_late_start(plan: Plan, good: Path, tmp_path: Path) -> None:
    bad = rewritten(good, tmp_path / "bad.mp4", lambda n, pts, dts: (pts + 512, dts + 512))
    assert wrong(bad, plan, tmp_path).startswith("the join came out wrong: frame: 0 missing")


def test_another_length(plan: Plan, good: Path, tmp_path: Path) -> None:
    """The last frame's length is in the container alone, in no packet's time."""
    data = bytearray(good.read_bytes())
    at = data.index(b"stts")
    count, delta = (int.from_bytes(data[at + 12 + i : at + 16 + i], "big") for i in (0, 4))
    assert (count, delta) == (10, 512)
    data[at + 8 : at + 12] = (1).to_bytes(4, "big")
    mdhd = data.index(b"mdhd")
    data[mdhd + 20 : mdhd + 24] = (5000).to_bytes(4, "big")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(data)
    assert "the join came out wrong: duration" in wrong(bad, plan, tmp_path)


def test_another_byte_in_a_packet(plan: Plan, good: Path, tmp_path: Path) -> None:
    data = bytearray(good.read_bytes())
    data[-40] ^= 1
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(data)
    assert wrong(bad, plan, tmp_path).startswith("the join came out wrong: the packets of zoom/0003: sha256 ")


def test_chunks_in_another_order(three: list[Piece], plan: Plan, tmp_path: Path) -> None:
    other = [Piece(piece.path, piece.name) for piece in (three[1], three[0], three[2])]
    join(other, tmp_path / "bad.mp4")
    assert "the packets of zoom/0000" in wrong(tmp_path / "bad.mp4", plan, tmp_path)


def test_a_stream_too_many(plan: Plan, good: Path, tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    bad = tmp_path / "bad.mp4"
    ffmpeg("-i", good, "-f", "lavfi", "-i", "sine=d=0.3", "-c:v", "copy", "-c:a", "aac", bad)
    assert wrong(bad, plan, tmp_path) == "the join came out wrong: streams: video, audio, expected video"


def test_a_file_cut_off(plan: Plan, good: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    shutil.copy(good, bad)
    with bad.open("r+b") as file:
        file.truncate(good.stat().st_size - 30)
    told = wrong(bad, plan, tmp_path)
    assert told == "the join came out wrong: a packet: damaged, expected a whole one" or "frames: 9" in told


def test_where_milliseconds_are_all_there_is_half_a_tick_is_allowed(three: list[Piece], tmp_path: Path) -> None:
    join(three, tmp_path / "all.mkv")
    with av.open(str(tmp_path / "all.mkv")) as container:
        stream = container.streams.video[0]
        found = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
        assert stream.time_base == Fraction(1, 1000)
    assert found == [0, 33, 67, 100, 133, 167, 200, 233, 267, 300]


# -- large files, looked at where their bytes lie


@pytest.fixture(scope="session")
def noisy(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Ffmpeg) -> list[Piece]:
    """Three chunks of noise, reordered frames included, each of more than a megabyte."""
    folder = tmp_path_factory.mktemp("noisy")
    pieces = []
    for number in range(3):
        noise = f"nullsrc=s=320x180:r=30,geq=random(0)*200+{number * 20}:128:128"
        x264 = (
            "-c:v",
            "libx264",
            "-qp",
            "4",
            "-preset",
            "veryfast",
            "-bf",
            "2",
            "-threads",
            "1",
            "-pix_fmt",
            "yuv420p",
        )
        path = folder / f"{number}.mp4"
        ffmpeg("-f", "lavfi", "-i", noise, "-frames:v", "20", *x264, path)
        assert path.stat().st_size > 1 << 20
        pieces.append(Piece(path, f"noise/{number}", frames=20))
    return pieces


@pytest.fixture
def large(noisy: list[Piece]) -> Plan:
    return preflight(noisy, marks_of(noisy), JoinSettings())


def test_a_large_join_is_what_its_chunks_are(noisy: list[Piece], tmp_path: Path) -> None:
    joined = join(noisy, tmp_path / "all.mp4")
    assert joined.frames == 60
    plain = [Piece(piece.path, piece.name) for piece in noisy]
    assert [chunk.packets for chunk in join(plain, tmp_path / "all.mkv").chunks] == [c.packets for c in joined.chunks]


def test_the_stitchers_give_what_the_join_gives(noisy: list[Piece], tmp_path: Path, program: str) -> None:
    joined = join(noisy, tmp_path / "joined.mp4")
    RemuxStitcher().stitch([piece.path for piece in noisy], tmp_path / "stitched.mp4")
    FfmpegStitcher(program).stitch([piece.path for piece in noisy], tmp_path / "program.mp4")
    assert digest_file(tmp_path / "stitched.mp4") == joined.sha256
    assert compare_files(tmp_path / "joined.mp4", tmp_path / "program.mp4").verdict == "frames"


def test_a_byte_in_a_large_file(noisy: list[Piece], large: Plan, tmp_path: Path) -> None:
    join(noisy, tmp_path / "bad.mp4")
    data = bytearray((tmp_path / "bad.mp4").read_bytes())
    data[-1000] ^= 1
    (tmp_path / "bad.mp4").write_bytes(data)
    told = wrong(tmp_path / "bad.mp4", large, tmp_path)
    assert told.startswith("the join came out wrong: packet ")
    assert "of noise/2 or one soon after: other bytes" in told


def test_large_chunks_in_another_order(noisy: list[Piece], large: Plan, tmp_path: Path) -> None:
    join([noisy[1], noisy[0], noisy[2]], tmp_path / "bad.mp4")
    assert "the sizes of noise/0's packets from 0 on" in wrong(tmp_path / "bad.mp4", large, tmp_path)


def test_times_in_a_large_file(noisy: list[Piece], large: Plan, tmp_path: Path) -> None:
    good = tmp_path / "good.mp4"
    join(noisy, good)
    for change, message in (
        (lambda n, pts, dts: None if n == 59 else (pts, dts), "frames: 59, expected 60"),
        (lambda n, pts, dts: (pts + (n == 30), dts), "time: packet 30 lies at frame "),
        (lambda n, pts, dts: (pts + 512 * (n >= 40), dts + 512 * (n >= 40)), "frame: 40 missing"),
    ):
        bad = rewritten(good, tmp_path / "bad.mp4", change)
        assert f"the join came out wrong: {message}" in wrong(bad, large, tmp_path), message


def test_a_large_chunk_of_too_few_frames_is_refused_by_its_index(noisy: list[Piece], tmp_path: Path) -> None:
    short = rewritten(noisy[1].path, tmp_path / "short.mp4", lambda n, pts, dts: None if n == 19 else (pts, dts))
    with pytest.raises(StitchError, match=r"^noise/1 \(short\.mp4\): (19 frames, expected 20|frame \d+ is missing)"):
        join([noisy[0], Piece(short, "noise/1", frames=20), noisy[2]], tmp_path / "all.mp4")
    late = rewritten(
        noisy[1].path, tmp_path / "late.mp4", lambda n, pts, dts: (pts + 512 * (n > 9), dts + 512 * (n > 9))
    )
    with pytest.raises(StitchError, match=r"^noise/1 \(late\.mp4\): frame \d+ is missing"):
        join([noisy[0], Piece(late, "noise/1", frames=20), noisy[2]], tmp_path / "all.mp4")
