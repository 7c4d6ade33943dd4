"""Much of one kind in few objects: thousands of digests in one text, of looks in one row of numbers. So they are kept, read and
compared. Knows nothing of what has them; loads nothing that takes time."""

from __future__ import annotations

from array import array
from itertools import chain

TYPE_CHECKING = False  # typing takes longer to load than all the rest of a run with nothing to do
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from helios_pipe.digest import Digest

_DIGITS = 64


def nth_digest(text: str, at: int) -> Digest:
    """The one at that place."""
    return text[at * _DIGITS : at * _DIGITS + _DIGITS]  # type: ignore[return-value]


def all_digests(text: str) -> list[Digest]:
    """Each of them."""
    return [text[at : at + _DIGITS] for at in range(0, len(text), _DIGITS)]  # type: ignore[misc]


def nth_digests(text: str, places: range) -> str:
    """Those at places that follow each other, as they stand there."""
    return text[places.start * _DIGITS : places.stop * _DIGITS]


class Looks:
    """How files looked, so many whole numbers (`width`) for each, one after another."""

    def __init__(self, numbers: array[int] | list[int], width: int) -> None:
        self._numbers, self._width = numbers, width

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]], width: int) -> Looks:
        """Those of `rows`."""
        return cls(_row(list(chain.from_iterable(rows))), width)

    @classmethod
    def opened(cls, plain: bytes | list[int], width: int) -> Looks:
        """Those that were `plain`. Raises ValueError where they are no such thing."""
        if isinstance(plain, list):
            return cls(plain, width)
        numbers = array("q")
        numbers.frombytes(plain)
        return cls(numbers, width)

    @property
    def plain(self) -> bytes | list[int]:
        """As they are stored."""
        return self._numbers if isinstance(self._numbers, list) else self._numbers.tobytes()

    def __len__(self) -> int:
        return len(self._numbers) // self._width

    def __getitem__(self, at: int) -> tuple[int, ...]:
        return tuple(self._numbers[at * self._width : (at + 1) * self._width])

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        numbers = iter(self._numbers)
        return zip(*[numbers] * self._width, strict=True)

    def without(self, places: Collection[int]) -> Looks:
        """All but those at these places."""
        return Looks.of((look for at, look in enumerate(self) if at not in places), self._width) if places else self

    def __add__(self, other: Looks) -> Looks:
        if isinstance(self._numbers, list) or isinstance(other._numbers, list):
            return Looks([*self._numbers, *other._numbers], self._width)
        return Looks(self._numbers + other._numbers, self._width)

    def column(self, which: int) -> Sequence[int]:
        """One number of each."""
        return self._numbers[which :: self._width]

    def put(self, at: int, look: Sequence[int]) -> None:
        """Another look in the place of the one there."""
        row, places = _row(list(look)), slice(at * self._width, (at + 1) * self._width)
        if isinstance(row, list) or isinstance(self._numbers, list):
            self._numbers = [*self._numbers]
            self._numbers[places] = row
        else:
            self._numbers[places] = row

    def unlike(self, places: range, now: Iterable[Sequence[int]]) -> list[int]:
        """Which of these places, that follow each other, do not look so now."""
        rows = list(now)
        then = self._numbers[places.start * self._width : places.stop * self._width]
        if _row(list(chain.from_iterable(rows))) == then:
            return []
        return [at for at, look in zip(places, rows, strict=True) if tuple(look) != self[at]]


def _row(numbers: list[int]) -> array[int] | list[int]:
    """In a quarter of the room and of the time, where none is too large: a file system may number its files as it likes."""
    try:
        return array("q", numbers)
    except OverflowError:
        return numbers
