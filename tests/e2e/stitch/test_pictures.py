"""Codecs that need their container's tag to be read: the joined file decodes to the chunks' pictures, or there is none."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from helios_pipe.errors import StitchError
from helios_pipe.media.frames import open_frames
from helios_pipe.stitch.join import FfmpegStitcher, JoinSettings, Piece, RemuxStitcher, join
from helios_pipe.stitch.order import marks_of
from helios_pipe.stitch.packetwise import Writer, join_packets
from helios_pipe.stitch.preflight import Plan, preflight
from helios_pipe.stitch.remux import Written, remux
from tests.e2e.stitch.conftest import Ffmpeg, Make

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


@pytest.mark.parametrize(
    ("name", "encoder", "target", "what"),
    [
        (
            "c.mkv",
            (*RAW, "yuv420p"),
            "all.mov",
            "rawvideo yuv420p does not come through as mov: pixel format is rgb24, but yuv420p in ",
        ),
        (
            "c.mov",
            ("-c:v", "qtrle"),
            "all.mkv",
            "qtrle rgb24 does not come through as matroska: the first frame does not decode, as it does in ",
        ),
        (
            "c.mp4",
            ("-c:v", "mpeg4"),
            "all.ts",
            "mpeg4 yuv420p does not come through as mpegts: size is 0x0, but 128x72 in ",
        ),
        (
            "c.mov",
            PRORES,
            "all.ts",
            "prores yuva444p12le does not come through as mpegts: it is read as data, expected one video ",
        ),
    ],
    ids=["raw video", "animation", "mpeg4", "prores"],
)
def test_a_film_that_would_show_something_else_is_refused(
    name: str,
    encoder: tuple[str, ...],
    target: str,
    what: str,
    made: Path,
    ffmpeg: Ffmpeg,
    program: str,
    tmp_path: Path,
) -> None:
    ffmpeg("-i", made, *encoder, tmp_path / name)
    (tmp_path / target).write_bytes(b"what was there")
    before = sorted(path.name for path in tmp_path.iterdir())
    for stitcher in (RemuxStitcher(), FfmpegStitcher(program)):
        with pytest.raises(StitchError) as caught:
            stitcher.stitch([tmp_path / name, tmp_path / name], tmp_path / target)
        assert caught.value.message.startswith(what)
        assert caught.value.hint == f"Join it as {Path(name).suffix}, which is what the chunks are."
    assert (tmp_path / target).read_bytes() == b"what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_one_writer_gets_wrong_the_next_one_writes(three: list[Piece], chunk: Make, tmp_path: Path) -> None:
    pieces, others = three[2:], [chunk(tmp_path / "other.mp4", 23, 7)]
    marks = marks_of(pieces)
    other = preflight(others, marks_of(others), JoinSettings())

    def mistaken(plan: Plan, target: Path, muxer: str, settings: JoinSettings) -> Written:
        return remux(other, target, muxer, settings)

    def joined(*writers: Writer) -> int:
        return join_packets(pieces, marks, tmp_path / "all.mkv", JoinSettings(), writers).size

    with pytest.raises(StitchError, match=r"as matroska: the first frame has other samples than in zoom/0003\n"):
        joined(mistaken)
    assert joined(mistaken, remux) == joined(remux)
    assert pictures(tmp_path / "all.mkv") == pictures(pieces[0].path)
