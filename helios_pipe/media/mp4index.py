"""The sample table of a plain MP4 or QuickTime file: when each frame shows, and where its bytes lie, without reading them.

It knows the one shape that encoders write for a chunk (one track, one header, no fragments, an edit list that hides nothing) and
gives None for any other; whoever asks then demuxes. Nothing in here trusts a number of the file further than its size.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, chain, repeat
from pathlib import Path
from sys import byteorder

_MOST_INDEX = 1 << 28
_MOST_SAMPLES = 1 << 24
_NESTED = frozenset({b"trak", b"mdia", b"minf", b"stbl", b"edts"})
_ONCE = _NESTED | {b"mvhd", b"mdhd", b"elst", b"stsd", b"stts", b"ctts", b"stsz", b"stsc", b"stco", b"co64", b"stss"}
"""What the one track has once; were it there again, we would not know which one counts."""


@dataclass(frozen=True, slots=True)
class SampleTable:
    """A track's frames in decode order. Times are in ticks of `time_base`, shifted so that the edit list is done with; places
    and sizes are in bytes of the file."""

    time_base: Fraction
    pts: array[int]
    dts: array[int]
    places: array[int]
    sizes: array[int]
    first_is_key: bool


class _UnfitError(Exception):
    """The file is of another shape."""


def read_sample_table(path: Path) -> SampleTable | None:
    """The table of the file's one video track; None where the file is of another shape, damaged or cut off. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            boxes = _Boxes(_index_of(file.fileno(), size))
            table = _table(boxes)
        except (_UnfitError, struct.error, IndexError, OverflowError, ZeroDivisionError):
            return None
    inside = all(place > 0 and place + length <= size for place, length in zip(table.places, table.sizes, strict=True))
    return table if inside else None


def _index_of(descriptor: int, size: int) -> bytes:
    """The content of the one `moov` box."""
    at = 0
    found: bytes | None = None
    while at + 8 <= size:
        length, kind = struct.unpack(">I4s", os.pread(descriptor, 8, at))
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", os.pread(descriptor, 8, at + 8))
            header = 16
        length = length or size - at
        if length < header or at + length > size or kind == b"moof" or (kind == b"moov" and found is not None):
            raise _UnfitError
        if kind == b"moov":
            if length > _MOST_INDEX:
                raise _UnfitError
            found = os.pread(descriptor, length - header, at + header)
        at += length
    if found is None or at != size:
        raise _UnfitError
    return found


class _Boxes:
    """The boxes of the index that matter, by their names. One track, or it is not for us."""

    def __init__(self, moov: bytes) -> None:
        self._found: dict[bytes, bytes] = {}
        self._walk(moov)

    def __getitem__(self, name: bytes) -> bytes:
        if name not in self._found:
            raise _UnfitError
        return self._found[name]

    def get(self, name: bytes) -> bytes | None:
        return self._found.get(name)

    def _walk(self, data: bytes) -> None:
        at = 0
        while at + 8 <= len(data):
            length, kind = struct.unpack_from(">I4s", data, at)
            if length < 8 or at + length > len(data) or kind == b"mvex" or (kind in self._found and kind in _ONCE):
                raise _UnfitError
            body = data[at + 8 : at + length]
            self._found.setdefault(kind, body)
            if kind in _NESTED:
                self._walk(body)
            at += length


def _table(boxes: _Boxes) -> SampleTable:
    # The media's handler stands in front of others of the same name (QuickTime has one for the data as well).
    if boxes[b"hdlr"][8:12] != b"vide" or struct.unpack_from(">I", boxes[b"stsd"], 4) != (1,):
        raise _UnfitError
    sizes = _sizes(boxes[b"stsz"])
    count = len(sizes)
    dts = array("q", accumulate(_runs(boxes[b"stts"], count, ">II"), initial=0))
    end = dts.pop()
    shifts = _shifts(boxes, count)
    begin = _hidden(boxes, min(map(sum, zip(dts, shifts, strict=True))), end)
    pts = array("q", (time + shift - begin for time, shift in zip(dts, shifts, strict=True)))
    keys = boxes.get(b"stss")
    first_is_key = keys is None or (len(keys) >= 12 and struct.unpack_from(">I", keys, 8) == (1,))
    scale = _scale(boxes[b"mdhd"])
    moved = array("q", (time - begin for time in dts))
    return SampleTable(Fraction(1, scale), pts, moved, _places(boxes, sizes), sizes, first_is_key)


def _scale(mdhd: bytes) -> int:
    (scale,) = struct.unpack_from(">I", mdhd, 20 if mdhd[0] == 1 else 12)
    if not scale:
        raise _UnfitError
    return int(scale)


def _sizes(stsz: bytes) -> array[int]:
    same, count = struct.unpack_from(">II", stsz, 4)
    if not 0 < count <= _MOST_SAMPLES:
        raise _UnfitError
    sizes = array("I", repeat(same, count)) if same else _numbers(stsz, 12, count, "I")
    if min(sizes) == 0:
        raise _UnfitError
    return sizes


def _numbers(box: bytes, at: int, count: int, kind: str) -> array[int]:
    numbers: array[int] = array(kind)
    end = at + count * numbers.itemsize
    if end > len(box):
        raise _UnfitError
    numbers.frombytes(box[at:end])
    if byteorder == "little":
        numbers.byteswap()
    return numbers


def _runs(box: bytes, count: int, pair: str) -> Iterator[int]:
    """The values of a run-length table, one for each sample."""
    (entries,) = struct.unpack_from(">I", box, 4)
    if len(box) < 8 + 8 * entries:
        raise _UnfitError
    runs = list(struct.iter_unpack(pair, box[8 : 8 + 8 * entries]))
    if sum(length for length, _ in runs) != count:
        raise _UnfitError
    return chain.from_iterable(repeat(value, length) for length, value in runs)


def _shifts(boxes: _Boxes, count: int) -> array[int]:
    """By how much each frame shows later than it is decoded."""
    ctts = boxes.get(b"ctts")
    if ctts is None:
        return array("q", repeat(0, count))
    return array("q", _runs(ctts, count, ">Ii"))


def _hidden(boxes: _Boxes, first: int, end: int) -> int:
    """The time at which showing begins. An edit list is only taken where it begins with the first frame and hides none."""
    elst = boxes.get(b"elst")
    if elst is None:
        return 0
    wide = elst[0] == 1
    (entries,) = struct.unpack_from(">I", elst, 4)
    length, begin, rate = struct.unpack_from(">QqI" if wide else ">IiI", elst, 8)
    (movie_scale,) = struct.unpack_from(">I", boxes[b"mvhd"], 20 if boxes[b"mvhd"][0] == 1 else 12)
    scale = _scale(boxes[b"mdhd"])
    shown = Fraction(length, movie_scale) * scale
    # Lengths are rounded to the movie's ticks, a millisecond at worst.
    if entries != 1 or begin != first or rate != 1 << 16 or shown + Fraction(scale, movie_scale) < end:
        raise _UnfitError
    return int(begin)


def _places(boxes: _Boxes, sizes: array[int]) -> array[int]:
    """Where each sample begins: samples lie one after the other in the chunks that the table lists."""
    wide = boxes.get(b"co64")
    box = wide if wide is not None else boxes[b"stco"]
    (count,) = struct.unpack_from(">I", box, 4)
    starts = _numbers(box, 8, count, "Q" if wide is not None else "I")
    stsc = boxes[b"stsc"]
    (entries,) = struct.unpack_from(">I", stsc, 4)
    rows = list(struct.iter_unpack(">III", stsc[8 : 8 + 12 * entries]))
    if not rows or rows[0][0] != 1 or any(row[2] != 1 for row in rows):
        raise _UnfitError
    places = array("Q")
    sample = 0
    for row, (first, each, _) in enumerate(rows):
        last = rows[row + 1][0] if row + 1 < len(rows) else count + 1
        for start in starts[first - 1 : last - 1]:
            chunk = sizes[sample : sample + each]
            places.extend(accumulate(chunk[:-1], initial=start))
            sample += each
    if len(places) != len(sizes) or sample != len(sizes):
        raise _UnfitError
    return places
