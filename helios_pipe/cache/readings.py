"""What a manifest's text was read as when it was last found right, and of what shape that was: reading it again, and checking it
against the schema, costs half of a small run's start. Knows nothing of manifests."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from zlib import crc32

from helios_pipe.cache.stamp import put_sealed, unseal

_PARTS = 3


class Reading:
    """The last one of one file that a cache folder keeps beside its stamps, which make room for each other. It is read when
    somebody asks."""

    def __init__(self, cache: Path, manifest: Path) -> None:
        self._place = f"{cache}/stamps/manifest-{crc32(os.fsencode(os.path.abspath(manifest))):08x}"

    @cached_property
    def _kept(self) -> tuple[object, ...]:
        """Digest, shape, reading."""
        try:
            with open(self._place, "rb") as file:
                found = unseal(file.read())
        except (OSError, ValueError, EOFError, TypeError):
            found = None
        return found if isinstance(found, tuple) and len(found) == _PARTS else (None, None, None)

    def document(self, digest: str) -> object | None:
        """What the file was read as, asked for by the digest of all that decides it; None where that is not known."""
        return self._kept[2] if self._kept[0] == digest else None

    def had_shape(self, shape: str) -> bool:
        """Whether what was found right had this shape."""
        return self._kept[1] == shape

    def keep(self, digest: str, shape: str, document: object) -> None:
        """It was found right. `document` are plain values. What cannot be written is not missed."""
        try:
            put_sealed(self._place, (digest, shape, document))
        except OSError:
            return
