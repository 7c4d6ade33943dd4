"""What a failed command may have missed: files that are in the project, are named in its output, and were not declared;
room on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from helios_pipe.regex import regex
from helios_pipe.transfer import MAKE_ROOM, free_bytes, room_of

_WORD = regex(r"[^\s'\"`:,;()\[\]{}<>|=]+")
_MOST_WORDS = 4000
_MOST_HINTS = 3
NO_ROOM = "No space left on device"
"""What every program says of a full disk that tells why it failed."""
_LEAST_ROOM = 64 << 10
"""With less room than this, no command can be expected to do its work."""


def undeclared_inputs(tail: str, root: Path, declared: set[str]) -> tuple[str, ...]:
    """A sentence for each such file, the first few."""
    found: list[str] = []
    for word in list(dict.fromkeys(_WORD.findall(tail)))[-_MOST_WORDS:]:
        name = word.strip("./").rstrip(".") if word.startswith("./") else word.rstrip(".")
        if not name or name in declared or name.startswith(("/", "..")) or len(name) > 255:
            continue
        if os.path.isfile(root / name):
            found.append(
                f"{name} is in the project but not declared, so the command cannot see it: declare it under inputs"
            )
    return tuple(dict.fromkeys(found))[:_MOST_HINTS]


def full_disk(
    cache: Path, job: str, made: tuple[int, int], open_chunks: int, complained: bool, room: int | None
) -> str | None:
    """A sentence for a disk that has no room for one more chunk; None where there is room, as far as anybody knows, and the
    command has not complained. `made` are chunks of the job and their bytes together, `open_chunks` are still to be made,
    `room` the bytes that the failed command left (None: what is free now)."""
    free = free_bytes(cache) if room is None else room
    count, size = made
    usual = size // count if count else 0
    if free >= max(usual, _LEAST_ROOM) and not complained:
        return None
    text = f"the disk that holds {cache} is full: {free:,} bytes free"
    if count and open_chunks:
        each = room_of(usual, cache)
        text += (
            f"; {open_chunks} chunk{'s' if open_chunks != 1 else ''} of {job} are still to be made, about {usual:,} bytes each: "
            f"about {max(each * open_chunks - free, 1):,} bytes are missing"
        )
    return f"{text}. {MAKE_ROOM}"
