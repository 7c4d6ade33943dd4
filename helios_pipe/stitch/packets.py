"""The digest of a run of packets. Knows nothing of containers: it is the same in each that leaves packets as they are."""

from __future__ import annotations

from array import array
from hashlib import sha256
from sys import byteorder
from typing import TYPE_CHECKING

from helios_pipe.digest import Digest, digest_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from av.packet import Packet
    from av.video.stream import VideoStream


class PacketDigest:
    """SHA-256 over the packets' payloads in decode order, then over their sizes as 64-bit little-endian numbers, so that
    neither a byte nor a border between two packets can move unnoticed."""

    __slots__ = ("_hasher", "_sizes")

    def __init__(self) -> None:
        self._hasher = sha256()
        self._sizes = array("Q")

    def add(self, packet: Packet[VideoStream]) -> None:
        """Take in the next packet's payload."""
        self._hasher.update(packet)
        self._sizes.append(packet.size)

    def value(self) -> Digest:
        """The digest of what was added. To be called once."""
        if byteorder == "big":
            self._sizes.byteswap()
        self._hasher.update(self._sizes)
        return Digest(self._hasher.hexdigest())


def combined(digests: Iterable[Digest]) -> Digest:
    """One digest for all chunks: that of their packet digests, one a line."""
    return digest_bytes("".join(f"{digest}\n" for digest in digests).encode())
