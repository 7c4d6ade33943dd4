"""What this process learned of a remote store's blobs. Saves a look before each upload; a wrong memory costs only bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from helios_pipe.digest import Digest
from helios_pipe.stores.parallel import each

UNKNOWN_SIZE = -1
"""It is there, but the store did not say how large."""


class Known:
    """Which blobs a store lacked when it was asked, and which came back damaged. Thread-safe: single set operations only."""

    def __init__(self, size_of: Callable[[Digest], int | None]) -> None:
        self._size_of = size_of
        self._lacking: set[Digest] = set()
        self._damaged: set[Digest] = set()

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Those of `digests` that the store lacks, asked in parallel, or that are there and damaged."""
        todo = list(dict.fromkeys(digests))
        sizes = each(self._size_of, todo)
        lacking = {digest for digest, size in zip(todo, sizes, strict=True) if size is None or digest in self._damaged}
        self._lacking |= lacking
        return lacking

    def needed(self, digest: Digest, size: int) -> bool:
        """Whether a blob of `size` bytes must be uploaded. One that is there with another size is damaged."""
        if digest in self._damaged or digest in self._lacking:
            return True
        there = self._size_of(digest)
        if there is not None and there not in (size, UNKNOWN_SIZE):
            self._damaged.add(digest)
        return there not in (size, UNKNOWN_SIZE)

    def is_damaged(self, digest: Digest) -> bool:
        """Whether what is there must be overwritten."""
        return digest in self._damaged

    def came_damaged(self, digest: Digest) -> None:
        """Its bytes were wrong when they were read."""
        self._damaged.add(digest)

    def stored(self, digest: Digest) -> None:
        """It is there now, and right."""
        self._lacking.discard(digest)
        self._damaged.discard(digest)
