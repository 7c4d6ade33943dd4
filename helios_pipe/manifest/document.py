"""A manifest's text as plain data, with the position of every value. Knows nothing of how it was read."""

from __future__ import annotations

from helios_pipe.manifest.marks import Mark, MarkTree
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 8 << 20


class Document(NamedTuple):
    """The data (dicts with text keys, lists, scalars) and where each value stands."""

    data: Any
    where: Mark

    @property
    def marks(self) -> MarkTree:
        """Where each value stands, by its path."""
        return MarkTree(self.where)
