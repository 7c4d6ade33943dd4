"""Cutting frame ranges: what is cut is whole, and a changed range keeps its inner chunks."""

from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.graph.chunking import Cells, Span, digits
from helios_pipe.manifest.model import Frames

frames = st.builds(
    lambda start, count, step: Frames(start, start + (count - 1) * step, step),
    st.integers(-500, 500),
    st.integers(1, 400),
    st.integers(1, 9),
)


def numbers(span: Span) -> list[int]:
    return list(range(span.start, span.end + 1, span.step))


@given(frames, st.integers(1, 60))
def test_the_chunks_hold_every_frame_once_and_in_order(frames: Frames, size: int) -> None:
    found = [number for span in Cells(frames, size) for number in numbers(span)]
    assert found == list(range(frames.start, frames.end + 1, frames.step))


@given(frames, st.integers(1, 60))
def test_a_chunk_counts_its_frames_and_is_no_larger_than_asked(frames: Frames, size: int) -> None:
    for index, span in enumerate(Cells(frames, size)):
        assert span.count == len(numbers(span))
        assert 1 <= span.count <= size
        assert span.index == index


@given(frames, st.integers(1, 60))
def test_all_of_them_are_those_that_are_asked_for_one_by_one(frames: Frames, size: int) -> None:
    cells = Cells(frames, size)
    assert list(cells) == [cells[at] for at in range(len(cells))] == cells[:]
    assert all(type(span) is Span for span in cells)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(0, 200), st.integers(1, 40))
def test_a_longer_range_keeps_all_chunks_but_the_last(start: int, count: int, more: int, size: int) -> None:
    short = Cells(Frames(start, start + count - 1), size)
    long = Cells(Frames(start, start + count - 1 + more), size)
    kept = {(span.start, span.end) for span in long}
    assert all((span.start, span.end) in kept for span in short[:-1])


def test_two_hundred_and_forty_frames_by_thirty_are_eight_chunks() -> None:
    found = Cells(Frames(0, 239), 30)
    assert [(span.start, span.end) for span in found][:2] == [(0, 29), (30, 59)]
    assert len(found) == 8
    assert len(Cells(Frames(0, 299), 30)) == 10


def test_cells_are_counted_from_frame_zero() -> None:
    assert [(s.start, s.end) for s in Cells(Frames(10, 65), 30)] == [(10, 29), (30, 59), (60, 65)]


def test_an_index_is_four_digits_wide_or_as_wide_as_the_largest_one() -> None:
    assert (digits(1), digits(10_000), digits(10_001), digits(100_000)) == (4, 4, 5, 5)
