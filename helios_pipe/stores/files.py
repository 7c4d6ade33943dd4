"""A blob's bytes on their way between a store and a file. Knows nothing of any store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from helios_pipe.digest import BUFFER_SIZE, Digest, digest_bytes
from helios_pipe.errors import BlobDamagedError, StoreError

_serial = count()


class Arrival:
    """A file on its way in: hashed as it comes, under a temporary name beside its target until `finish`.

    Used as a context manager; leaving it without `finish` leaves nothing behind. Raises StoreError where the disk fails.
    """

    def __init__(self, target: Path, expected: Digest) -> None:
        self.size = 0
        self._target = target
        self.expected = expected
        self._temp = f"{target}.part-{os.getpid()}-{next(_serial)}"
        self._hasher = sha256()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Arrival:
        try:
            self._file = open(self._temp, "xb", buffering=0)
        except OSError as error:
            raise self._failed(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            Path(self._temp).unlink(missing_ok=True)

    def write(self, block: bytes) -> None:
        """Append `block`."""
        assert self._file is not None
        self._hasher.update(block)
        view = memoryview(block)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise self._failed(error) from error
        self.size += len(block)

    def restart(self) -> None:
        """Forget what came so far: the sender begins anew."""
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        self._hasher, self.size = sha256(), 0

    @property
    def whole(self) -> bool:
        """Whether what came so far has the expected digest."""
        return self._hasher.hexdigest() == self.expected

    def finish(self) -> None:
        """Put the file in its place. Raises BlobDamagedError where its digest is not the expected one."""
        assert self._file is not None
        if not self.whole:
            raise BlobDamagedError(
                f"blob {self.expected} came with other bytes: digest {self._hasher.hexdigest()}, {self.size} bytes",
                digest=self.expected,
            )
        self._file.close()
        self._file = None
        try:
            os.replace(self._temp, self._target)
        except OSError as error:
            Path(self._temp).unlink(missing_ok=True)
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StoreError:
        return StoreError(f"{self._target} cannot be written: {error.strerror}")


def receive(target: Path, digest: Digest, fetch: Callable[[Arrival], None]) -> None:
    """Bring a blob to `target`. `fetch` writes its bytes. Wrong ones are fetched once more, since a bit may have flipped on
    the way; wrong again, they are wrong in the store (BlobDamagedError)."""
    with Arrival(target, digest) as file:
        fetch(file)
        if not file.whole:
            file.restart()
            fetch(file)
        file.finish()


class Body:
    """A blob's file as the body of a request: it has a length, and can be sent again."""

    def __init__(self, source: Path, expected: Digest) -> None:
        self._source = source
        self._expected = expected
        with Departure(source, expected) as file:
            self._size = file.size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        with Departure(self._source, self._expected) as file:
            if file.size != self._size:
                raise BlobDamagedError(f"{self._source} changed while it was sent")
            yield from file.blocks()


class Departure:
    """A file on its way out: opened, measured, read in order, its digest known at the end. A context manager."""

    def __init__(self, source: Path, expected: Digest) -> None:
        self._source = source
        self._expected = expected
        self._hasher = sha256()
        try:
            self._file = open(source, "rb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise _unreadable(source, error) from error
        self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Departure:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def blocks(self, size: int = BUFFER_SIZE) -> Iterator[bytes]:
        """The file's bytes in blocks of `size`; only the last may be shorter. The digest is checked before the last one is
        handed out, so that a receiver that was promised `self.size` bytes never gets the whole of a wrong file."""
        left = self.size
        while left > 0:
            block = self._read(min(size, left))
            self._hasher.update(block)
            left -= len(block)
            if left == 0 and self._hasher.hexdigest() != self._expected:
                raise self._damaged(self._hasher.hexdigest())
            yield block

    def whole(self) -> bytes:
        """All of a small file, checked."""
        data = self._read(self.size)
        found = digest_bytes(data)
        if found != self._expected:
            raise self._damaged(found)
        return data

    def _read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0:
            try:
                part = self._file.read(count)
            except OSError as error:
                raise _unreadable(self._source, error) from error
            if not part:
                raise BlobDamagedError(f"{self._source} became shorter while it was read")
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _damaged(self, found: str) -> BlobDamagedError:
        return BlobDamagedError(f"{self._source} has digest {found}, expected {self._expected}")


def _unreadable(source: Path, error: OSError) -> StoreError:
    return StoreError(f"{source} cannot be read: {error.strerror}")
