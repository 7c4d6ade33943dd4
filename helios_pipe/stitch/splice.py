"""Whether chunks can be joined by stretches of bytes, by their indexes. Writes nothing, refuses nothing.

That takes plain MP4 or QuickTime chunks whose boxes say the same of the picture, and a film of the same kind. Everything that is
checked before a join is checked here too; where anything is otherwise there is no plan, and the way by the media library finds
out what it is, and says it in its words.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

from helios_pipe.errors import OutputError
from helios_pipe.media.boxes import UnfitError
from helios_pipe.media.mp4index import MOST_TICKS, SampleTable
from helios_pipe.media.rates import is_standard, snap
from helios_pipe.stitch.indexes import Index, Indexes
from helios_pipe.stitch.model import JoinSettings, Piece
from helios_pipe.stitch.moov import Film
from helios_pipe.stitch.shape import Shape
from helios_pipe.stitch.source import Mark
from helios_pipe.stitch.tags import with_settings
from helios_pipe.stitch.timeline import Clock, FrameWalk, OffGridError
from helios_pipe.tuples import NamedTuple

_KINDS = {"mp4": False, "mov": True}
"""Muxers whose files are made here -> whether they are QuickTime's."""


class Cut(NamedTuple):
    """A chunk that passed. `stretches` are (place, length) of its frames' bytes, in order, those side by side taken together."""

    piece: Piece
    mark: Mark
    frames: int
    stretches: tuple[tuple[int, int], ...]


class Splice(NamedTuple):
    """Chunks that fit together, and what the film's index has to tell."""

    chunks: tuple[Cut, ...]
    film: Film

    @property
    def clock(self) -> Clock:
        """The film's time."""
        return self.film.clock

    @property
    def frames(self) -> int:
        """Frames of all chunks together."""
        return len(self.film.sizes)


def plan_splice(pieces: Sequence[Piece], marks: Sequence[Mark], settings: JoinSettings) -> Splice | None:
    """The plan of a join by stretches, None where the media library has to look. The tags of the settings are not in it yet."""
    indexes = Indexes()
    try:
        gathered: _Gathered | None = None
        cuts = []
        for piece, mark in zip(pieces, marks, strict=True):
            index = indexes.read(piece, mark)
            table = index.table
            gathered = gathered or _Gathered(index.shape, _clock(settings.fps or _rate(table)))
            gathered.add(index)
            cuts.append(Cut(piece, mark, len(table.sizes), _stretches(table)))
        return Splice(tuple(cuts), gathered.film()) if gathered else None
    except (UnfitError, OffGridError, OutputError, OSError, ArithmeticError):
        return None


def spliced_as(splice: Splice, muxer: str, settings: JoinSettings) -> Splice | None:
    """The plan for a film in that container and with the settings' tags, None where the media library has to write it."""
    film = splice.film
    if _KINDS.get(muxer) is not film.shape.quicktime:
        return None
    try:
        tags = with_settings(film.tags, settings.metadata, quicktime=film.shape.quicktime)
    except (UnfitError, UnicodeEncodeError):
        return None
    return splice._replace(film=film._replace(tags=tags))


class _Walked(NamedTuple):
    """A chunk's frames on the grid: by how many places each shows later than it is decoded, the most that one does earlier, and
    which are key frames, from 1."""

    table: SampleTable
    leads: list[int]
    delay: int
    keys: list[int]

    @classmethod
    def of(cls, table: SampleTable, fps: Fraction) -> _Walked:
        """Raises UnfitError where the rate is another, a frame is missing or key frames are out of order, OffGridError."""
        count = len(table.sizes)
        keys = list(range(1, count + 1)) if table.keys is None else table.keys.tolist()
        if not _at_rate(table, fps) or any(map(int.__ge__, keys, [*keys[1:], count + 1])):
            raise UnfitError
        walk = FrameWalk(table.time_base, fps, base=table.pts[0])
        leads = [walk.place(pts) - number for number, pts in enumerate(table.pts)]
        if walk.hole() is not None:
            raise UnfitError
        return cls(table, leads, walk.delay, keys)

    def serves(self, table: SampleTable) -> bool:
        """Whether it is that of a chunk with this table, too."""
        mine = self.table
        return mine.pts is table.pts and mine.time_base == table.time_base and mine.keys == table.keys


class _Gathered:
    """What the chunks read so far make together."""

    def __init__(self, shape: Shape, clock: Clock) -> None:
        self._shape = shape
        self._clock = clock
        self._delay = 0
        self._walked: _Walked | None = None
        self._sizes, self._leads, self._keys = array("I"), array("i"), array("I")
        self._uses = bytearray()
        self._told = False

    def add(self, index: Index) -> None:
        """Put the next chunk behind the others. Raises UnfitError, OffGridError."""
        table, uses, walked = index.table, index.uses, self._walked
        if not index.shape.fits(self._shape):
            raise UnfitError
        if walked is None or not walked.serves(table):  # most chunks are as long as the one before
            walked = self._walked = _Walked.of(table, self._clock.fps)
        first = len(self._sizes)
        self._keys.extend([first + key for key in walked.keys])
        self._leads.extend(walked.leads)
        self._sizes.extend(table.sizes)
        self._uses += bytes(len(table.sizes)) if uses is None else uses
        self._told = self._told or uses is not None
        self._delay = max(self._delay, walked.delay)

    def film(self) -> Film:
        """All of it."""
        uses = bytes(self._uses) if self._told else None
        tags = self._shape.tags
        return Film(self._shape, tags, self._clock, self._delay, self._sizes, self._leads, self._keys, uses)


def _clock(fps: Fraction) -> Clock:
    clock = Clock.of(fps)
    if clock.timescale > MOST_TICKS:
        raise UnfitError
    return clock


def _rate(table: SampleTable) -> Fraction:
    """The rate that the chunk's index tells. Raises UnfitError."""
    rate = snap(len(table.sizes) / (table.length * table.time_base))
    if rate is None:
        raise UnfitError
    return rate


def _at_rate(table: SampleTable, fps: Fraction) -> bool:
    """Whether the chunk is not plainly one of another rate. One frame alone tells of none, nor do uneven ones."""
    count, tick = len(table.sizes), table.time_base
    if count * tick.denominator * fps.denominator == table.length * tick.numerator * fps.numerator:
        return True
    return count == 1 or (rate := _rate(table)) == fps or not is_standard(rate)


def _stretches(table: SampleTable) -> tuple[tuple[int, int], ...]:
    """Raises UnfitError where frames do not follow one another in the file."""
    places, sizes = table.places, table.sizes
    if places == array("Q", accumulate(sizes[:-1], initial=places[0])):
        return ((places[0], places[-1] + sizes[-1] - places[0]),)
    found: list[tuple[int, int]] = []
    begin, end = places[0], places[0]
    for place, size in zip(places, sizes, strict=True):
        if place < end:
            raise UnfitError
        if place > end:
            found.append((begin, end - begin))
            begin = place
        end = place + size
    return (*found, (begin, end - begin))
