"""Digests of files and of runs of packets, computed beside the caller's work. Knows nothing of containers or time.

A packet digest is the same in every container that leaves packets as they are. Hashing lets go of the interpreter's lock, so
that on two cores the reading and writing goes on meanwhile.
"""

from __future__ import annotations

from array import array
from collections import deque
from hashlib import sha256
from sys import byteorder

from helios_pipe.digest import Digest, digest_bytes, digest_file
from helios_pipe.transfer import copy_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from av.packet import Packet
    from av.video.stream import VideoStream

_BATCH_BYTES = 4 << 20
_BATCHES_AHEAD = 3


class RunDigest:
    """The digest of one run of packets: SHA-256 over the payloads in decode order, then over their sizes as 64-bit
    little-endian numbers, so that neither a byte nor a border between two packets can move unnoticed."""

    __slots__ = ("_hasher", "_sizes")

    def __init__(self) -> None:
        self._hasher = sha256()
        self._sizes = array("Q")

    def add(self, packet: Packet[VideoStream]) -> None:
        """Take in the run's next packet."""
        self._hasher.update(packet)
        self._sizes.append(packet.size)

    def value(self) -> Digest:
        """The digest of what was added. To be called once."""
        self._hasher.update(spelled(self._sizes))
        return Digest(self._hasher.hexdigest())


def spelled(sizes: Iterable[int]) -> bytes:
    """The packets' sizes as they end a run's digest."""
    numbers = array("Q", sizes)
    if byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


class PacketRuns:
    """One digest for each run of packets, in order. Large runs are hashed in a thread; never more than some megabytes wait
    for it."""

    def __init__(self) -> None:
        self._digests: list[Digest] = []
        self._run = RunDigest()
        self._batch: list[Packet[VideoStream] | None] = []
        self._bytes = 0
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def add(self, packet: Packet[VideoStream]) -> None:
        """Take in the run's next packet. Its payload must not change any more; its times may."""
        self._batch.append(packet)
        self._bytes += packet.size
        if self._bytes >= _BATCH_BYTES:
            self._hand_over()

    def end_run(self) -> None:
        """The packets added since the last call make one run."""
        self._batch.append(None)

    def digests(self) -> list[Digest]:
        """The digest of each run that was ended. Waits for them. To be called once, at the end."""
        while self._ahead:
            self._ahead.popleft().result()
        self._take(self._batch)
        return self._digests

    def _hand_over(self) -> None:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(1, "helios-packets")
        self._ahead.append(self._pool.submit(self._take, self._batch))
        self._batch, self._bytes = [], 0
        if len(self._ahead) > _BATCHES_AHEAD:
            self._ahead.popleft().result()

    def _take(self, batch: list[Packet[VideoStream] | None]) -> None:
        for packet in batch:
            if packet is not None:
                self._run.add(packet)
                continue
            self._digests.append(self._run.value())
            self._run = RunDigest()


class FileDigests:
    """The digests of many files, computed in a thread from the moment of entering. None for a path of None. The bytes of the
    first file are also written to the new file `copy`, as they are hashed; where that fails there is none."""

    def __init__(self, paths: Sequence[Path | None], copy: Path | None = None) -> None:
        self._paths = paths
        self._copy = copy
        self._stopped = False
        self._future: Future[list[Digest | None]] | None = None

    def __enter__(self) -> Self:
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(1, "helios-files")
        self._future = self._pool.submit(self._run)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._pool.shutdown()

    def result(self) -> list[Digest | None]:
        """The digests in the order of the paths. Waits for them. Raises OSError."""
        assert self._future is not None
        return self._future.result()

    def _run(self) -> list[Digest | None]:
        digests: list[Digest | None] = []
        for path in self._paths:
            if self._stopped:
                break
            digests.append(self._digest(path) if path is not None else None)
        return digests

    def _digest(self, path: Path) -> Digest:
        copy, self._copy = self._copy, None
        if copy is not None:
            try:
                return copy_file(str(path), str(copy))
            except OSError:
                pass  # whoever needs it there says why it cannot be written
        return digest_file(path)


def combined(digests: Iterable[Digest]) -> Digest:
    """One digest for all chunks: that of their packet digests, one a line."""
    return digest_bytes("".join(f"{digest}\n" for digest in digests).encode())
