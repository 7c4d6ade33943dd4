"""Two spellings of the same H.264 or H.265 packet: with start codes, or with lengths. Knows nothing of containers.

MPEG-TS and raw streams put a start code before each unit, MP4 and Matroska its length; a muxer that has to change the one into
the other leaves the pictures' units as they are and adds or drops delimiters and parameter sets around them.
"""

from __future__ import annotations

_START = b"\x00\x00\x01"


def length_bytes(codec: str, extradata: bytes) -> int:
    """How many bytes a unit's length has in packets that go with this codec header; 0: start codes, or no units at all."""
    if extradata[:1] != b"\x01":
        return 0
    if codec == "h264" and len(extradata) > 4:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 21:
        return (extradata[21] & 3) + 1
    return 0


def picture_units(codec: str, payload: bytes, size: int) -> list[bytes]:
    """The packet's units that are parts of pictures, without start codes (`size` 0) or lengths of `size` bytes."""
    units = _by_length(payload, size) if size else [unit.rstrip(b"\x00") for unit in payload.split(_START)[1:]]
    if codec == "h264":
        return [unit for unit in units if unit and 1 <= unit[0] & 0x1F <= 5]
    return [unit for unit in units if unit and (unit[0] >> 1) & 0x3F <= 31]


def _by_length(payload: bytes, size: int) -> list[bytes]:
    units, at = [], 0
    while at + size <= len(payload):
        end = at + size + int.from_bytes(payload[at : at + size], "big")
        units.append(payload[at + size : end])
        at = end
    return units
