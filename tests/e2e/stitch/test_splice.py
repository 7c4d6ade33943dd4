"""Joined by stretches of bytes, a film is what it is packet by packet: whatever reads it sees no difference."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from helios_pipe.digest import digest_file
from helios_pipe.errors import StitchError
from helios_pipe.media.mp4index import read_sample_table
from helios_pipe.stitch import indexes, stretches
from helios_pipe.stitch.join import JoinSettings, Piece, RemuxStitcher, join
from helios_pipe.stitch.order import marks_of
from helios_pipe.stitch.packetwise import LIBRARY_FIRST, join_packets
from helios_pipe.stitch.splice import plan_splice, spliced_as
from tests.e2e.stitch.conftest import Ffmpeg, Make, Refused
from tests.kit import burnin
from tests.kit.project import REPOSITORY

X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-threads", "1")
X265 = ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params")
SVT = ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lp=1", "-pix_fmt", "yuv420p")
HD = ("-vf", "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709,setsar=4/3")
SOURCES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "plain.mp4": ("30", "h264", (*X264, "-preset", "ultrafast")),
    "reordered.mp4": ("24000/1001", "h264", (*X264, "-bf", "3")),
    "pyramid.mov": ("30000/1001", "h264", (*X264, "-bf", "8", "-x264-params", "b-adapt=0:b-pyramid=normal")),
    "open.mp4": ("25", "h264", (*X264, "-x264-params", "open-gop=1:keyint=4:bframes=2:scenecut=0")),
    "intra.mp4": ("25/2", "h264", (*X264, "-g", "1")),
    "front.mp4": ("60", "h264", (*X264, "-movflags", "+faststart")),
    "coloured.mp4": ("30", "h264", (*X264, *HD)),
    "coloured.mov": ("30", "h264", (*X264, *HD)),
    "tagged.mp4": ("30", "h264", (*X264, "-metadata", "title=Zoom ü", "-metadata", "copyright=us")),
    "tagged.mov": ("30", "h264", (*X264, "-metadata", "title=Zoom ü", "-metadata", "artist=we")),
    "named.mp4": ("30", "h264", (*X264, "-metadata:s:v", "language=deu", "-metadata:s:v", "handler_name=A camera")),
    "hevc.mp4": ("25", "hevc", (*X265, "log-level=error", "-tag:v", "hvc1")),
    "groups.mp4": ("25", "hevc", (*X265, "log-level=error:keyint=6:min-keyint=4:open-gop=1")),
    "hevc.mov": ("24", "hevc", (*X265, "log-level=error")),
    "av1.mp4": ("30", "av1", SVT),
}
COUNTS = [1, 2, 7, 10]


def chunks(folder: Path, ffmpeg: Ffmpeg, name: str, counts: Sequence[int] = COUNTS) -> list[Piece]:
    rate, _, options = SOURCES[name]
    pieces = []
    for number, count in enumerate(counts):
        path = folder / f"{number}-{name}"
        source = f"testsrc2=s=96x64:r={rate},trim=start_frame={40 * number},setpts=PTS-STARTPTS"
        ffmpeg("-f", "lavfi", "-i", source, "-frames:v", str(count), *options, path)
        pieces.append(Piece(path, f"a/{number}", frames=count, digest=digest_file(path)))
    return pieces


def packetwise(pieces: list[Piece], target: Path, settings: JoinSettings) -> None:
    done = join_packets(pieces, marks_of(pieces), target, settings, LIBRARY_FIRST)
    assert done.digest == digest_file(target)


def unrated(path: Path) -> bytes:
    """The file without its bit rates: of those the library knows the first chunk's alone."""
    data = bytearray(path.read_bytes())
    if (at := data.find(b"btrt")) >= 0:
        data[at + 4 : at + 16] = bytes(12)
    return bytes(data)


def spliced(pieces: list[Piece], suffix: str, settings: JoinSettings | None = None) -> bool:
    found = plan_splice(pieces, marks_of(pieces), settings or JoinSettings())
    return found is not None and spliced_as(found, suffix, settings or JoinSettings()) is not None


def seen(path: Path) -> dict[str, Any]:
    """Everything that the media library says of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        packets = [
            (p.pts, p.dts, p.duration, p.is_keyframe, bytes(p), p.is_corrupt, p.is_discard, p.is_disposable)
            for p in container.demux(stream)
            if p.size
        ]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(frame.pts, frame.to_ndarray().tobytes(), frame.rotation) for frame in container.decode(stream)]
        return {
            "streams": [stream.type for stream in container.streams],
            "times": (stream.time_base, stream.start_time, stream.duration, stream.average_rate, stream.frames),
            "container": (container.start_time, container.duration, dict(container.metadata)),
            "stream": (dict(stream.metadata), stream.disposition, stream.sample_aspect_ratio, stream.profile),
            "codec": (context.codec.canonical_name, context.codec_tag, context.extradata, context.pix_fmt),
            "size": (context.width, context.height, context.field_order),
            "colour": (context.color_range, context.color_primaries, context.color_trc, context.colorspace),
            "packets": packets,
            "frames": frames,
        }


@pytest.mark.parametrize("name", SOURCES)
def test_a_reader_sees_no_difference(name: str, tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    pieces = chunks(tmp_path, ffmpeg, name)
    suffix = Path(name).suffix
    for faststart in (True, False):
        settings = JoinSettings(faststart=faststart)
        assert spliced(pieces, suffix[1:], settings)
        ours, theirs = tmp_path / f"ours{suffix}", tmp_path / f"theirs{suffix}"
        joined = join(pieces, ours, settings)
        packetwise(pieces, theirs, settings)
        assert seen(ours) == seen(theirs)
        assert (joined.frames, joined.fps) == (20, Fraction(SOURCES[name][0]))
        assert (joined.sha256, joined.size) == (digest_file(ours), ours.stat().st_size)


@pytest.mark.parametrize("name", ["plain.mp4", "reordered.mp4", "pyramid.mov", "tagged.mp4", "named.mp4"])
def test_what_says_all_that_the_chunks_say_is_the_very_same_file(name: str, tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    pieces = chunks(tmp_path, ffmpeg, name)
    ours, theirs = tmp_path / f"ours{Path(name).suffix}", tmp_path / f"theirs{Path(name).suffix}"
    join(pieces, ours)
    packetwise(pieces, theirs, JoinSettings())
    assert unrated(ours) == unrated(theirs)


def test_rotation_and_light_come_through(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    pieces = []
    hdr = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:max-cll=1000,400"
    master = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    for number in range(2):
        flat, turned = tmp_path / f"flat{number}.mp4", tmp_path / f"{number}.mp4"
        look = ("-pix_fmt", "yuv420p10le", "-x265-params", f"log-level=error:{hdr}:{master}", "-tag:v", "hvc1")
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=30", "-frames:v", "4", "-c:v", "libx265", *look, flat)
        ffmpeg("-display_rotation", "90", "-i", flat, "-c", "copy", turned)
        pieces.append(Piece(turned, f"a/{number}"))
    assert spliced(pieces, "mp4")
    join(pieces, tmp_path / "ours.mp4")
    packetwise(pieces, tmp_path / "theirs.mp4", JoinSettings())
    ours = seen(tmp_path / "ours.mp4")
    assert ours == seen(tmp_path / "theirs.mp4")
    assert {rotation for _, _, rotation in ours["frames"]} == {90}


def test_tags_of_the_settings_stand_over_those_of_the_chunks(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    pieces = chunks(tmp_path, ffmpeg, "tagged.mp4")
    settings = JoinSettings(metadata=(("comment", "joined"), ("title", "Ours"), ("copyright", "")))
    assert spliced(pieces, "mp4", settings)
    join(pieces, tmp_path / "ours.mp4", settings)
    packetwise(pieces, tmp_path / "theirs.mp4", settings)
    assert unrated(tmp_path / "ours.mp4") == unrated(tmp_path / "theirs.mp4")
    assert not spliced(pieces, "mp4", JoinSettings(metadata=(("mood", "no box has it"),)))


def test_every_frame_is_there_once_and_in_order(tmp_path: Path, chunk: Make) -> None:
    starts = [(0, 1), (1, 2), (3, 7), (10, 10), (20, 10), (30, 10), (40, 7), (47, 10)]
    pieces = [chunk(tmp_path / f"{at}.mp4", at, count, "--option", "bf=2") for at, count in starts]
    assert spliced(pieces, "mp4")
    join(pieces, tmp_path / "all.mp4")
    assert burnin.read_frame_numbers(tmp_path / "all.mp4") == list(range(57))
    packetwise(pieces, tmp_path / "theirs.mp4", JoinSettings())
    assert unrated(tmp_path / "all.mp4") == unrated(tmp_path / "theirs.mp4")


def test_frames_that_lie_apart_are_put_side_by_side(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """Eight bytes that belong to nobody, in the midst of a chunk's frames."""
    pieces = chunks(tmp_path, ffmpeg, "reordered.mp4")
    path = pieces[3].path
    table = read_sample_table(path)
    assert table is not None
    data = path.read_bytes()
    cut = table.places[4]
    mdat, stsc, stco = data.index(b"mdat"), data.index(b"stsc"), data.index(b"stco")
    size = int.from_bytes(data[mdat - 4 : mdat], "big")
    rows = b"".join(n.to_bytes(4, "big") for n in (2, 1, 4, 1, 2, 6, 1))
    runs = b"".join(n.to_bytes(4, "big") for n in (2, table.places[0], cut + 8))
    moved = bytearray(data[: mdat - 4] + (size + 8).to_bytes(4, "big") + data[mdat:cut] + bytes(8) + data[cut:])
    stsc, stco = stsc + 8, stco + 8
    moved[stco + 8 : stco + 16] = runs
    moved[stsc + 8 : stsc + 24] = rows
    for at, more in ((stco + 12, 4), (stsc, 12)):
        length = int.from_bytes(moved[at - 4 : at], "big")
        moved[at - 4 : at] = (length + more).to_bytes(4, "big")
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        at = bytes(moved).index(name)
        moved[at - 4 : at] = (int.from_bytes(moved[at - 4 : at], "big") + 16).to_bytes(4, "big")
    path.write_bytes(moved)
    apart = [*pieces[:3], pieces[3]._replace(digest=digest_file(path))]
    found = plan_splice(apart, marks_of(apart), JoinSettings())
    assert found is not None
    assert len(found.chunks[3].stretches) == 2
    join(apart, tmp_path / "ours.mp4")
    packetwise(apart, tmp_path / "theirs.mp4", JoinSettings())
    assert unrated(tmp_path / "ours.mp4") == unrated(tmp_path / "theirs.mp4")


# -- what is left to the library


def test_other_shapes_are_left_to_the_library(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    plain = chunks(tmp_path, ffmpeg, "plain.mp4")[3].path
    ffmpeg("-f", "lavfi", "-i", "color=red:s=8x8", "-frames:v", "1", tmp_path / "cover.png")
    cover = ("-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-disposition:v:1", "attached_pic")
    made = {
        "fragments.mp4": ("-movflags", "+frag_keyframe+empty_moov"),
        "cover.mp4": cover,
        "sound.mp4": ("-f", "lavfi", "-i", "sine=d=0.2", "-c:a", "flac"),
        "avc3.mp4": ("-tag:v", "avc3"),
        "other.mov": (),
        "other.mkv": (),
    }
    for name, words in made.items():
        ffmpeg("-i", plain, *words, "-c:v", "copy", tmp_path / name)
        assert not spliced([Piece(tmp_path / name, "a/0")], "mp4"), name
    assert not spliced([Piece(plain, "a/0")], "mov")
    assert not spliced([Piece(plain, "a/0", file="chunk.mkv")], "mp4")
    assert spliced([Piece(plain, "a/0")], "mp4")


def test_a_chunk_that_names_another_file_for_its_frames_is_left_to_the_library(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    piece = chunks(tmp_path, ffmpeg, "plain.mp4")[3]
    data = bytearray(piece.path.read_bytes())
    at = data.index(b"url ")
    data[at + 7] = 0
    piece.path.write_bytes(data)
    assert not spliced([piece], "mp4")


@pytest.mark.parametrize("name", ["plain.mp4", "hevc.mp4", "av1.mp4"])
def test_a_first_frame_that_is_no_picture_is_left_to_the_library_which_refuses_it(
    name: str, tmp_path: Path, ffmpeg: Ffmpeg
) -> None:
    """As in a file that was never written out to its end, with its index in front."""
    pieces = chunks(tmp_path, ffmpeg, name)
    path = pieces[2].path
    table = read_sample_table(path)
    assert table is not None
    data = bytearray(path.read_bytes())
    for place, size in zip(table.places, table.sizes, strict=True):
        data[place : place + size] = bytes(size)
    path.write_bytes(data)
    empty = [*pieces[:2], pieces[2]._replace(digest=digest_file(path)), pieces[3]]
    assert not spliced(empty, "mp4")
    with pytest.raises(
        StitchError, match=f"a/2 .*{'pixel format is unknown' if name == 'plain.mp4' else 'are no picture'}"
    ):
        join(empty, tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def test_a_first_frame_of_thousands_of_slices_is_a_picture(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    path = tmp_path / "c.mp4"
    source = "nullsrc=s=640x360:r=25,geq=random(1)*255:128:128"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "2", *X264, "-qp", "8", "-x264-params", "slice-max-size=60", path)
    table = read_sample_table(path)
    assert table is not None
    assert table.sizes[0] > 60 * 4096
    assert spliced([Piece(path, "a/0")], "mp4")
    packetwise([Piece(path, "a/0", digest=digest_file(path))], tmp_path / "film.mp4", JoinSettings())


def test_an_index_that_points_beside_the_frames_is_left_to_the_library(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    pieces = chunks(tmp_path, ffmpeg, "plain.mp4")
    path = pieces[3].path
    data = bytearray(path.read_bytes())
    at = data.index(b"stco") + 12
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") - 8).to_bytes(4, "big")
    path.write_bytes(data)
    beside = [*pieces[:3], pieces[3]._replace(digest=digest_file(path))]
    assert not spliced(beside, "mp4")
    with pytest.raises(StitchError, match="a/3"):
        join(beside, tmp_path / "film.mp4")


@pytest.mark.parametrize("scale", [30, 1000])
def test_an_edit_list_that_hides_the_last_frame_is_left_to_the_library(
    scale: int, tmp_path: Path, ffmpeg: Ffmpeg
) -> None:
    """Also where one tick of the movie is a whole frame."""
    source = f"testsrc2=s=96x64:r={scale}"
    path = tmp_path / "c.mp4"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "10", *X264, "-movie_timescale", str(scale), path)
    assert spliced([Piece(path, "a/0")], "mp4")
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    assert int.from_bytes(data[at : at + 4], "big") == 10
    data[at + 3] -= 1
    path.write_bytes(data)
    assert not spliced([Piece(path, "a/0")], "mp4")
    assert read_sample_table(path) is None
    with pytest.raises(StitchError, match="packet 9 is hidden by an edit list"):
        join([Piece(path, "a/0")], tmp_path / "film.mp4")


def test_a_rate_that_no_index_can_tell_is_left_to_the_library(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    piece = chunks(tmp_path, ffmpeg, "plain.mp4", [1])[0]
    assert not spliced([piece], "mp4", JoinSettings(fps=Fraction(9_000_000)))


@pytest.mark.parametrize(
    ("box", "offset", "value"),
    [(b"mdhd", 4, b"\2"), (b"mdhd", 16, b"\xff"), (b"elst", 4, b"\2"), (b"stsc", 8, b"\x80"), (b"url ", -1, b"\x7f")],
)
def test_an_index_that_lies_of_itself_is_left_to_the_library(
    box: bytes, offset: int, value: bytes, tmp_path: Path, ffmpeg: Ffmpeg
) -> None:
    piece = chunks(tmp_path, ffmpeg, "plain.mp4", [10])[0]
    data = bytearray(piece.path.read_bytes())
    at = data.index(box) + offset
    data[at : at + 1] = value
    piece.path.write_bytes(data)
    assert not spliced([piece], "mp4")


@pytest.mark.parametrize("name", ["plain.mp4", "pyramid.mov", "hevc.mp4", "av1.mp4"])
def test_an_index_is_taken_for_that_of_the_chunk_before_only_where_it_tells_the_same(
    name: str, tmp_path: Path, ffmpeg: Ffmpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte of the second chunk's index is changed: the plan is the one that is made of indexes that are all taken apart."""
    first, second, third = chunks(tmp_path, ffmpeg, name, [5, 5, 5])
    served = []
    serves = indexes._Before.serves

    def seen(self: Any, top: Any) -> bool:
        served.append(serves(self, top))
        return served[-1]

    monkeypatch.setattr(indexes._Before, "serves", seen)
    assert spliced([first, second, third], Path(name).suffix[1:])
    assert served == [True, True]
    whole = second.path.read_bytes()
    begin = whole.index(b"moov") + 4
    for place in range(begin, begin + int.from_bytes(whole[begin - 8 : begin - 4], "big") - 8):
        for change in (1, 0x80):
            data = bytearray(whole)
            data[place] ^= change
            second.path.write_bytes(data)
            marks = marks_of([first, second, third])
            monkeypatch.setattr(indexes._Before, "serves", seen)
            found = plan_splice([first, second, third], marks, JoinSettings())
            monkeypatch.setattr(indexes._Before, "serves", lambda *_: False)
            assert found == plan_splice([first, second, third], marks, JoinSettings()), (place - begin, change)
    assert served.count(True) > 20
    assert served.count(False) > 20


# -- what goes wrong


@pytest.fixture
def large(tmp_path: Path, ffmpeg: Ffmpeg) -> list[Piece]:
    """Eighteen megabytes in three chunks: several threads write them."""
    path = tmp_path / "noise.mp4"
    noise = "color=gray:s=640x360:r=30,noise=alls=100:allf=t"
    ffmpeg("-f", "lavfi", "-i", noise, "-frames:v", "12", *X264, "-preset", "ultrafast", "-qp", "4", path)
    for number in range(3):
        shutil.copy(path, tmp_path / f"{number}.mp4")
    pieces = [Piece(tmp_path / f"{number}.mp4", f"a/{number}", frames=12) for number in range(3)]
    assert sum(piece.path.stat().st_size for piece in pieces) > stretches.ASIDE
    return [piece._replace(digest=digest_file(piece.path)) for piece in pieces]


def test_a_large_film_is_the_same_whoever_writes_it(large: list[Piece], tmp_path: Path) -> None:
    joined = join(large, tmp_path / "all.mp4", copy=tmp_path / "copy.mp4")
    assert digest_file(tmp_path / "copy.mp4") == digest_file(tmp_path / "all.mp4") == joined.sha256
    RemuxStitcher().stitch([piece.path for piece in large], tmp_path / "stitched.mp4")
    assert digest_file(tmp_path / "stitched.mp4") == joined.sha256
    packetwise(large, tmp_path / "theirs.mp4", JoinSettings())
    theirs = seen(tmp_path / "theirs.mp4")
    assert seen(tmp_path / "all.mp4") == theirs
    done = join_packets(large, marks_of(large), tmp_path / "again.mp4", JoinSettings(), LIBRARY_FIRST)
    assert done.packets == [chunk.packets for chunk in joined.chunks]


def test_a_flipped_byte_in_a_large_chunk_is_told(large: list[Piece], refused: Refused) -> None:
    data = bytearray(large[1].path.read_bytes())
    data[len(data) // 2] ^= 1
    large[1].path.write_bytes(data)
    assert refused(large).startswith(f"a/1 (1.mp4): sha256 is {digest_file(large[1].path)}, recorded as ")


def test_a_copy_that_cannot_be_written_is_none(large: list[Piece], tmp_path: Path) -> None:
    joined = join(large, tmp_path / "all.mp4", copy=tmp_path / "no folder" / "copy.mp4")
    assert joined.sha256 == digest_file(tmp_path / "all.mp4")
    (tmp_path / "taken.mp4").write_bytes(b"somebody's")
    join(large, tmp_path / "all.mp4", copy=tmp_path / "taken.mp4")
    assert (tmp_path / "taken.mp4").read_bytes() == b"somebody's"


@pytest.mark.parametrize("size", ["large", "small"])
def test_a_full_disk_says_so_and_leaves_nothing(
    size: str, large: list[Piece], chunk: Make, tmp_path: Path, refused: Refused
) -> None:
    import resource

    pieces = large if size == "large" else [chunk(tmp_path / "s.mp4", 0, 5)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (pieces[0].path.stat().st_size // 2, hard))
    try:
        assert refused(pieces) == "h264 could not be written as mp4: File too large"
        assert refused([piece._replace(digest=None) for piece in pieces]).endswith("File too large")
        with pytest.raises(StitchError, match="File too large"):
            RemuxStitcher().stitch([piece.path for piece in pieces], tmp_path / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out.mp4").exists()


KILLED = """\
import os, signal, sys
from pathlib import Path
from helios_pipe.stitch import blocks, stretches
from helios_pipe.stitch.join import Piece, join
real = blocks.write_whole
def killed(descriptor, views, place):
    real(descriptor, [views[0][:9]], place)
    if place > 1 << 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(descriptor, views, place)
stretches.write_whole = killed
join([Piece(Path(path), path) for path in sys.argv[2:]], Path(sys.argv[1]))
"""


def test_a_kill_while_it_is_written_leaves_the_old_film(large: list[Piece], tmp_path: Path) -> None:
    target = tmp_path / "out" / "all.mp4"
    target.parent.mkdir()
    target.write_bytes(b"what was there")
    words = [sys.executable, "-c", KILLED, str(target), *(str(piece.path) for piece in large)]
    assert subprocess.run(words, check=False, cwd=REPOSITORY).returncode == -signal.SIGKILL
    assert target.read_bytes() == b"what was there"
    assert join(large, target).frames == 36


def test_a_chunk_that_changes_meanwhile_is_told(
    large: list[Piece], refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stretches.write_film

    def cut(*words: Any, **more: Any) -> Any:
        os.truncate(large[2].path, large[2].path.stat().st_size - 9)
        return real(*words, **more)

    monkeypatch.setattr("helios_pipe.stitch.join.write_film", cut)
    assert refused(large) == "a/2 (2.mp4): changed while it was being joined"


@pytest.mark.parametrize("where", ["index", "frames", "end", "tail"])
def test_a_film_that_is_damaged_as_it_is_written_is_refused(
    where: str, large: list[Piece], refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stretches.write_film

    def damage(splice: Any, frame: Any, target: Path, *more: Any) -> Any:
        found = real(splice, frame, target, *more)
        with target.open("r+b") as file:
            file.seek(
                {"index": frame.head.index(b"stts") + 15, "frames": frame.start + 999}.get(where, -1),
                2 * (where in ("end", "tail")),
            )
            byte = file.read(1)
            if where == "tail":
                file.truncate(file.tell() - 1)
            else:
                file.seek(-1, 1)
                file.write(bytes([byte[0] ^ 1]))
        return found

    monkeypatch.setattr("helios_pipe.stitch.join.write_film", damage)
    told = refused(large)
    assert told.startswith("the join came out wrong: "), told
