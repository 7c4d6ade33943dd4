"""A large joined MP4 held against its chunks where their bytes lie, without demuxing either. Writes nothing."""

from __future__ import annotations

import os
from array import array
from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from helios_pipe.errors import StitchError
from helios_pipe.media.mp4index import SampleTable, read_sample_table
from helios_pipe.stitch.source import packets_of
from helios_pipe.stitch.timeline import FrameWalk, OffGridError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from typing import NoReturn

    from av.video.stream import VideoStream

    from helios_pipe.stitch.preflight import Checked, Plan

_BLOCK = 1 << 20
"""Bytes compared at a time."""
_MOST = 1 << 63
"""Ticks that an index counts to."""


def wrong(what: str, found: object, expected: object) -> NoReturn:
    """The join is not what was planned. Raises StitchError."""
    raise StitchError(f"the join came out wrong: {what}: {found}, expected {expected}")


def check_index(table: SampleTable, frames: int, fps: Fraction) -> None:
    """Every frame at its time, as our reading of the index has it. Raises StitchError."""
    if len(table.pts) != frames:
        wrong("frames", len(table.pts), frames)
    if not _in_step(table, frames, fps):
        walk = FrameWalk(table.time_base, fps, base=0, half_tick=True)
        try:
            for pts in table.pts:
                walk.place(pts)
        except OffGridError as error:
            wrong("time", error, f"a frame each 1/{fps} s")
        if (hole := walk.hole()) is not None:
            wrong("frame", f"{hole} missing", "every frame")
    last = table.dts[0] - 1
    for number, dts in enumerate(table.dts):
        if dts <= last:
            wrong(f"decode time of packet {number}", dts, f"more than {last}")
        last = dts


def _in_step(table: SampleTable, frames: int, fps: Fraction) -> bool:
    """Whether each frame is shown as many whole ticks after the one that is decoded before it: then there is no more to see."""
    per = 1 / (fps * table.time_base)
    end = frames * per.numerator
    return per.denominator == 1 and end < _MOST and table.pts == array("q", range(0, end, per.numerator))


def check_places(table: SampleTable, stream: VideoStream) -> None:
    """Every packet in the place where the library's reading of the index has it. Raises StitchError."""
    seen = [(entry.pos, entry.size) for entry in stream.index_entries]
    if seen != list(zip(table.places, table.sizes, strict=True)):
        wrong("index", f"{len(seen)} packets in other places", f"{len(table.sizes)} packets")


def compare_in_place(path: Path, table: SampleTable, plan: Plan) -> None:
    """Each chunk's packets must lie in the joined file byte by byte as they are in the chunk. Raises StitchError."""
    import mmap

    first = 0
    with path.open("rb", buffering=0) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for chunk in plan.chunks:
            with memoryview(mapped) as view:
                _compare_chunk(mapped, view, table, first, chunk, quick=plan.quick)
            first += chunk.frames


def _compare_chunk(
    mapped: mmap.mmap, view: memoryview, table: SampleTable, first: int, chunk: Checked, *, quick: bool
) -> None:
    number = first
    with closing(_payloads(chunk, quick=quick)) as payloads:
        for buffer, sizes in payloads:
            if table.sizes[number : number + len(sizes)].tolist() != sizes:
                wrong(f"the sizes of {chunk.piece.name}'s packets from {number - first} on", "others", sizes[:3])
            at = 0
            for begin, length in _stretches(table, number, len(sizes)):
                if not buffer.startswith(view[begin : begin + length], at):
                    wrong(
                        f"packet {number - first} of {chunk.piece.name} or one soon after", "other bytes", "the chunk's"
                    )
                at += length
                _let_go(mapped, begin, begin + length)
            number += len(sizes)
    if number - first != chunk.frames:
        wrong(f"the packets of {chunk.piece.name}", number - first, chunk.frames)


def _let_go(mapped: mmap.mmap, begin: int, end: int) -> None:
    """What was compared need not stay in our memory, however long the film is; it stays in the system's."""
    import mmap

    begin -= begin % mmap.PAGESIZE
    if end - begin >= _BLOCK // 2 and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED, begin, end - begin)


def _stretches(table: SampleTable, first: int, count: int) -> Iterator[tuple[int, int]]:
    """(place, length) of the packets, those that lie side by side taken together."""
    begin, length = table.places[first], 0
    for place, size in zip(table.places[first : first + count], table.sizes[first : first + count], strict=True):
        if place != begin + length:
            yield begin, length
            begin, length = place, 0
        length += size
    yield begin, length


def _payloads(chunk: Checked, *, quick: bool) -> Generator[tuple[bytearray, list[int]]]:
    """The chunk's packets, some at a time: their bytes at the beginning of one buffer that is used again, and their sizes."""
    table = read_sample_table(chunk.piece.path) if quick else None
    buffer = bytearray(_BLOCK)
    if table is None:
        for packet in packets_of(chunk.piece, quick=quick):
            buffer = _room(buffer, packet.size)
            memoryview(buffer)[: packet.size] = memoryview(packet)
            yield buffer, [packet.size]
        return
    descriptor = os.open(chunk.piece.path, os.O_RDONLY)
    try:
        for first, count in _batches(table):
            sizes = table.sizes[first : first + count].tolist()
            buffer = _room(buffer, sum(sizes))
            at = 0
            for begin, length in _stretches(table, first, count):
                at += os.preadv(descriptor, [memoryview(buffer)[at : at + length]], begin)
            if at != sum(sizes):
                wrong(f"{chunk.piece.name}", "it was cut off while it was joined", "as it was")
            yield buffer, sizes
    finally:
        os.close(descriptor)


def _batches(table: SampleTable) -> Iterator[tuple[int, int]]:
    """(first, count) of packets that make about a block together."""
    first, total = 0, 0
    for number, size in enumerate(table.sizes):
        if total and total + size > _BLOCK:
            yield first, number - first
            first, total = number, 0
        total += size
    yield first, len(table.sizes) - first


def _room(buffer: bytearray, size: int) -> bytearray:
    return buffer if len(buffer) >= size else bytearray(size)
