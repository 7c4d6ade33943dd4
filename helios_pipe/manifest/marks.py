"""Where each value of a document stands. Knows nothing of what the values are.

Ten thousand chunks have a hundred thousand values, and almost none is ever asked for: so the positions stay in the shape
in which the parser found them, a tree beside the data, and a path is walked when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from helios_pipe.manifest.model import MarkPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Mark: TypeAlias = "tuple[int, int, dict[str, Mark] | list[Mark] | str | None]"
Branch: TypeAlias = dict[str, Mark] | list[Mark]
"""Line and column from 1, and what is below: a branch for a mapping or a list; for a scalar that is no text, how it was
written."""


class MarkTree(Mapping[MarkPath, tuple[int, int]]):
    """Line and column of a value by its path; `()` is the document itself."""

    __slots__ = ("_root",)

    def __init__(self, root: Mark = (0, 0, None)) -> None:
        self._root = root

    def __getitem__(self, where: MarkPath) -> tuple[int, int]:
        mark = self._find(where)
        if mark is None:
            raise KeyError(where)
        return mark[0], mark[1]

    def __iter__(self) -> Iterator[MarkPath]:
        return _walk((), self._root)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def nearest(self, where: MarkPath) -> tuple[int, int]:
        """The position of the value, or of the nearest one above it that exists: a key that is missing has none."""
        mark = self._root
        for step in where:
            below = _below(mark, step)
            if below is None:
                break
            mark = below
        return mark[0], mark[1]

    def spelling(self, where: MarkPath) -> str | None:
        """How a scalar that is no text was written (`010`, `7.10`, `true`); None for anything else."""
        mark = self._find(where)
        return mark[2] if mark is not None and isinstance(mark[2], str) else None

    def entries(self, where: MarkPath, *, mappings: bool) -> list[MarkPath]:
        """The places in a list of what is a mapping, or of what is not."""
        mark = self._find(where)
        branch = mark[2] if mark else None
        below: list[Mark] = branch if isinstance(branch, list) else []
        return [(*where, index) for index, entry in enumerate(below) if isinstance(entry[2], dict) is mappings]

    def _find(self, where: MarkPath) -> Mark | None:
        mark: Mark | None = self._root
        for step in where:
            if mark is None:
                return None
            mark = _below(mark, step)
        return mark


def _below(mark: Mark, step: str | int) -> Mark | None:
    branch = mark[2]
    if isinstance(branch, dict) and isinstance(step, str):
        return branch.get(step)
    if isinstance(branch, list) and isinstance(step, int) and 0 <= step < len(branch):
        below: Mark = branch[step]
        return below
    return None


def _walk(where: MarkPath, mark: Mark) -> Iterator[MarkPath]:
    yield where
    branch = mark[2]
    if isinstance(branch, dict):
        for key, below in branch.items():
            yield from _walk((*where, key), below)
    elif isinstance(branch, list):
        for index, below in enumerate(branch):
            yield from _walk((*where, index), below)
