"""What the chunks of a job show, small: a picture of each, out of the cache. Renders nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.database import Database
from helios_pipe.cache.results import Result, Results
from helios_pipe.digest import read_canonical
from helios_pipe.errors import BlobError, OutputError
from helios_pipe.graph.chunking import Span
from helios_pipe.media.images import frame_number
from helios_pipe.media.names import is_image
from helios_pipe.media.stills import first_frame, jpeg
from helios_pipe.report.page import Shot

_WIDTH = 240
_MOST_FAILED = 200
_NOTHING_NEW = ("failed", "cancelled", "running", "interrupted", "waiting", "skipped")
"""States in which a chunk's last result is not what it would be by now."""


class Shots:
    """Pictures of one cache's chunks."""

    def __init__(self, database: Database, cache: Path) -> None:
        self._blobs = Blobs(cache)
        self._results = Results(database, self._blobs)
        self._names: dict[str, str] = {}

    def take(
        self, states: Mapping[str, str], made: Mapping[str, Result], spans: Mapping[str, Span], most: int
    ) -> tuple[list[Shot], int]:
        """A picture each of at most `most` chunks, evenly spread, and a box for those that failed, in order; and how many
        chunks there are. States, what was `made`, and which frames a chunk has (where that is known) are by the chunks'
        names."""
        chunks = [name for name in states if (made[name].kind == "chunk" if name in made else is_chunk(name))]
        failed = [name for name in chunks if states[name] == "failed"][:_MOST_FAILED]
        wanted = {*spread(chunks, most), *failed}
        shots = []
        for name in filter(wanted.__contains__, chunks):
            row, span = made.get(name), spans.get(name)
            jpeg, why = self._look(row, span, states[name])
            shots.append(Shot(name, states[name], _frames(row, span), jpeg, why))
        return shots, len(chunks)

    def _look(self, row: Result | None, span: Span | None, state: str) -> tuple[bytes | None, str]:
        """The picture, or why there is none."""
        if row is None or state in _NOTHING_NEW:
            return None, "made again since, or a part of other chunks" if state == "earlier" else state
        if span is not None and row.start is not None and (row.start, row.frames) != (span.start, span.count):
            return None, "its frames are parts of other chunks"
        path, output = "", ""
        try:
            path, output = self._picture(row)
            return jpeg(first_frame(Path(path), output), _WIDTH), ""
        except BlobError:
            return None, "no longer in the cache"
        except OutputError as error:
            return None, error.message.replace(path, output) if path else error.message

    def _picture(self, row: Result) -> tuple[str, str]:
        """The file to show, and the name that says what it is. Raises BlobError, OutputError."""
        if not row.folder:
            return str(self._blobs.locate(row.digest)), self._output(row.key)
        entries = [entry for entry in self._blobs.tree(row.digest).entries if is_image(entry.path)]
        if not entries:
            raise OutputError("a folder without images")
        first = min(entries, key=lambda entry: (frame_number(entry.path) or 0, entry.path))
        return str(self._blobs.locate(first.digest)), first.path

    def _output(self, key: str) -> str:
        """The name that the chunk's command gave its output: it stands in the recipe, which many chunks share."""
        record = self._results.preimage(key)
        recipe = read_canonical(record).get("recipe", "") if record is not None else ""
        if recipe not in self._names:
            common = self._results.preimage(recipe)
            self._names[recipe] = str(read_canonical(common)["output"]) if common is not None else ""
        return self._names[recipe]


def is_chunk(name: str) -> bool:
    """Whether a node of that name is a chunk, where nothing else tells: `film/0003`."""
    return name.rpartition("/")[2].isdecimal() and "/" in name


def spread(names: Sequence[str], most: int) -> list[str]:
    """At most so many of them, evenly spread, the first and the last among them."""
    if len(names) <= most:
        return list(names)
    if most < 2:
        return list(names[:most])
    return [names[round(at * (len(names) - 1) / (most - 1))] for at in range(most)]


def _frames(row: Result | None, span: Span | None) -> str:
    """Which frames a chunk has, by what it should hold, else by what it holds."""
    if span is None and row is not None and row.start is not None and row.frames:
        apart = row.step or 1
        span = Span(0, row.start, row.start + (row.frames - 1) * apart, row.frames, apart)
    if span is None or not span.count:
        return ""
    step = f"x{span.step}" if span.step > 1 else ""
    return f"frame {span.start}" if span.count == 1 else f"frames {span.start}-{span.end}{step}"
