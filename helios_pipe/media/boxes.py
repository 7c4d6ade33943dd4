"""The boxes of a plain MP4 or QuickTime file's index, found by their names. Knows nothing of what most of them say.

Plain is the one shape that encoders write for a chunk: one index, one track, no fragments. Any other is an UnfitError, and so
is a file that was cut off.
"""

from __future__ import annotations

import os
import struct
from functools import partial
from pathlib import Path

from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    Read = Callable[[int, int], bytes]
    """So many bytes of a file from a place on; fewer where it ends. Raises OSError."""

_MOST_INDEX = 1 << 28
_HEAD = struct.Struct(">I4s").unpack_from
"""A box's length and name."""
_NESTED = frozenset({b"trak", b"mdia", b"minf", b"stbl", b"edts"})
_ONCE = _NESTED | {
    b"mvhd",
    b"tkhd",
    b"mdhd",
    b"vmhd",
    b"dinf",
    b"udta",
    b"elst",
    b"stsd",
    b"stts",
    b"ctts",
    b"stsz",
    b"stsc",
    b"stco",
    b"co64",
    b"stss",
}
"""What the one track has once; were it there again, we would not know which one counts."""
_TOP = frozenset({b"ftyp", b"free", b"skip", b"wide", b"mdat", b"moov"})
_UNDERSTOOD = {
    b"moov": (b"mvhd", b"trak", b"udta"),
    b"trak": (b"tkhd", b"tapt", b"edts", b"mdia"),
    b"edts": (b"elst",),
    b"mdia": (b"mdhd", b"hdlr", b"minf"),
    b"minf": (b"vmhd", b"hdlr", b"dinf", b"stbl"),
    b"stbl": (b"stsd", b"stts", b"ctts", b"stss", b"stsz", b"stsc", b"stco", b"co64", b"sdtp"),
}
_ONE, _HERE = b"\0\0\0\0\0\0\0\1", b"\0\0\0\1"
"""How a list of data references begins that has one entry, and the flag of one that means this file."""


class UnfitError(Exception):
    """The file is of another shape."""


class Top(NamedTuple):
    """What stands at the top of a file of `size` bytes: the index's content, the first brand, and whether there is nothing
    unknown."""

    size: int
    moov: bytes
    brand: bytes
    known: bool

    @classmethod
    def of(cls, read: Read, size: int) -> Self:
        """That of the file that is read so. Raises UnfitError, OSError."""
        at, brand, known = 0, b"", True
        moov: bytes | None = None
        while at + 8 <= size:
            length, kind, wide = struct.unpack(">I4sQ", read(16, at).ljust(16, b"\0"))
            header = 8
            if length == 1:
                length, header = wide, 16
            length = length or size - at
            if length < header or at + length > size or kind == b"moof" or (kind == b"moov" and moov is not None):
                raise UnfitError
            known = known and kind in _TOP
            if kind == b"ftyp" and not at:
                brand = wide.to_bytes(8, "big")[:4]
            if kind == b"moov":
                if length > _MOST_INDEX:
                    raise UnfitError
                moov = read(length - header, at + header)
            at += length
        if moov is None or at != size:
            raise UnfitError
        return cls(size, moov, brand, known)


class Boxes:
    """The boxes of the index by their names; of several, the first. `top` is where they come from."""

    def __init__(self, top: Top, like: Boxes | None = None) -> None:
        """`like` are another file's: then all boxes are known to begin and end where those do. Raises UnfitError."""
        self.top = top
        self._known = top.known
        self._spans: dict[bytes, tuple[int, int]] = {}
        if like is None:
            self._walk(b"moov", 0, len(top.moov))
        else:
            self._known, self._spans = top.known and like._known, like._spans

    @classmethod
    def of(cls, path: Path) -> Self:
        """Those of a file. Raises UnfitError, OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return cls(Top.of(partial(os.pread, descriptor), os.fstat(descriptor).st_size))
        finally:
            os.close(descriptor)

    def __getitem__(self, name: bytes) -> bytes:
        begin, end = self.span(name)
        return self.top.moov[begin:end]

    def get(self, name: bytes) -> bytes | None:
        """The content of the box, None where there is none."""
        return self[name] if name in self._spans else None

    def span(self, name: bytes) -> tuple[int, int]:
        """Where in the index the content of the box begins and ends. Raises UnfitError where there is none."""
        span = self._spans.get(name)
        if span is None:
            raise UnfitError
        return span

    def but(self, spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, bytes], ...]:
        """The index without these parts: (place, bytes) of what stands between them."""
        parts, at = [], 0
        for begin, end in (*sorted(spans), (len(self.top.moov), 0)):
            parts.append((at, self.top.moov[at:begin]))
            at = end
        return tuple(parts)

    def understood(self) -> bool:
        """Whether there is nothing in the file but what describes the one track, in this very file, and tags."""
        reference = self.get(b"dinf") or b""
        here = reference[8:16] == _ONE and reference[24:28] == _HERE
        here = here and int.from_bytes(reference[16:20], "big") == len(reference) - 16
        return self._known and here

    def _walk(self, parent: bytes, at: int, end: int) -> None:
        moov, spans, understood = self.top.moov, self._spans, _UNDERSTOOD[parent]
        while at + 8 <= end:
            length, kind = _HEAD(moov, at)
            if length < 8 or at + length > end or kind == b"mvex" or (kind in spans and kind in _ONCE):
                raise UnfitError
            if kind not in understood:
                self._known = False
            spans.setdefault(kind, (at + 8, at + length))
            if kind in _NESTED:
                self._walk(kind, at + 8, at + length)
            at += length


def children(data: bytes, at: int = 0) -> list[tuple[bytes, bytes]]:
    """(name, content) of the boxes that fill `data` from `at` on. Raises UnfitError where they do not."""
    found = []
    while at < len(data):
        if at + 8 > len(data):
            raise UnfitError
        length, kind = _HEAD(data, at)
        if length < 8 or at + length > len(data):
            raise UnfitError
        found.append((kind, data[at + 8 : at + length]))
        at += length
    return found
