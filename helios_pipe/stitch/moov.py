"""A film's file but for its frames: what MP4 and QuickTime want to be told of one video track. Pure; reads and writes no file.

Times are whole frames from 0: what is decoded as number k at `(k - delay) * per` is stored at `k * per` with a shift, and the
edit list takes the delay off again, so that the first frame shows at 0 and the film ends with its last one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import groupby
from struct import pack
from sys import byteorder

from helios_pipe.stitch.shape import UPRIGHT, Shape, box
from helios_pipe.stitch.tags import Tags
from helios_pipe.stitch.timeline import Clock
from helios_pipe.tuples import NamedTuple

_RUN_BYTES = 1 << 20
"""Frames that lie side by side are told in runs of less than so many bytes: a player finds one without adding up all."""
_MOST = 0xFFFFFFFF
_BRANDS = {"h264": b"isomiso2avc1mp41", "hevc": b"isomiso2mp41", "av1": b"isomav01iso2mp41"}
_ITUNES = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))


class Film(NamedTuple):
    """What is told of the frames, in decode order: their sizes, and by how many frames each shows later than it is decoded
    (`leads`; earlier, where negative, by `delay` at most). `keys` are the numbers of the key frames, from 1; `uses` has a
    byte for each frame that says what depends on it, None where no chunk told."""

    shape: Shape
    tags: Tags
    clock: Clock
    delay: int
    sizes: array[int]
    leads: array[int]
    keys: array[int]
    uses: bytes | None


class Frame(NamedTuple):
    """What stands around the frames' bytes, which begin at `start` and are `size` together."""

    head: bytes
    tail: bytes
    start: int
    size: int


def frame_of(film: Film, *, index_first: bool) -> Frame:
    """The film's file but for its frames."""
    size = sum(film.sizes)
    brand, spare, brands = (b"isom", b"free", _BRANDS[film.shape.codec])
    if film.shape.quicktime:
        brand, spare, brands = b"qt  ", b"wide", b"qt  "
    kinds = box(b"ftyp", brand, pack(">I", 512), brands)
    # A length beyond four gigabytes takes the spare bytes.
    data = box(spare) + pack(">I4s", size + 8, b"mdat") if size + 8 <= _MOST else pack(">I4sQ", 1, b"mdat", size + 16)
    index = _Index(film)
    start = base = len(kinds) + len(data)
    if not index_first:
        return Frame(kinds + data, index.at(start), start, size)
    # Where the frames begin depends on the index, whose length depends on that where places need more bytes.
    while (moved := base + len(index.at(start))) != start:
        start = moved
    return Frame(kinds + index.at(start) + data, b"", start, size)


class _Index:
    """The film's index, for frames that begin at any place of the file."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._length = len(film.sizes) * film.clock.per
        self._places, counts = _runs(film.sizes)
        self._tables = (
            box(b"stsd", pack(">II", 0, 1), _entry(film, self._length)),
            _table(b"stts", 1, pack(">II", len(film.sizes), film.clock.per)),
            *_keys(film),
            *(() if film.uses is None else (box(b"sdtp", bytes(4), film.uses),)),
            *_shifts(film),
            _run_lengths(counts),
            _sizes(film.sizes),
        )

    def at(self, start: int) -> bytes:
        """The index where the frames begin at `start`."""
        film, per = self._film, self._film.clock.per
        scale = film.clock.timescale
        fine = -(-1000 // scale)
        length = self._length * fine
        rest = pack(">IH10x", 1 << 16, 256), UPRIGHT, bytes(24), pack(">I", 2)
        movie = _timed(b"mvhd", 0, (scale * fine,), length, *rest)
        track = _timed(b"tkhd", 3, (1, 0), length, bytes(8), film.shape.track)
        wide = length >= _MOST
        shown = pack(">QqI" if wide else ">IiI", length, film.delay * per, 1 << 16)
        edit = box(b"edts", _table(b"elst", 1, shown, version=wide))
        aperture = () if film.shape.aperture is None else (box(b"tapt", film.shape.aperture),)
        return box(b"moov", movie, box(b"trak", track, *aperture, edit, self._media(start)), *_user_data(film))

    def _media(self, start: int) -> bytes:
        film = self._film
        media = _timed(b"mdhd", 0, (film.clock.timescale,), self._length, film.shape.language, bytes(2))
        here = box(b"dinf", _table(b"dref", 1, box(b"url ", pack(">I", 1))))
        handler = (
            () if not film.shape.quicktime else (box(b"hdlr", bytes(4), b"dhlrurl ", bytes(12), b"\x0bDataHandler"),)
        )
        table = box(b"stbl", *self._tables, _places(self._places, start))
        info = box(b"minf", box(b"vmhd", pack(">I8x", 1)), *handler, here, table)
        return box(b"mdia", media, box(b"hdlr", film.shape.handler), info)


def _timed(kind: bytes, flags: int, numbers: tuple[int, ...], length: int, *rest: bytes) -> bytes:
    """A header with two dates, which are left open, then some numbers, then a length in ticks."""
    wide = length >= _MOST
    dates, last = ("16x", "Q") if wide else ("8x", "I")
    version = int(wide) << 24 | flags
    return box(kind, pack(f">I{dates}{len(numbers)}I{last}", version, *numbers, length), *rest)


def _table(kind: bytes, count: int, *rows: bytes, version: int = 0) -> bytes:
    return box(kind, pack(">B3xI", version, count), *rows)


def _entry(film: Film, length: int) -> bytes:
    """The sample entry, with the film's own bit rate where the chunk's named one."""
    rate = sum(film.sizes) * 8 * film.clock.timescale // length
    rates = box(b"btrt", pack(">III", 0, min(rate, _MOST), min(rate, _MOST)))
    return box(film.shape.kind, film.shape.entry, *((rates,) if film.shape.rated else ()))


def _keys(film: Film) -> tuple[bytes, ...]:
    if len(film.keys) == len(film.sizes):
        return ()
    return (_table(b"stss", len(film.keys), _big(film.keys)),)


def _shifts(film: Film) -> tuple[bytes, ...]:
    if not film.delay:
        return ()
    per, delay = film.clock.per, film.delay
    rows = [pack(">II", sum(1 for _ in same), (lead + delay) * per) for lead, same in groupby(film.leads)]
    return (_table(b"ctts", len(rows), *rows),)


def _sizes(sizes: array[int]) -> bytes:
    same = sizes.count(sizes[0]) == len(sizes)
    return box(b"stsz", pack(">III", 0, sizes[0] if same else 0, len(sizes)), b"" if same else _big(sizes))


def _runs(sizes: array[int]) -> tuple[array[int], array[int]]:
    """Where each run begins, from the first frame on, and how many frames are in it."""
    places, counts = array("Q", [0]), array("I", [0])
    at, run = 0, 0
    for size in sizes:
        if run and run + size >= _RUN_BYTES:
            places.append(at)
            counts.append(0)
            run = 0
        counts[-1] += 1
        run += size
        at += size
    return places, counts


def _run_lengths(counts: Iterable[int]) -> bytes:
    rows, first = [], 1
    for count, same in groupby(counts):
        rows.append(pack(">III", first, count, 1))
        first += sum(1 for _ in same)
    return _table(b"stsc", len(rows), *rows)


def _places(places: array[int], start: int) -> bytes:
    wide = start + places[-1] > _MOST
    moved = array("Q" if wide else "I", (start + place for place in places))
    return _table(b"co64" if wide else b"stco", len(moved), _big(moved))


def _big(numbers: array[int]) -> bytes:
    """The numbers as MP4 spells them."""
    spelled = numbers[:]
    if byteorder == "little":
        spelled.byteswap()
    return spelled.tobytes()


def _user_data(film: Film) -> tuple[bytes, ...]:
    items = [box(kind, content) for kind, content in film.tags]
    if film.shape.quicktime:
        return (box(b"udta", *items),) if items else ()
    return (box(b"udta", box(b"meta", bytes(4), _ITUNES, box(b"ilst", *items))),)
