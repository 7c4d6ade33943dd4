"""The tags of an MP4 or QuickTime film, as boxes: which of a chunk's are the film's too, and those that the settings add.

Knows the tags that hold one text; where there are others, the media library has to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from helios_pipe.media.boxes import UnfitError, children

Tags = tuple[tuple[bytes, bytes], ...]
"""(box name, content) of each."""

_NAMES = {
    "title": b"\xa9nam",
    "artist": b"\xa9ART",
    "album_artist": b"aART",
    "composer": b"\xa9wrt",
    "album": b"\xa9alb",
    "date": b"\xa9day",
    "comment": b"\xa9cmt",
    "genre": b"\xa9gen",
    "copyright": b"cprt",
    "description": b"desc",
    "synopsis": b"ldes",
}
"""The texts that MP4 has a box for, in the order in which they are written."""
_QUICKTIME = frozenset({b"\xa9nam", b"\xa9ART", b"\xa9alb", b"\xa9day", b"\xa9gen", b"\xa9cpy"})
_VOLATILE = frozenset({b"\xa9too", b"\xa9swr"})
"""The encoder's name: it tells of the chunk's own file."""
_TEXT = b"\0\0\0\1\0\0\0\0"
"""How the data of a text begins: its type, and no language."""
_EMPTY = b"\0\0"
"""How a text of QuickTime's begins that says nothing."""
_ITUNES = b"mdirappl"


@lru_cache(maxsize=1)
def tags_of(udta: bytes | None, *, quicktime: bool) -> Tags:
    """The tags in a chunk's box of user data that are the film's too: mostly those of the chunk before. Raises UnfitError where
    there is more than texts."""
    if udta is None:
        return ()
    found = children(udta) if quicktime else _items(udta)
    kept = tuple(
        (kind, content)
        for kind, content in found
        if kind not in _VOLATILE and not (quicktime and content[:2] == _EMPTY)
    )
    known = _QUICKTIME if quicktime else frozenset(_NAMES.values())
    names = [kind for kind, _ in kept]
    if not known.issuperset(names) or len(set(names)) < len(names):
        raise UnfitError
    return kept


def with_settings(tags: Tags, settings: Sequence[tuple[str, str]], *, quicktime: bool) -> Tags:
    """The tags with those of the settings over them; an empty one is taken away. Raises UnfitError for one without a box."""
    if not settings:
        return tags
    found = dict(tags)
    for name, value in settings:
        if quicktime or name not in _NAMES:
            raise UnfitError
        found.pop(_NAMES[name], None)
        if value:
            text = _TEXT + value.encode()
            found[_NAMES[name]] = (8 + len(text)).to_bytes(4, "big") + b"data" + text
    return tuple((kind, found[kind]) for kind in _NAMES.values() if kind in found)


def _items(udta: bytes) -> list[tuple[bytes, bytes]]:
    """The items of the one list that MP4 keeps tags in."""
    outer = children(udta)
    if not outer:
        return []
    if len(outer) != 1 or outer[0][0] != b"meta":
        raise UnfitError
    inner = dict(children(outer[0][1], 4))
    if set(inner) - {b"hdlr", b"ilst"} or inner.get(b"hdlr", b"")[8:16] != _ITUNES:
        raise UnfitError
    items = children(inner.get(b"ilst", b""))
    for _, content in items:
        data = children(content)
        if len(data) != 1 or data[0][0] != b"data" or data[0][1][:8] != _TEXT:
            raise UnfitError
    return items
