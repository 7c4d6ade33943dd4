"""A report page as a browser reads it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img"}


class Page(HTMLParser):
    """A report as a browser reads it: the text of each section by its heading, tags, classes, titles and sources."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.sections: dict[str, str] = {"": ""}
        self.tags: list[str] = []
        self.bars: list[tuple[str, str]] = []
        """Class and title of each bar of the timeline."""
        self.shots: list[tuple[str, str]] = []
        """Class of each chunk's figure, and the data of its picture (empty: none)."""
        self.references: list[str] = []
        self._open: list[str] = []
        self._heading = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self._open == [], "every element is closed"
        self.sections = {heading: " ".join(text.split()) for heading, text in self.sections.items()}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "h2":
            self._heading = ""
        if tag == "i" and "style" in given:
            self.bars.append((given["class"], given["title"]))
        if tag == "figure":
            self.shots.append((given["class"], ""))
        if tag == "img":
            self.shots[-1] = (self.shots[-1][0], given["src"].partition("data:image/jpeg;base64,")[2])
        self.references += [given[name] for name in ("src", "href", "action", "data") if name in given]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "h2":
            self._heading = data
            self.sections[data] = ""
        elif "style" not in self._open:
            self.sections[self._heading] += data + " "
