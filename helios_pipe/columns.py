"""Many digests one after another in one text: thousands of them are kept and compared so. Knows nothing of what has them."""

from __future__ import annotations

TYPE_CHECKING = False  # for those that load nothing that takes time
if TYPE_CHECKING:
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
