"""Which manifests were found to be shaped like one, by the digest of what decides it: files without content, by name. Checking
against the schema costs a third of a small run's start. Knows nothing of manifests."""

from __future__ import annotations

import os
from pathlib import Path


class Shapes:
    """The findings that one cache folder keeps, beside its stamps, which make room for each other."""

    def __init__(self, cache: Path) -> None:
        self._prefix = f"{cache}/stamps/shape-"

    def known(self, digest: str) -> bool:
        """Whether it was found right."""
        return os.path.exists(f"{self._prefix}{digest}")

    def keep(self, digest: str) -> None:
        """It was found right. What cannot be written is not missed."""
        try:
            os.makedirs(os.path.dirname(self._prefix), exist_ok=True)
            with open(f"{self._prefix}{digest}", "wb"):
                pass
        except OSError:
            return
