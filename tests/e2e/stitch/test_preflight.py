"""Before the join: each row is broken by a real file of its own, and refused by name before the output is touched."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import pytest

from helios_pipe.digest import digest_file
from helios_pipe.stitch.join import JoinSettings, Piece
from tests.e2e.stitch.conftest import Ffmpeg, Make, Refused

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p")


@pytest.fixture
def make(tmp_path: Path, ffmpeg: Ffmpeg) -> Make:
    """make(name, *arguments): six frames by ffmpeg; `rate=` and `size=` change the source."""

    def run(name: str, *arguments: str, rate: str = "30", size: str = "96x64") -> Piece:
        path = tmp_path / f"{name}.mp4"
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}", "-frames:v", "6", *(arguments or X264), path)
        return Piece(path, f"zoom/{name}")

    return run


# -- the file itself


def test_nothing_to_join(refused: Refused) -> None:
    assert refused([]) == "nothing to join\n  A join needs at least one chunk."


def test_a_missing_chunk(three: list[Piece], refused: Refused) -> None:
    three[1].path.unlink()
    told = refused(three)
    assert told == f"zoom/0001 ({three[1].path}): No such file or directory\n  Render the chunk again."


def test_an_empty_chunk(three: list[Piece], refused: Refused) -> None:
    three[1].path.write_bytes(b"")
    assert refused(three) == "zoom/0001 (1.mp4): empty\n  Render the chunk again."


def test_a_link_to_another_chunk(three: list[Piece], refused: Refused) -> None:
    three[1].path.unlink()
    three[1].path.symlink_to(three[2].path)
    assert refused(three).startswith("zoom/0001 (1.mp4): a link, expected a regular file")


def test_a_folder_in_place_of_a_chunk(three: list[Piece], refused: Refused) -> None:
    three[1].path.unlink()
    three[1].path.mkdir()
    assert refused(three) == "zoom/0001 (1.mp4): not a regular file"


def test_a_pipe_in_place_of_a_chunk_does_not_hang(three: list[Piece], refused: Refused) -> None:
    three[1].path.unlink()
    os.mkfifo(three[1].path)
    assert refused(three) == "zoom/0001 (1.mp4): not a regular file"


def test_a_chunk_cut_off_before_its_index(three: list[Piece], refused: Refused) -> None:
    os.truncate(three[2].path, three[2].path.stat().st_size // 2)
    told = refused(three)
    assert told.startswith("zoom/0003: ")
    assert "3.mp4: not readable as mov (Invalid data" in told


def test_a_chunk_cut_off_within_its_frames(tmp_path: Path, make: Make, refused: Refused) -> None:
    whole, cut = make("0000"), make("0001", *X264, "-movflags", "+faststart")
    os.truncate(cut.path, cut.path.stat().st_size - 400)
    told = refused([whole, cut])
    assert (
        told.startswith("zoom/0001 (0001.mp4): packet 5 is cut off or damaged")
        or "5 frames where its own header" in told
    )


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile '{other}'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{other}</BaseURL></MPD>',
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".nut", ""])
def test_a_text_that_names_another_file_is_not_followed(
    text: str, suffix: str, tmp_path: Path, make: Make, refused: Refused
) -> None:
    other = make("other")
    lure = tmp_path / f"lure{suffix}"
    lure.write_text(text.format(other=other.path))
    told = refused([make("0000"), Piece(lure, "zoom/0001")])
    assert told.startswith("zoom/0001: ")
    assert "not readable as" in told or "not a known media format; it begins with b'" in told or "codec" in told


def test_flipped_bytes_are_seen_by_the_digest_alone(three: list[Piece], refused: Refused) -> None:
    known = [piece._replace(digest=digest_file(piece.path)) for piece in three]
    data = bytearray(three[2].path.read_bytes())
    at = data.index(b"mdat") + 300
    data[at] ^= 0x40
    three[2].path.write_bytes(data)
    found = digest_file(three[2].path)
    assert refused(known) == (
        f"zoom/0003 (3.mp4): sha256 is {found}, recorded as {known[2].digest}\n"
        "  The file changed after it was made, or chunks were swapped: render it again."
    )


def test_swapped_chunks_are_seen_by_the_digest(tmp_path: Path, make: Make, refused: Refused) -> None:
    left, right = make("0000"), make("0001", *X264, "-vf", "negate")
    left, right = left._replace(digest=digest_file(right.path)), right._replace(digest=digest_file(left.path))
    assert "zoom/0000 (0000.mp4): sha256 is" in refused([left, right])


# -- what it holds


def test_a_second_picture_stream(tmp_path: Path, make: Make, ffmpeg: Ffmpeg, refused: Refused) -> None:
    good = make("0000")
    ffmpeg("-i", good.path, "-map", "0", "-map", "0", "-c", "copy", tmp_path / "two.mp4")
    told = refused([good, Piece(tmp_path / "two.mp4", "zoom/0001")])
    assert told.startswith(
        "zoom/0001 (two.mp4): streams are video, video; expected one video stream and at most one of sound"
    )


def test_a_stream_of_subtitles(tmp_path: Path, make: Make, ffmpeg: Ffmpeg, refused: Refused) -> None:
    good = make("0000")
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:00,100\nwords\n")
    ffmpeg(
        "-i",
        good.path,
        "-i",
        tmp_path / "words.srt",
        "-map",
        "0",
        "-map",
        "1",
        "-c:v",
        "copy",
        "-c:s",
        "mov_text",
        tmp_path / "s.mp4",
    )
    assert "streams are video, subtitle" in refused([good, Piece(tmp_path / "s.mp4", "zoom/0001")])


def test_sound_in_one_chunk_only(tmp_path: Path, make: Make, ffmpeg: Ffmpeg, refused: Refused) -> None:
    good = make("0000")
    ffmpeg("-i", good.path, "-f", "lavfi", "-i", "sine=d=0.2", "-c:v", "copy", "-c:a", "flac", tmp_path / "loud.mp4")
    told = refused([good, Piece(tmp_path / "loud.mp4", "zoom/0001")])
    assert told == "zoom/0001 (loud.mp4): sound, but no sound in zoom/0000\n  Every chunk has sound, or none."


@pytest.mark.parametrize(
    ("arguments", "what", "advice"),
    [
        (("-c:v", "mpeg4"), "codec is mpeg4, but h264 in zoom/0000", "same encoder"),
        ((*X264, "-vf", "scale=128:64"), "size is 128x64, but 96x64 in zoom/0000", "at the same size"),
        ((*X264, "-pix_fmt", "yuv422p"), "pixel format is yuv422p, but yuv420p in zoom/0000", "-pix_fmt yuv420p"),
        ((*X264, "-vf", "setsar=2"), "pixel aspect is 2, but 1 in zoom/0000", "setsar=1"),
        ((*X264, "-color_range", "pc"), "pixel format is yuvj420p, but yuv420p in zoom/0000", "-pix_fmt"),
        ((*X264, "-preset", "medium"), "profile is High, but Constrained Baseline in zoom/0000", "same encoder"),
    ],
)
def test_another_look(arguments: tuple[str, ...], what: str, advice: str, make: Make, refused: Refused) -> None:
    told = refused([make("0000"), make("0001", *arguments)])
    assert told.startswith(f"zoom/0001 (0001.mp4): {what}"), told
    assert advice in told


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("color_primaries", "bt2020", "colour primaries is 9, but 1 in zoom/0000"),
        ("color_trc", "smpte2084", "colour transfer is 16, but 1 in zoom/0000"),
        ("colorspace", "bt2020nc", "colour space is 9, but 1 in zoom/0000"),
    ],
)
def test_another_colour(name: str, value: str, what: str, make: Make, refused: Refused) -> None:
    hd = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    told = refused([make("0000", *X264, "-vf", hd), make("0001", *X264, "-vf", f"{hd},setparams={name}={value}")])
    assert told.startswith(f"zoom/0001 (0001.mp4): {what}\n  Say "), told


def test_another_colour_range(tmp_path: Path, ffmpeg: Ffmpeg, refused: Refused) -> None:
    pieces = []
    for number, colour_range in enumerate(("tv", "pc")):
        path = tmp_path / f"{number}.webm"
        vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-color_range", colour_range)
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=30,format=yuv420p", "-frames:v", "3", *vp9, path)
        pieces.append(Piece(path, f"zoom/{number:04d}"))
    assert refused(pieces).startswith("zoom/0001 (1.webm): colour range is pc, but tv in zoom/0000\n  Say it in")


def test_another_crf_without_stitchable(make: Make, refused: Refused) -> None:
    """The very case in which a packet copy shows 30 wrong frames of 90 and no error."""
    plain = ("-c:v", "libx264", "-threads", "1", "-pix_fmt", "yuv420p")
    told = refused([make("0000", *plain, "-crf", "20"), make("0001", *plain, "-crf", "30")])
    assert told.startswith("zoom/0001 (0001.mp4): codec header (extradata) is ")
    assert "stitchable=1" in told


def test_another_crf_with_stitchable_fits(tmp_path: Path, make: Make) -> None:
    from helios_pipe.stitch.join import join

    plain = ("-c:v", "libx264", "-threads", "1", "-pix_fmt", "yuv420p", "-x264-params", "stitchable=1")
    pieces = [make("0000", *plain, "-crf", "20"), make("0001", *plain, "-crf", "30")]
    assert join(pieces, tmp_path / "all.mp4").frames == 12


@pytest.mark.parametrize("container", ["mkv", "ts", "nut"])
def test_another_header_in_other_containers(
    container: str, tmp_path: Path, make: Make, ffmpeg: Ffmpeg, refused: Refused
) -> None:
    pieces = []
    for number, crf in enumerate(("20", "30")):
        path = tmp_path / f"{number}.{container}"
        ffmpeg("-i", make(f"{number}").path, "-c:v", "libx264", "-crf", crf, "-threads", "1", path)
        pieces.append(Piece(path, f"zoom/{number:04d}"))
    assert "codec header (extradata) is " in refused(pieces)


# -- when its frames show


def test_a_chunk_that_begins_without_a_key_frame(tmp_path: Path, make: Make, refused: Refused) -> None:
    good = make("0000")
    headless = tmp_path / "headless.mp4"
    with av.open(str(good.path)) as source, av.open(str(headless), "w") as target:
        out = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in list(source.demux(video=0))[1:]:
            if packet.size:
                packet.stream = out
                target.mux(packet)
    told = refused([good, Piece(headless, "zoom/0001")])
    assert "does not begin with a key frame" in told or "is hidden by an edit list" in told


def test_a_chunk_that_begins_with_pictures_from_before_its_key_frame(
    tmp_path: Path, make: Make, ffmpeg: Ffmpeg, refused: Refused
) -> None:
    """Cut out of a stream with open groups of pictures: what shows first refers to what is not there."""
    long = tmp_path / "long.ts"
    open_gop = "keyint=8:min-keyint=8:open-gop=1:scenecut=0:bframes=3:b-adapt=0:log-level=error"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=96x64:r=30", "-frames:v", "32", "-c:v", "libx265", "-threads", "1"),
        *("-x265-params", open_gop, "-pix_fmt", "yuv420p", long),
    )
    late = tmp_path / "late.mkv"
    with av.open(str(long)) as source, av.open(str(late), "w") as target:
        out = target.add_stream_from_template(source.streams.video[0], opaque=True)
        keys = 0
        for packet in source.demux(video=0):
            keys += packet.is_keyframe and packet.size > 0
            if packet.size and keys > 1:
                packet.stream = out
                target.mux(packet)
    told = refused([Piece(late, "zoom/0000")])
    assert "before the first one" in told or "second time" in told
    assert "closed GOPs" in told or "show at the same time" in told


def test_uneven_frames(make: Make, refused: Refused) -> None:
    jitter = (
        *("-vf", "settb=1/15360,setpts=PTS+if(eq(N\\,3)\\,0.4/30/TB\\,0)"),
        *("-fps_mode", "vfr", "-enc_time_base", "1/15360"),
    )
    told = refused([make("0001", *X264, *jitter)], JoinSettings(fps=Fraction(30)))
    assert told.startswith("zoom/0001 (0001.mp4): packet 3 lies at frame 3.398")
    assert "off the grid of 30 fps" in told
    assert "constant rate" in told


def test_a_hole_in_the_frames(make: Make, refused: Refused) -> None:
    gap = ("-vf", "setpts=PTS+if(gte(N\\,3)\\,1/30/TB\\,0)", "-fps_mode", "vfr", "-video_track_timescale", "15360")
    told = refused([make("0000"), make("0001", *X264, *gap)])
    assert told.startswith("zoom/0001 (0001.mp4): frame 3 is missing")


@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "60"])
def test_another_rate(rate: str, make: Make, refused: Refused) -> None:
    told = refused([make("0000"), make("0001", rate=rate)])
    shown = str(Fraction(rate))
    assert told == f"zoom/0001 (0001.mp4): frame rate is {shown}, expected 30\n  Render every chunk at the job's fps."


def test_another_rate_than_the_jobs(make: Make, refused: Refused) -> None:
    told = refused([make("0000")], JoinSettings(fps=Fraction(24)))
    assert told.startswith("zoom/0000 (0000.mp4): frame rate is 30, expected 24")


# -- how it fits with the others


def test_too_few_frames(three: list[Piece], refused: Refused) -> None:
    told = refused([three[0], three[1], three[2]._replace(frames=8)])
    assert told == (
        "zoom/0003 (3.mp4): 7 frames, expected 8\n  The command must render exactly the frames that it was asked for."
    )


def test_too_many_frames(three: list[Piece], refused: Refused) -> None:
    told = refused([three[0]._replace(start=None), three[1]._replace(frames=1, start=None)])
    assert told.startswith("zoom/0001 (1.mp4): 2 frames, expected 1")


def test_chunks_out_of_order(three: list[Piece], refused: Refused) -> None:
    told = refused([three[0], three[2], three[1]])
    assert told == "zoom/0003 (3.mp4): begins at frame 3, expected 1: it leaves out frames\n  Put the chunks in order."


def test_a_chunk_twice(three: list[Piece], refused: Refused) -> None:
    told = refused([three[0], three[1], three[1], three[2]])
    assert told.startswith("zoom/0001 (1.mp4): begins at frame 1, expected 3: it repeats frames")


def test_ranges_with_a_step_tile_too(tmp_path: Path, make: Make, refused: Refused) -> None:
    left = make("0000")._replace(start=0, frames=6, step=2)
    assert "begins at frame 6, expected 12" in refused([left, make("0006")._replace(start=6, frames=6, step=2)])
