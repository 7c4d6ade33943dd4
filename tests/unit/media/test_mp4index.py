"""Our reading of an MP4's index is the media library's, or none."""

from __future__ import annotations

import random
from pathlib import Path

import av
import pytest

from helios_pipe.media.mp4index import read_sample_table
from tests.kit import burnin

Row = tuple[int | None, int | None, int | None, int]


def video(path: Path, *options: str) -> Path:
    read = burnin.arguments(["--count", "40", "--gop", "12", "--output", str(path), *options])
    frames = (burnin.picture(number, read.width, read.height, (128, 128), read.pixels) for number in range(40))
    burnin.encode(frames, path, read)
    return path


def rows(path: Path) -> list[Row]:
    table = read_sample_table(path)
    assert table is not None
    return list(zip(table.pts, table.dts, table.places, table.sizes, strict=True))


def library(path: Path) -> list[Row]:
    with av.open(str(path)) as container:
        return [(packet.pts, packet.dts, packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.mp4", ()),
        ("plain.mov", ()),
        ("reordered.mp4", ("--option", "bf=3", "--option", "preset=veryfast")),
        ("hevc.mp4", ("--codec", "libx265")),
        ("intra.mov", ("--codec", "prores_ks", "--pixels", "yuv422p10le")),
    ],
)
def test_it_reads_what_the_library_reads(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    path = video(tmp_path / name, *options)
    assert rows(path) == library(path)
    table = read_sample_table(path)
    assert table is not None
    with av.open(str(path)) as container:
        assert table.time_base == container.streams.video[0].time_base
    assert table.first_is_key


def remuxed(source: Path, target: Path, **options: str) -> Path:
    with av.open(str(source)) as given, av.open(str(target), "w", container_options=options) as container:
        out = container.add_stream_from_template(given.streams.video[0], opaque=True)
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = out
                container.mux(packet)
    return target


def test_other_places_for_the_index_are_read(tmp_path: Path) -> None:
    source = video(tmp_path / "a.mp4", "--option", "bf=2")
    for name, options in (("fast", {"movflags": "+faststart"}), ("kept", {"moov_size": "9000"})):
        path = remuxed(source, tmp_path / f"{name}.mp4", **options)
        assert rows(path) == library(path)


def test_fragments_are_left_to_the_library(tmp_path: Path) -> None:
    source = video(tmp_path / "a.mp4")
    assert read_sample_table(remuxed(source, tmp_path / "f.mp4", movflags="+frag_keyframe+empty_moov")) is None


def test_a_second_track_is_left_to_the_library(tmp_path: Path) -> None:
    source = video(tmp_path / "a.mp4")
    two = tmp_path / "two.mp4"
    with av.open(str(source)) as given, av.open(str(two), "w") as container:
        outs = [container.add_stream_from_template(given.streams.video[0], opaque=True) for _ in range(2)]
        packets = [packet for packet in given.demux(video=0) if packet.size]
        for out in outs:
            for packet in packets:
                packet.stream = out
                container.mux(packet)
    assert read_sample_table(two) is None


def test_an_edit_list_that_hides_frames_is_left_to_the_library(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", "--option", "bf=2")
    data = bytearray(path.read_bytes())
    at = data.index(b"elst")
    begin = int.from_bytes(data[at + 16 : at + 20], "big")
    data[at + 16 : at + 20] = (begin + 5 * 512).to_bytes(4, "big")
    path.write_bytes(data)
    assert read_sample_table(path) is None


def test_a_file_cut_off_has_no_table(tmp_path: Path) -> None:
    source = remuxed(video(tmp_path / "a.mp4"), tmp_path / "b.mp4", movflags="+faststart")
    data = source.read_bytes()
    for kept in (len(data) - 1, len(data) // 2, 40, 0):
        source.write_bytes(data[:kept])
        assert read_sample_table(source) is None, kept


def test_what_is_no_mp4_has_no_table(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("ffconcat version 1.0\nfile other.mp4\n" * 30)
    assert read_sample_table(tmp_path / "words") is None


def test_boxes_within_boxes_within_boxes_end_somewhere(tmp_path: Path) -> None:
    nested = b""
    for _ in range(5000):
        nested = (len(nested) + 8).to_bytes(4, "big") + b"mdia" + nested
    (tmp_path / "deep").write_bytes((len(nested) + 8).to_bytes(4, "big") + b"moov" + nested)
    assert read_sample_table(tmp_path / "deep") is None


def test_a_damaged_index_gives_no_table_or_one_within_the_file(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", "--option", "bf=2")
    good = path.read_bytes()
    moov = good.index(b"moov")
    dice = random.Random(11)
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(moov, len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        path.write_bytes(data)
        table = read_sample_table(path)
        if table is not None:
            assert len(table.pts) == len(table.dts) == len(table.places) == len(table.sizes)
            assert all(place + size <= len(data) for place, size in zip(table.places, table.sizes, strict=True))


def test_what_is_remembered_of_a_chunk_is_only_taken_for_its_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, path = video(tmp_path / "a.mp4", "--option", "bf=2"), tmp_path / "b.mp4"
    good = first.read_bytes()
    table, again = read_sample_table(first), read_sample_table(remuxed(first, path))
    assert table is not None
    assert again is not None
    assert again.pts is table.pts, "nothing is remembered: the test below shows nothing"
    boxes = [good.index(name) for name in (b"mvhd", b"mdhd", b"elst", b"stts", b"ctts")]
    dice = random.Random(12)
    differ = 0
    for _ in range(1000):
        data = bytearray(good)
        at = dice.choice(boxes)
        data[at + dice.randrange(4, 40)] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        read_sample_table(first)
        found = read_sample_table(path)
        with monkeypatch.context() as patch:
            patch.setattr("helios_pipe.media.mp4index._MOST_KEPT", 0)
            assert found == read_sample_table(path)
        differ += found is not None and found != table
    assert differ > 20
