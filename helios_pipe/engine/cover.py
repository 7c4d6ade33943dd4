"""Which cached intervals of a frame sequence can stand for what is wanted. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from helios_pipe.tuples import NamedTuple


class Piece(NamedTuple):
    """A run of frames, `start` up to and not including `stop`: wanted cell number `cell`, or cached interval `cached`.
    `cost` is the frames that must be rendered for it."""

    start: int
    stop: int
    cost: int
    cell: int | None = None
    cached: int | None = None


def cover(cells: Sequence[Piece], cached: Sequence[Piece]) -> list[Piece]:
    """The pieces that together hold exactly the frames of `cells` (which adjoin each other) with the fewest frames to
    render; among those, with the fewest pieces, cells before intervals. The cells themselves are always a way."""
    start, stop = cells[0].start, cells[-1].stop
    usable = [piece for piece in (*cells, *cached) if start <= piece.start and piece.stop <= stop]
    leaving: dict[int, list[Piece]] = {}
    for piece in usable:
        leaving.setdefault(piece.start, []).append(piece)
    best: dict[int, tuple[tuple[int, int, int], Piece | None]] = {start: ((0, 0, 0), None)}
    for at in sorted({piece.start for piece in usable}):
        if at not in best:
            continue
        (cost, count, intervals), _ = best[at]
        for piece in leaving[at]:
            weight = (cost + piece.cost, count + 1, intervals + (piece.cell is None))
            if piece.stop not in best or weight < best[piece.stop][0]:
                best[piece.stop] = (weight, piece)
    return _path(best, stop)


def clear_of(cells: Sequence[Piece], cached: Sequence[Piece]) -> list[Piece]:
    """Those of the cached intervals that hold no frame of these cells, which are in order."""
    stops = [cell.stop for cell in cells]
    clear: list[Piece] = []
    for piece in cached:
        at = bisect_right(stops, piece.start)
        if at == len(cells) or piece.stop <= cells[at].start:
            clear.append(piece)
    return clear


def _path(best: dict[int, tuple[tuple[int, int, int], Piece | None]], stop: int) -> list[Piece]:
    path: list[Piece] = []
    at = stop
    while (piece := best[at][1]) is not None:
        path.append(piece)
        at = piece.start
    return path[::-1]
