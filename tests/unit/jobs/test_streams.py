"""Whatever commands print, made fit for where it is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.report.streams import MOST_LINE, Lines, Printable


def lines(*pieces: bytes) -> list[str]:
    stream = Lines()
    found = [line for piece in pieces for line in stream.feed(piece)]
    return found + stream.feed(b"", final=True)


def test_lines_come_when_they_are_complete_and_the_rest_at_the_end() -> None:
    stream = Lines()
    assert stream.feed(b"one\ntw") == ["one"]
    assert stream.feed(b"o\n") == ["two"]
    assert stream.feed(b"end") == []
    assert stream.feed(b"", final=True) == ["end"]


def test_of_a_bar_that_overwrites_itself_the_end_is_shown() -> None:
    assert lines(b"frame 1\rframe 2\rframe 3\rdone\n") == ["done"]
    assert lines(b"frame 1\r\n") == ["frame 1"]


def test_a_sequence_that_is_cut_between_reads_survives() -> None:
    assert lines(b"caf" + b"\xc3", b"\xa9\n") == ["café"]


def test_what_is_no_utf_8_is_replaced_and_escapes_are_made_harmless() -> None:
    assert lines(b"\xff\x1b[2Jred\x07\n") == ["�·[2Jred·"]


@given(st.lists(st.binary(max_size=40)))
def test_nothing_that_a_terminal_would_obey_gets_through(pieces: list[bytes]) -> None:
    stream = Printable()
    text = "".join(stream.feed(piece) for piece in pieces) + stream.feed(b"", final=True)
    assert all(c.isprintable() or c in "\n\r\t" or ord(c) > 159 for c in text)


def test_a_line_without_an_end_costs_bounded_memory() -> None:
    stream = Lines()
    for _ in range(200):
        assert stream.feed(b"x" * 100_000) == []
        assert len(stream._rest) <= MOST_LINE
    (line,) = stream.feed(b"the end\n")
    assert line.endswith("xthe end")
    assert len(line) <= MOST_LINE + 8
