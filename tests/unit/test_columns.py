"""Much of one kind in few objects is what it would be in many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.columns import Looks, all_digests, nth_digest, nth_digests

NUMBER = st.integers(0, 2**64 - 1) | st.integers(-(2**40), 2**40)
"""File systems number their files with all 64 bits; dates before 1970 are negative."""
LOOK = st.tuples(NUMBER, NUMBER, NUMBER)
ROWS = st.lists(LOOK, max_size=12)


def test_digests_one_after_another() -> None:
    digests = [f"{at:064x}" for at in range(5)]
    text = "".join(digests)
    assert all_digests(text) == digests
    assert nth_digest(text, 3) == digests[3]
    assert nth_digests(text, range(1, 3)) == "".join(digests[1:3])


@given(ROWS, ROWS)
def test_looks_are_the_rows_that_they_were_made_of(rows: list[tuple[int, ...]], more: list[tuple[int, ...]]) -> None:
    looks = Looks.opened(Looks.of(rows, 3).plain, 3) + Looks.of(more, 3)
    assert list(looks) == [*rows, *more]
    assert len(looks) == len(rows) + len(more)
    assert [looks[at] for at in range(len(looks))] == [*rows, *more]
    assert list(looks.column(1)) == [row[1] for row in (*rows, *more)]


@given(ROWS.filter(bool), st.data())
def test_what_looks_otherwise_is_found(rows: list[tuple[int, ...]], data: st.DataObject) -> None:
    looks, now = Looks.of(rows, 3), list(rows)
    changed = data.draw(st.dictionaries(st.integers(0, len(rows) - 1), LOOK))
    for at, look in changed.items():
        now[at] = look
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    unlike = [at for at in range(start, stop) if now[at] != rows[at]]
    assert looks.unlike(range(start, stop), now[start:stop]) == unlike


@given(ROWS.filter(bool), LOOK, st.data())
def test_a_look_in_the_place_of_another(
    rows: list[tuple[int, ...]], look: tuple[int, ...], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    looks = Looks.of(rows, 3)
    looks.put(at, look)
    assert list(looks) == [*rows[:at], look, *rows[at + 1 :]]
    assert list(Looks.opened(looks.plain, 3)) == list(looks)
