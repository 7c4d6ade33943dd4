"""The index that is written for a film says what the film is: to our reader, and to the media library."""

from __future__ import annotations

import os
from array import array
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helios_pipe.media.boxes import Boxes
from helios_pipe.media.mp4index import count_samples, read_sample_table, table_of
from helios_pipe.stitch.moov import Film, Frame, frame_of
from helios_pipe.stitch.shape import UPRIGHT, Shape
from helios_pipe.stitch.timeline import Clock

AVCC = bytes.fromhex("0142c00dffe100176742c00dda05067e7c0440000003004000000f03c50aa801000468ce0fc8")
QUICK = {"codec_whitelist": "none", "probesize": "32"}
HANDLER = bytes(8) + b"vide" + bytes(12) + b"VideoHandler\0"
RATES = [Fraction(25, 2), Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(60000, 1001)]


def shape(*, quicktime: bool = False) -> Shape:
    size = (320).to_bytes(2, "big") + (180).to_bytes(2, "big")
    fixed = (
        bytes(6)
        + b"\0\1"
        + bytes(16)
        + size
        + b"\0\x48\0\0\0\x48\0\0"
        + bytes(4)
        + b"\0\1"
        + bytes(32)
        + b"\0\x18\xff\xff"
    )
    entry = fixed + (8 + len(AVCC)).to_bytes(4, "big") + b"avcC" + AVCC
    track = bytes(8) + UPRIGHT + (320 << 16).to_bytes(4, "big") + (180 << 16).to_bytes(4, "big")
    handler = b"\0\0\0\0mhlrvide" + bytes(12) + b"\x0cVideoHandler" if quicktime else HANDLER
    return Shape(quicktime, "h264", b"avc1", entry, track, handler, b"\x55\xc4", None, not quicktime, ())


def film(orders: list[list[int]], sizes: list[int], fps: Fraction, *, quicktime: bool = False) -> Film:
    """Chunks whose frames are decoded in these orders."""
    leads = array("i", (frame - number for order in orders for number, frame in enumerate(order)))
    keys = array("I", accumulate((len(order) for order in orders[:-1]), initial=1))
    return Film(shape(quicktime=quicktime), (), Clock.of(fps), -min(leads), array("I", sizes), leads, keys, None)


def written(path: Path, frame: Frame) -> Path:
    with path.open("wb") as file:
        file.write(frame.head)
        file.seek(frame.start + frame.size)
        file.write(frame.tail)
        file.truncate(frame.start + frame.size + len(frame.tail))
    return path


@st.composite
def chunks(draw: st.DrawFn) -> list[list[int]]:
    """Up to five chunks of up to nine frames, decoded in any order that begins with the one that shows first."""
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    return [[0, *draw(st.permutations(range(1, count)))] for count in counts]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=chunks(), fps=st.sampled_from(RATES), quicktime=st.booleans(), first=st.booleans(), data=st.data())
def test_every_frame_has_its_time_and_its_place(
    orders: list[list[int]], fps: Fraction, quicktime: bool, first: bool, data: st.DataObject, tmp_path: Path
) -> None:
    total = sum(map(len, orders))
    sizes = data.draw(st.lists(st.integers(1, 700_000), min_size=total, max_size=total))
    made = film(orders, sizes, fps, quicktime=quicktime)
    frame = frame_of(made, index_first=first)
    path = written(tmp_path / f"a.{'mov' if quicktime else 'mp4'}", frame)
    table = read_sample_table(path)
    assert table is not None
    per, delay = made.clock.per, made.delay
    begins = accumulate(map(len, orders), initial=0)
    shown = [begin + frame for begin, order in zip(begins, orders, strict=False) for frame in order]
    assert table.pts.tolist() == [number * per for number in shown]
    assert table.dts.tolist() == [(number - delay) * per for number in range(total)]
    assert table.places.tolist() == list(accumulate(sizes[:-1], initial=frame.start))
    assert (table.sizes.tolist(), table.length) == (sizes, total * per)
    assert (table.keys or array("I", range(1, total + 1))) == made.keys
    assert count_samples(path) == total
    with av.open(str(path), container_options=QUICK) as container:
        stream = container.streams.video[0]
        entries = [(entry.pos, entry.size, entry.is_keyframe) for entry in stream.index_entries]
        assert (stream.start_time, stream.duration, stream.average_rate) == (0, total * per, fps)
        times = [(packet.pts, packet.dts) for packet in container.demux(stream) if packet.size]
    keys = set(made.keys)
    assert entries == [
        (place, size, number + 1 in keys) for number, (place, size) in enumerate(zip(table.places, sizes, strict=True))
    ]
    assert times == list(zip(table.pts, table.dts, strict=True))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("frames", [4, 5])
def test_beyond_four_gigabytes_places_and_lengths_are_wider(first: bool, frames: int, tmp_path: Path) -> None:
    """A file with holes in it, of four frames of a gigabyte less one byte, and of five."""
    made = film([[0]] * frames, [(1 << 30) - 1] * frames, Fraction(30))
    frame = frame_of(made, index_first=first)
    path = written(tmp_path / "a.mp4", frame)
    boxes = Boxes.of(path)
    assert boxes.understood()
    wide = boxes.get(b"co64") is not None
    assert wide == (frames == 5)
    assert table_of(boxes).places.tolist() == list(accumulate(made.sizes[:-1], initial=frame.start))
    assert path.stat().st_size == frame.start + frame.size + len(frame.tail)
    with av.open(str(path), container_options=QUICK) as container:
        entries = container.streams.video[0].index_entries
        assert [entry.pos for entry in entries] == table_of(boxes).places.tolist()
    os.unlink(path)


def test_lengths_beyond_four_billion_ticks_are_wider(tmp_path: Path) -> None:
    """Frames that stand for four months each."""
    made = film([[0]] * 500, [1] * 500, Fraction(1, 10_000_000))
    path = written(tmp_path / "a.mp4", frame_of(made, index_first=True))
    table = read_sample_table(path)
    assert table is not None
    assert (len(table.pts), table.length) == (500, 5_000_000_000)
    with av.open(str(path), container_options=QUICK) as container:
        assert container.streams.video[0].duration == 5_000_000_000
