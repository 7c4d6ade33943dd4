"""The sample table of a plain MP4 or QuickTime file: when each frame shows, and where its bytes lie, without reading them.

It knows the one shape that encoders write for a chunk (one track, one header, no fragments, an edit list that hides nothing) and
gives None for any other; whoever asks then demuxes. Nothing in here trusts a number of the file further than its size.
"""

from __future__ import annotations

import struct
from array import array
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, chain, repeat
from operator import add
from pathlib import Path
from sys import byteorder

from helios_pipe.media.boxes import Boxes, UnfitError
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIZES, _PLACES = 12, 8
"""Where in their boxes the lists begin."""
_WIDE = b"co64"
"""The box of places beyond four gigabytes."""
_MOST_SAMPLES = 1 << 24
_MOST_KEPT = 1 << 12
"""The times of so many frames are worth remembering, for the next chunk."""
MOST_TICKS = (1 << 31) - 1
"""A second: more, and other readers take it for less than none."""
_EVERYBODYS = frozenset({b"avc1", b"hvc1", b"hev1", b"av01", b"vp09"})
"""Kinds of sample entries whose codecs the media library knows, whatever was built into it."""
_COVER = b"covr"
"""The tag that holds an image, which the library takes for a second video stream."""


class SampleTable(NamedTuple):
    """A track's frames in decode order. Times are in ticks of `time_base`, shifted so that the edit list is done with; places
    and sizes are in bytes of the file; `length` is the ticks of all frames together. Two tables may share their times: nobody
    writes to them."""

    time_base: Fraction
    pts: array[int]
    dts: array[int]
    places: array[int]
    sizes: array[int]
    length: int
    keys: array[int] | None
    """The numbers of the key frames, from 1; None where all are."""

    @property
    def first_is_key(self) -> bool:
        """Whether decoding can begin with the first frame."""
        return self.keys is None or self.keys[:1] == array("I", [1])


def read_sample_table(path: Path) -> SampleTable | None:
    """The table of the file's one video track; None where the file is of another shape, damaged or cut off. Raises OSError."""
    try:
        return table_of(Boxes.of(path))
    except UnfitError:
        return None


def count_samples(path: Path) -> int | None:
    """How many frames the file holds, where it is certain that the media library would find as many; None otherwise."""
    try:
        boxes = Boxes.of(path)
        certain = boxes.understood() and _COVER not in (boxes.get(b"udta") or b"")
        return len(table_of(boxes).sizes) if certain and boxes[b"stsd"][12:16] in _EVERYBODYS else None
    except (UnfitError, OSError):
        return None


def table_of(boxes: Boxes) -> SampleTable:
    """The table that these boxes make. Raises UnfitError where they are of another shape, damaged, or lie beyond the file."""
    return _checked(boxes, _table)


def table_like(table: SampleTable, boxes: Boxes) -> SampleTable:
    """The table of boxes that differ from those of this one `in_own_right` alone. Raises as table_of does."""

    def again(boxes: Boxes) -> SampleTable:
        sizes = _sizes(boxes[b"stsz"])
        places = _places(boxes, sizes)
        return SampleTable(table.time_base, table.pts, table.dts, places, sizes, table.length, table.keys)

    return _checked(boxes, again)


def in_own_right(boxes: Boxes) -> list[tuple[int, int]]:
    """Where in the index it says what is another thing in each chunk: how large the frames are, and where they lie."""
    sizes, end = boxes.span(b"stsz")
    places, last = boxes.span(_places_name(boxes))
    return [(sizes + _SIZES, end), (places + _PLACES, last)]


def _checked(boxes: Boxes, make: Callable[[Boxes], SampleTable]) -> SampleTable:
    try:
        table = make(boxes)
    except (struct.error, IndexError, OverflowError, ZeroDivisionError) as error:
        raise UnfitError from error
    if min(table.places) <= 0 or max(map(add, table.places, table.sizes)) > boxes.top.size:
        raise UnfitError
    return table


def _table(boxes: Boxes) -> SampleTable:
    # The media's handler stands in front of others of the same name (QuickTime has one for the data as well).
    if boxes[b"hdlr"][8:12] != b"vide" or struct.unpack_from(">I", boxes[b"stsd"], 4) != (1,):
        raise UnfitError
    sizes = _sizes(boxes[b"stsz"])
    scale = _scale(boxes[b"mdhd"])
    edits = _Edits(boxes[b"elst"], scale, _movie_scale(boxes[b"mvhd"])) if boxes.get(b"elst") is not None else None
    times = _times_again if len(sizes) <= _MOST_KEPT else _times
    pts, dts, end = times(len(sizes), boxes[b"stts"], boxes.get(b"ctts"), edits)
    return SampleTable(Fraction(1, scale), pts, dts, _places(boxes, sizes), sizes, end, _keys(boxes))


class _Edits(NamedTuple):
    """An edit list, and the ticks a second that it counts in: those of the track, and of the movie for lengths."""

    elst: bytes
    scale: int
    movie_scale: int

    def hidden(self, first: int, last: int, end: int) -> int:
        """The time at which showing begins. An edit list is only taken where it begins with the first frame and hides none: it
        ends while the last one is shown, or later."""
        elst = self.elst
        wide = _version(elst) == 1
        (entries,) = struct.unpack_from(">I", elst, 4)
        length, begin, rate = struct.unpack_from(">QqI" if wide else ">IiI", elst, 8)
        # Lengths are rounded to the movie's ticks: mostly a millisecond, but it can be a whole frame.
        hides = (length + 1) * self.scale < end * self.movie_scale
        hides = hides or length * self.scale <= (last - begin) * self.movie_scale
        if (
            entries != 1
            or len(elst) != (28 if wide else 20)
            or begin != first
            or rate != 1 << 16
            or not self.movie_scale
            or hides
        ):
            raise UnfitError
        return int(begin)


def _times(count: int, stts: bytes, ctts: bytes | None, edits: _Edits | None) -> tuple[array[int], array[int], int]:
    """When each frame shows and when it is decoded, and the ticks of all together."""
    dts = array("q", accumulate(_runs(stts, count, ">II"), initial=0))
    end = dts.pop()
    shifts = repeat(0, count) if ctts is None else _runs(ctts, count, ">Ii")
    shown = array("q", map(sum, zip(dts, shifts, strict=True)))
    begin = 0 if edits is None else edits.hidden(min(shown), max(shown), end)
    return array("q", (time - begin for time in shown)), array("q", (time - begin for time in dts)), end


_times_again = lru_cache(maxsize=8)(_times)
"""The chunks of a film are mostly as long as one another, and then these boxes of theirs are the same, byte by byte."""


def _keys(boxes: Boxes) -> array[int] | None:
    stss = boxes.get(b"stss")
    if stss is None:
        return None
    (count,) = struct.unpack_from(">I", stss, 4)
    return _numbers(stss, 8, count, "I")


def _scale(mdhd: bytes) -> int:
    wide = _version(mdhd) == 1
    (scale,) = struct.unpack_from(">I", mdhd, 20 if wide else 12)
    if not 0 < scale <= MOST_TICKS or len(mdhd) < (36 if wide else 24):
        raise UnfitError
    return int(scale)


def _movie_scale(mvhd: bytes) -> int:
    (scale,) = struct.unpack_from(">I", mvhd, 20 if _version(mvhd) == 1 else 12)
    return int(scale)


def _version(box: bytes) -> int:
    """How wide its times are: 1 is wide. Raises UnfitError for a version that nobody has written down yet."""
    if box[0] > 1:
        raise UnfitError
    return box[0]


def _sizes(stsz: bytes) -> array[int]:
    same, count = struct.unpack_from(">II", stsz, 4)
    if not 0 < count <= _MOST_SAMPLES:
        raise UnfitError
    sizes = array("I", repeat(same, count)) if same else _numbers(stsz, _SIZES, count, "I")
    if min(sizes) == 0:
        raise UnfitError
    return sizes


def _numbers(box: bytes, at: int, count: int, kind: str) -> array[int]:
    numbers: array[int] = array(kind)
    end = at + count * numbers.itemsize
    if end > len(box):
        raise UnfitError
    numbers.frombytes(box[at:end])
    if byteorder == "little":
        numbers.byteswap()
    return numbers


def _runs(box: bytes, count: int, pair: str) -> Iterator[int]:
    """The values of a run-length table, one for each sample."""
    (entries,) = struct.unpack_from(">I", box, 4)
    if len(box) < 8 + 8 * entries:
        raise UnfitError
    runs = list(struct.iter_unpack(pair, box[8 : 8 + 8 * entries]))
    if sum(length for length, _ in runs) != count:
        raise UnfitError
    return chain.from_iterable(repeat(value, length) for length, value in runs)


def _places_name(boxes: Boxes) -> bytes:
    return _WIDE if boxes.get(_WIDE) is not None else b"stco"


def _places(boxes: Boxes, sizes: array[int]) -> array[int]:
    """Where each sample begins: samples lie one after the other in the chunks that the table lists."""
    name = _places_name(boxes)
    box = boxes[name]
    (count,) = struct.unpack_from(">I", box, 4)
    starts = _numbers(box, _PLACES, count, "Q" if name == _WIDE else "I")
    stsc = boxes[b"stsc"]
    (entries,) = struct.unpack_from(">I", stsc, 4)
    rows = list(struct.iter_unpack(">III", stsc[8 : 8 + 12 * entries]))
    if len(rows) != entries or not rows or rows[0][0] != 1 or any(row[2] != 1 for row in rows):
        raise UnfitError
    places = array("Q")
    sample = 0
    for row, (first, each, _) in enumerate(rows):
        last = rows[row + 1][0] if row + 1 < len(rows) else count + 1
        for start in starts[first - 1 : last - 1]:
            chunk = sizes[sample : sample + each]
            places.extend(accumulate(chunk[:-1], initial=start))
            sample += each
    if len(places) != len(sizes) or sample != len(sizes):
        raise UnfitError
    return places
