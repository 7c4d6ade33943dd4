"""What of a chunk's boxes has to be equal in all chunks and goes into the film as it is. Knows nothing of time.

A sample entry holds the codec, the codec's header, size, pixel aspect and colour, and the track's header the rotation: where
their bytes are equal, so is all that they say. Whatever box is not known here may say more: then the media library has to look.
"""

from __future__ import annotations

from helios_pipe.media.boxes import Boxes, UnfitError, children
from helios_pipe.stitch.tags import tags_of
from helios_pipe.tuples import NamedTuple

QUICKTIME = b"qt  "
_CODECS = {
    b"avc1": ("h264", b"avcC"),
    b"hvc1": ("hevc", b"hvcC"),
    b"hev1": ("hevc", b"hvcC"),
    b"av01": ("av1", b"av1C"),
}
"""Kinds of sample entries of codecs whose header says everything about the picture (layout), and their header's box."""
_PLAIN = frozenset({b"pasp", b"colr", b"fiel", b"clli", b"mdcv"})
_RATES = b"btrt"
"""The chunk's own bit rates: another in each."""
_ENTRY, _NAMED, _NAME = 78, 42, 32
"""Bytes of an entry's fixed part; where in them the encoder's name stands, which is no property of the picture; its bytes."""
UPRIGHT = b"\0\1\0\0" + bytes(12) + b"\0\1\0\0" + bytes(12) + b"\x40\0\0\0"
"""The matrix that turns nothing."""


class Shape(NamedTuple):
    """One chunk's. `kind` and `entry` are the sample entry's name and content, without what differs from chunk to chunk; `track`
    is its header behind the times, `handler` and `language` its media's; `aperture` is a box that QuickTime has where pixels
    are not square. `rated`: it names bit rates. `header` is the codec's."""

    quicktime: bool
    codec: str
    kind: bytes
    entry: bytes
    track: bytes
    handler: bytes
    language: bytes
    aperture: bytes | None
    rated: bool
    tags: tuple[tuple[bytes, bytes], ...]
    header: bytes = b""
    own: int = 0
    """So many bytes at the end of the sample entry are bit rates, which are this chunk's own."""

    @classmethod
    def of(cls, boxes: Boxes) -> Shape:
        """The shape that the boxes tell. Raises UnfitError where they may tell more than what is understood here."""
        movie, track, media = boxes[b"mvhd"], boxes[b"tkhd"], boxes[b"mdhd"]
        shown = track[44 if track[:1] == b"\1" else 32 :]
        turned = movie[-64:-28] != UPRIGHT
        if not boxes.understood() or not boxes.top.brand or turned or len(shown) != 52 or not track[3] & 1:
            raise UnfitError
        kind, content = _only(children(boxes[b"stsd"], 8))
        codec, header = _CODECS.get(kind, ("", b""))
        inner = children(content, _ENTRY)
        names = [name for name, _ in inner]
        if not codec or names.count(header) != 1 or not set(names) <= _PLAIN | {header, _RATES}:
            raise UnfitError
        quicktime = boxes.top.brand == QUICKTIME
        return cls(
            quicktime,
            codec,
            kind,
            _unnamed(content) + b"".join(box(name, body) for name, body in inner if name != _RATES),
            shown,
            boxes[b"hdlr"],
            media[32:34] if media[:1] == b"\1" else media[20:22],
            boxes.get(b"tapt"),
            _RATES in names,
            tags_of(boxes.get(b"udta"), quicktime=quicktime),
            dict(inner)[header],
            len(inner[-1][1]) if names[-1] == _RATES else 0,
        )

    def fits(self, other: Shape) -> bool:
        """Whether packets of the one may follow those of the other."""
        mine = self.quicktime, self.kind, self.entry, self.track
        return mine == (other.quicktime, other.kind, other.entry, other.track)


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of that name with this content."""
    return b"".join(((8 + sum(map(len, parts))).to_bytes(4, "big"), kind, *parts))


def _only(boxes: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    if len(boxes) != 1:
        raise UnfitError
    return boxes[0]


def _unnamed(entry: bytes) -> bytes:
    return entry[:_NAMED] + bytes(_NAME) + entry[_NAMED + _NAME : _ENTRY]
