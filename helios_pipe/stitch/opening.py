"""Whether a chunk's first frame is a picture that decoding can begin with, by the units in its bytes. Decodes nothing.

An index says where frames lie and which are key frames; that there are any is for their bytes to say. A file that was never
written out to its end has its index, and zeros.
"""

from __future__ import annotations

from helios_pipe.media.boxes import UnfitError
from helios_pipe.stitch.framing import length_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from helios_pipe.media.boxes import Read

_MOST_UNITS = 1 << 20
"""Slices may be as small as a network's packets; more of them than this no encoder makes."""
_HEAD = 16
"""Bytes that tell of a unit what it is, and of AV1's how long."""
_AV1_SEQUENCE, _AV1_FRAMES = 1, frozenset({3, 6})


def begins(read: Read, codec: str, header: bytes, place: int, size: int) -> bool:
    """Whether the frame of `size` bytes at `place` of the file begins a film: its units fill it, and one is a picture that
    needs no other (an instantaneous refresh, or of H.265 any random access point; of AV1 a frame behind its sequence's header).
    Raises UnfitError where they do not fill it, OSError."""
    if codec == "av1":
        kinds = list(_av1_units(read, place, place + size))
        return _AV1_SEQUENCE in kinds and not _AV1_FRAMES.isdisjoint(kinds)
    length = length_bytes(codec, header)
    firsts = list(_units(read, length, place, place + size))  # all of them, whichever it is
    return any(_refreshes(codec, first) for first in firsts)


def _refreshes(codec: str, first: int) -> bool:
    return first & 0x1F == 5 if codec == "h264" else 16 <= first >> 1 & 0x3F <= 21


def _units(read: Read, length: int, at: int, end: int) -> Iterator[int]:
    """The first byte of each unit. Raises UnfitError where they do not fill the frame."""
    for _ in range(_MOST_UNITS):
        if at == end:
            return
        head = read(length + 1, at)
        size = int.from_bytes(head[:length], "big")
        at += length + size
        if not length or not size or len(head) <= length or head[length] & 0x80 or at > end:
            break
        yield head[length]
    raise UnfitError


def _av1_units(read: Read, at: int, end: int) -> Iterator[int]:
    for _ in range(_MOST_UNITS):
        if at == end:
            return
        head = read(_HEAD, at)
        if not head or head[0] & 0x80 or not head[0] >> 3:  # no unit is of kind 0
            break
        begin = 2 if head[0] & 4 else 1
        size, width = _leb128(head[begin:]) if head[0] & 2 else (end - at - begin, 0)
        at += begin + width + size
        if at > end:
            break
        yield head[0] >> 3 & 15
    raise UnfitError


def _leb128(data: bytes) -> tuple[int, int]:
    """A number, and how many bytes it takes."""
    value = 0
    for width, byte in enumerate(data[:8]):
        value |= (byte & 0x7F) << 7 * width
        if not byte & 0x80:
            return value, width + 1
    raise UnfitError
