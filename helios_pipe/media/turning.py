"""How far a file's pictures are turned when they are shown, by its header. Decodes nothing, and trusts no number in it.

The media library tells it of decoded frames alone. MP4 and QuickTime have matrices for it, Matroska angles, the others nothing.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from math import atan2, degrees
from pathlib import Path

from helios_pipe.media.boxes import UnfitError, children

UPRIGHT = "0°"
_MOST = 1 << 28
"""Bytes of a header that is read."""
_SEGMENT, _CLUSTER, _TRACKS = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b"
_PROJECTION = (b"\xae", b"\xe0", b"\x76\x70")
"""Where among the tracks it stands: track, video, projection."""
_YAW, _PITCH, _ROLL = b"\x76\x73", b"\x76\x74", b"\x76\x75"


def turning(path: Path, demuxer: str) -> str:
    """By how many degrees, counter-clockwise as ffmpeg counts them, and whether mirrored; UPRIGHT too where the header does not
    say, or not in a way that is understood."""
    try:
        with open(path, "rb", buffering=0) as file:
            if demuxer == "mov":
                return _by_matrices(file.fileno())
            if demuxer == "matroska":
                return _by_angles(file.fileno())
    except (UnfitError, OSError, struct.error, LookupError):
        pass
    return UPRIGHT


def _shown(angle: float, *, mirrored: bool) -> str:
    turned = round(angle, 3) % 360
    text = f"{turned - 360 if turned > 180 else turned:g}°"
    return f"{text}, mirrored" if mirrored else text


# -- MP4 and QuickTime


def _by_matrices(descriptor: int) -> str:
    boxes = children(_moov(descriptor))
    movie = dict(boxes)[b"mvhd"]
    for kind, body in boxes:
        inner = dict(children(body)) if kind == b"trak" else {}
        if dict(children(inner.get(b"mdia", b""))).get(b"hdlr", b"")[8:12] == b"vide":
            a, b, c, d = _product(_matrix(inner[b"tkhd"][-44:]), _matrix(movie[-64:]))
            mirrored = a * d - b * c < 0
            return _shown(-degrees(atan2(b, a)), mirrored=mirrored)
    return UPRIGHT


def _moov(descriptor: int) -> bytes:
    at, size = 0, os.fstat(descriptor).st_size
    while at + 8 <= size:
        length, kind, wide = struct.unpack(">I4sQ", os.pread(descriptor, 16, at).ljust(16, b"\0"))
        header = 16 if length == 1 else 8
        length = wide if length == 1 else length or size - at
        if length < header or length > size - at:
            break
        if kind == b"moov" and length <= _MOST:
            return os.pread(descriptor, length - header, at + header)
        at += length
    raise UnfitError


def _matrix(data: bytes) -> tuple[int, int, int, int]:
    a, b, _, c, d = struct.unpack_from(">5i", data)
    return a, b, c, d


def _product(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    (a, b, c, d), (e, f, g, h) = one, other
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h


# -- Matroska


def _by_angles(descriptor: int) -> str:
    parts = [_tracks(descriptor)]
    if _PROJECTION[-1] not in parts[0]:  # as a rule there is none, and nothing to follow
        return UPRIGHT
    for kind in _PROJECTION:
        parts = [data[begin:end] for data in parts for name, begin, end in _elements(data) if name == kind]
    angles = {name: _number(data[begin:end]) for data in parts for name, begin, end in _elements(data)}
    yaw, pitch, roll = (angles.get(name, 0.0) for name in (_YAW, _PITCH, _ROLL))
    if pitch or abs(yaw) not in (0, 180):  # a place in a sphere, which is no turning
        return UPRIGHT
    return _shown(roll + 180, mirrored=True) if yaw else _shown(roll, mirrored=False)


def _tracks(descriptor: int) -> bytes:
    """The tracks' content, which stands before the first cluster."""
    at, size = 0, os.fstat(descriptor).st_size
    while at < size:
        name, begin, length = _head(os.pread(descriptor, 12, at), 0)
        if name == _TRACKS and length is not None and length <= _MOST:
            return os.pread(descriptor, length, at + begin)
        if name == _CLUSTER or (length is None and name != _SEGMENT):
            break
        at += begin if name == _SEGMENT else begin + (length or 0)
    raise UnfitError


def _elements(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, begin, end) of the elements that fill the data."""
    at = 0
    while at < len(data):
        name, begin, length = _head(data, at)
        if length is None or begin + length > len(data):
            raise UnfitError
        yield name, begin, begin + length
        at = begin + length


def _head(data: bytes, at: int) -> tuple[bytes, int, int | None]:
    """An element's name, where its content begins, and how long it is; None where it does not say."""
    named = _width(data[at])
    size = data[at + named :]
    width = _width(size[0])
    value = int.from_bytes(size[:width], "big") & ((1 << 7 * width) - 1)
    return data[at : at + named], at + named + width, None if value == (1 << 7 * width) - 1 else value


def _width(first: int) -> int:
    if not first:
        raise UnfitError
    return 9 - first.bit_length()


def _number(data: bytes) -> float:
    return float(struct.unpack(">d" if len(data) == 8 else ">f", data)[0]) if len(data) in (4, 8) else 0.0
