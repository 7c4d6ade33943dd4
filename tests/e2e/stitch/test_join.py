"""Joins of chunks that fit: every frame there once, in order, at its time, and the packets untouched."""

from __future__ import annotations

import os
import resource
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from helios_pipe.digest import digest_file
from helios_pipe.errors import StitchError
from helios_pipe.media.probe import count_frames, probe
from helios_pipe.stitch.join import JoinSettings, Piece, RemuxStitcher, join
from tests.e2e.stitch.conftest import Ffmpeg, Make, Refused
from tests.kit import burnin


def times(path: Path) -> list[tuple[int | None, int | None, int | None]]:
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, p.duration) for p in container.demux(video=0) if p.size]


def payloads(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def boxes(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 8])
        at += size
    return found


def test_every_frame_is_there_once_and_in_order(three: list[Piece], tmp_path: Path) -> None:
    joined = join(three, tmp_path / "all.mp4")
    assert (joined.frames, joined.fps, joined.duration) == (10, Fraction(30), Fraction(1, 3))
    assert count_frames(tmp_path / "all.mp4") == 10
    assert burnin.read_frame_numbers(tmp_path / "all.mp4") == list(range(10))


def test_the_result_tells_of_every_chunk(three: list[Piece], tmp_path: Path) -> None:
    known = [piece._replace(digest=digest_file(piece.path)) for piece in three]
    joined = join(known, tmp_path / "all.mp4")
    assert [(chunk.name, chunk.first, chunk.frames) for chunk in joined.chunks] == [
        ("zoom/0000", 0, 1),
        ("zoom/0001", 1, 2),
        ("zoom/0003", 3, 7),
    ]
    assert [chunk.digest for chunk in joined.chunks] == [piece.digest for piece in known]
    assert joined.sha256 == digest_file(tmp_path / "all.mp4")
    assert joined.size == (tmp_path / "all.mp4").stat().st_size


def test_times_are_whole_frames_of_whole_ticks_whatever_the_chunks(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """With reordered frames in chunks of one and two, the concat demuxer breaks exactly here."""
    source = tmp_path / "all.y4m"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=24000/1001", "-frames:v", "20", source)
    pieces = []
    for start, count in ((0, 1), (1, 2), (3, 7), (10, 10)):
        path = tmp_path / f"{start}.mp4"
        cut = f"trim=start_frame={start}:end_frame={start + count},setpts=PTS-STARTPTS"
        ffmpeg("-i", source, "-vf", cut, "-c:v", "libx264", "-bf", "3", "-threads", "1", path)
        pieces.append(Piece(path, f"a/{start:04d}"))
    join(pieces, tmp_path / "out.mp4")
    found = times(tmp_path / "out.mp4")
    delay = 2
    assert sorted(pts for pts, _, _ in found if pts is not None) == [1001 * frame for frame in range(20)]
    assert [dts for _, dts, _ in found] == [1001 * (number - delay) for number in range(20)]
    assert {duration for _, _, duration in found} == {1001}
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.time_base, stream.average_rate) == (Fraction(1, 24000), Fraction(24000, 1001))
        assert (stream.start_time, stream.duration) == (0, 20 * 1001)


def test_packets_come_through_byte_by_byte(three: list[Piece], tmp_path: Path) -> None:
    join(three, tmp_path / "all.mp4")
    assert payloads(tmp_path / "all.mp4") == [payload for piece in three for payload in payloads(piece.path)]


def test_two_joins_are_the_same_bytes(three: list[Piece], tmp_path: Path) -> None:
    for suffix in (".mp4", ".mov", ".mkv", ".ts", ".nut"):
        first = join(three, tmp_path / f"first{suffix}")
        again = join(three, tmp_path / f"again{suffix}")
        assert first.sha256 == again.sha256, suffix


def test_the_index_stands_before_the_frames(three: list[Piece], tmp_path: Path) -> None:
    join(three, tmp_path / "all.mp4")
    assert boxes(tmp_path / "all.mp4").index(b"moov") < boxes(tmp_path / "all.mp4").index(b"mdat")
    join(three, tmp_path / "late.mp4", JoinSettings(faststart=False))
    assert boxes(tmp_path / "late.mp4").index(b"moov") > boxes(tmp_path / "late.mp4").index(b"mdat")


@pytest.mark.slow
def test_a_large_join_keeps_the_index_before_the_frames_and_compares_byte_by_byte(
    tmp_path: Path, ffmpeg: Ffmpeg
) -> None:
    path = tmp_path / "noise.mkv"
    noise = "nullsrc=s=1280x720:r=30,geq=random(1)*255:128:128"
    ffmpeg("-f", "lavfi", "-i", noise, "-frames:v", "16", "-c:v", "ffv1", "-g", "1", path)
    pieces = [Piece(path, f"n/{number}") for number in range(4)]
    assert 4 * path.stat().st_size > 48 << 20
    joined = join(pieces, tmp_path / "all.mkv")
    assert joined.frames == 64
    raw = tmp_path / "noise.mov"
    ffmpeg("-i", path, "-c:v", "libx264", "-qp", "1", "-preset", "ultrafast", "-threads", "1", raw)
    joined = join([Piece(raw, f"n/{number}") for number in range(4)], tmp_path / "all.mp4")
    found = boxes(tmp_path / "all.mp4")
    assert found.index(b"moov") < found.index(b"mdat")
    assert burnin_free(tmp_path / "all.mp4", joined.size)


def burnin_free(path: Path, size: int) -> bool:
    """What is kept free for the index is little beside the frames."""
    return size - sum(len(payload) for payload in payloads(path)) < size // 50


def test_one_chunk_alone_is_a_join_too(three: list[Piece], tmp_path: Path) -> None:
    joined = join(three[2:], tmp_path / "all.mp4")
    assert joined.frames == 7
    assert burnin.read_frame_numbers(tmp_path / "all.mp4") == list(range(3, 10))


def test_chunks_in_the_cache_need_no_suffix(three: list[Piece], tmp_path: Path) -> None:
    blobs = []
    for piece in three:
        blob = tmp_path / f"blob{piece.start}"
        piece.path.rename(blob)
        blobs.append(piece._replace(path=blob))
    assert join(blobs, tmp_path / "all.mp4").frames == 10


@pytest.mark.parametrize(
    "name", ["it's.mp4", "two\nlines.mp4", "-dash.mp4", "grün 日本.mp4", "a b|c:d%05d.mp4", "\udcff.mp4"]
)
def test_any_name_will_do(name: str, three: list[Piece], tmp_path: Path) -> None:
    folder = tmp_path / "in" / name
    folder.mkdir(parents=True)
    pieces = []
    for piece in three:
        path = folder / f"{piece.start}{name}"
        piece.path.rename(path)
        pieces.append(piece._replace(path=path))
    assert join(pieces, tmp_path / name).frames == 10
    assert count_frames(tmp_path / name) == 10


def test_the_stitcher_joins_paths(three: list[Piece], tmp_path: Path) -> None:
    RemuxStitcher().stitch([piece.path for piece in three], tmp_path / "deep" / "er" / "all.mp4")
    assert burnin.read_frame_numbers(tmp_path / "deep" / "er" / "all.mp4") == list(range(10))


def test_colour_shape_rotation_and_tags_come_through(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    pieces = []
    for number in range(2):
        plain, turned = tmp_path / f"plain{number}.mp4", tmp_path / f"{number}.mp4"
        hdr = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:max-cll=1000,400"
        master = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
        ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=96x64:r=30,setsar=4/3", "-frames:v", "4", "-c:v", "libx265"),
            *("-pix_fmt", "yuv420p10le", "-x265-params", f"log-level=error:{hdr}:{master}", "-tag:v", "hvc1", plain),
        )
        ffmpeg("-display_rotation", "90", "-i", plain, "-c", "copy", "-metadata", "title=Zoom", turned)
        pieces.append(Piece(turned, f"a/{number}"))
    join(pieces, tmp_path / "all.mp4", JoinSettings(metadata=(("comment", "joined"),)))
    with av.open(str(tmp_path / "all.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        frame = next(container.decode(stream))
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (9, 16, 9, 1)
        assert (stream.sample_aspect_ratio, context.codec_tag, frame.rotation) == (Fraction(4, 3), "hvc1", 90)
        kinds = {str(data) for data in list(frame.side_data)}
        assert [kind for kind in ("MASTERING_DISPLAY", "CONTENT_LIGHT") if kind not in str(kinds)] == []
        assert (container.metadata["title"], container.metadata["comment"]) == ("Zoom", "joined")
        assert "encoder" not in container.metadata


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".nut"])
def test_a_tag_in_another_encoding_comes_through_as_it_is(
    suffix: str, three: list[Piece], tmp_path: Path, ffmpeg: Ffmpeg
) -> None:
    pieces: list[Piece] = []
    for piece in three:
        path = tmp_path / f"{len(pieces)}{suffix}"
        ffmpeg("-i", piece.path, "-c", "copy", "-metadata", os.fsdecode(b"title=caf\xe9"), path)
        pieces.append(Piece(path, piece.name, piece.frames, start=piece.start))
    join(pieces, tmp_path / f"all{suffix}")
    with av.open(str(tmp_path / f"all{suffix}"), metadata_errors="surrogateescape") as container:
        assert os.fsencode(container.metadata["title"]) == b"caf\xe9"


def test_the_rate_is_the_first_chunks_unless_it_is_given(three: list[Piece], tmp_path: Path) -> None:
    joined = join(three, tmp_path / "all.mp4", JoinSettings(fps=Fraction(30)))
    assert (joined.fps, probe(tmp_path / "all.mp4").fps) == (Fraction(30), Fraction(30))


def test_an_output_without_a_known_suffix_is_refused(three: list[Piece], tmp_path: Path) -> None:
    with pytest.raises(StitchError, match=r"^all\.gif: no container is known by that suffix\n  Known suffixes: \.mp4,"):
        join(three, tmp_path / "all.gif")


def test_a_write_that_fails_leaves_the_old_output(chunk: Make, tmp_path: Path, refused: Refused) -> None:
    piece = chunk(tmp_path / "0.mp4", 0, 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (piece.path.stat().st_size // 2, hard))
    try:
        told = refused([piece])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told == "h264 could not be written as mp4: File too large"


def test_a_name_that_is_taken_is_not_written_through(
    chunk: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece = chunk(tmp_path / "0.mp4", 0, 3)
    other = tmp_path / "other"
    other.write_bytes(b"somebody's")
    (tmp_path / f".helios-{os.getpid()}-{b'guessed!'.hex()}.part").symlink_to(other)
    monkeypatch.setattr(os, "urandom", lambda _: b"guessed!")
    with pytest.raises(StitchError, match=r"all\.mp4: File exists"):
        join([piece], tmp_path / "all.mp4")
    assert other.read_bytes() == b"somebody's"


@pytest.mark.parametrize("when", [1, 2])
def test_an_interrupt_as_the_file_is_made_leaves_none(
    when: int, chunk: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the first call, which makes the file beside the output, and behind the second, which closes it."""
    piece = chunk(tmp_path / "0.mp4", 0, 3)
    made = os.open if when == 1 else os.close

    def interrupted(*words: Any) -> Any:
        found = made(*words)
        if list(tmp_path.glob("*.part")):
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(os, made.__name__, interrupted)
    with pytest.raises(KeyboardInterrupt):
        join([piece], tmp_path / "all.mp4")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["0.mp4"]


def test_an_output_that_cannot_be_written_is_told_by_its_name(three: list[Piece], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    with pytest.raises(StitchError, match=r"file/all\.mp4: (Not a directory|File exists)"):
        join(three, tmp_path / "file" / "all.mp4")
