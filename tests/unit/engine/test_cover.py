"""Covers: cached intervals stand for wanted frames where that renders less, and never for anything else."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.engine.cover import Piece, clear_of, cover


def cells(length: int, size: int, ready: set[int]) -> list[Piece]:
    found = []
    for index, start in enumerate(range(0, length, size)):
        stop = min(length, start + size)
        found.append(Piece(start, stop, stop - start if index in ready else 0, cell=index))
    return found


def test_halving_the_chunk_size_renders_nothing() -> None:
    wanted = cells(240, 30, set(range(8)))
    path = cover(wanted, [Piece(s, s + 60, 0, cached=i) for i, s in enumerate(range(0, 240, 60))])
    assert [piece.cached for piece in path] == [0, 1, 2, 3]


def test_doubling_the_chunk_size_renders_nothing() -> None:
    wanted = cells(240, 60, {0, 1, 2, 3})
    path = cover(wanted, [Piece(s, s + 30, 0, cached=i) for i, s in enumerate(range(0, 240, 30))])
    assert sum(piece.cost for piece in path) == 0
    assert len(path) == 8


def test_an_interval_that_reaches_beyond_the_range_is_not_used() -> None:
    assert cover(cells(30, 30, {0}), [Piece(0, 60, 0, cached=0), Piece(-30, 30, 0, cached=1)]) == [
        Piece(0, 30, 30, cell=0)
    ]


def test_a_cell_that_is_there_is_taken_rather_than_an_interval() -> None:
    assert cover(cells(30, 30, set()), [Piece(0, 30, 0, cached=0)]) == [Piece(0, 30, 0, cell=0)]


@given(
    st.sets(st.integers(0, 20)),
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(-5, 90), st.integers(1, 40)), max_size=15),
)
def test_intervals_clear_of_cells_are_those_that_hold_none_of_their_frames(
    taken: set[int], size: int, intervals: list[tuple[int, int]]
) -> None:
    wanted = [cell for cell in cells(90, size, set()) if cell.cell in taken]
    frames = {frame for cell in wanted for frame in range(cell.start, cell.stop)}
    pieces = [Piece(start, start + n, 0, cached=at) for at, (start, n) in enumerate(intervals)]
    assert clear_of(wanted, pieces) == [piece for piece in pieces if frames.isdisjoint(range(piece.start, piece.stop))]


@given(
    st.integers(1, 80),
    st.integers(1, 20),
    st.sets(st.integers(0, 80)),
    st.lists(st.tuples(st.integers(-5, 90), st.integers(1, 40)), max_size=15),
)
def test_a_cover_is_whole_and_never_dearer_than_the_grid(
    length: int, size: int, ready: set[int], intervals: list[tuple[int, int]]
) -> None:
    wanted = cells(length, size, ready)
    path = cover(wanted, [Piece(start, start + n, 0, cached=at) for at, (start, n) in enumerate(intervals)])
    assert path[0].start == 0
    assert path[-1].stop == length
    assert all(a.stop == b.start for a, b in pairwise(path))
    assert sum(piece.cost for piece in path) <= sum(piece.cost for piece in wanted)
