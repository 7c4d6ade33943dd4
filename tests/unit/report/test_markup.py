"""Whatever a text holds, on the page it is a text."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.report.markup import element, text


class Reader(HTMLParser):
    """What a browser makes of an element: its tags, its title, and the text in it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.titles: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_no_text_becomes_markup(value: str) -> None:
    reader = Reader()
    made = element("p", text(value), title=f"about {value}")
    made.encode()
    reader.feed(made)
    reader.close()
    assert reader.tags == ["p"]
    assert len(reader.text) == len(value)
    assert reader.titles == [f"about {reader.text}"]


def test_what_html_cannot_write_is_a_dot() -> None:
    assert text("\x1b[31m<b>\x00&\udcff\n") == "·[31m&lt;b&gt;·&amp;\N{REPLACEMENT CHARACTER}\n"
