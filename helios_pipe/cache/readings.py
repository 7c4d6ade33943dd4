"""What a manifest's text was read as when it was last found right: reading it again, and checking it against the schema, costs
a third of a small run's start. Knows nothing of manifests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from helios_pipe.cache.stamp import seal, unseal


class Readings:
    """The readings that one cache folder keeps beside its stamps, which make room for each other: the last one of each file."""

    def __init__(self, cache: Path) -> None:
        self._prefix = f"{cache}/stamps/manifest-"

    def of(self, manifest: Path) -> Callable[[str], object | None]:
        """What the file was read as, asked for by the digest of all that decides it; None where that is not known."""
        return lambda digest: self._find(self._place(manifest), digest)

    def keep(self, manifest: Path, digest: str, reading: object) -> None:
        """It was found right. `reading` are plain values. What cannot be written is not missed."""
        place = self._place(manifest)
        temp = f"{place}.{os.getpid()}.tmp"
        try:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(temp, "wb") as file:
                file.write(seal((digest, reading)))
            os.replace(temp, place)
        except OSError:
            return

    def _place(self, manifest: Path) -> str:
        return f"{self._prefix}{crc32(os.fsencode(os.path.abspath(manifest))):08x}"

    def _find(self, place: str, digest: str) -> object | None:
        try:
            with open(place, "rb") as file:
                found = unseal(file.read())
        except (OSError, ValueError, EOFError, TypeError):
            return None
        return found[1] if isinstance(found, tuple) and len(found) == 2 and found[0] == digest else None
