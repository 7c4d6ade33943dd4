"""Which frame an image is, by the number in its name. Knows nothing of chunks or joins."""

from __future__ import annotations

from helios_pipe.regex import regex

_NUMBER = regex(r"[0-9]+(?=[^0-9]*$)")


def frame_number(path: str) -> int | None:
    """The last number in a file's name before the suffix: `shot1_0042.png` is frame 42. None where there is none."""
    number = _parts(path)[1]
    return int(number) if number else None


def renumbered(path: str, number: int) -> str:
    """The path with its frame number replaced, padded with zeros to the width that it had. Raises ValueError for a name
    without one, or a negative number."""
    head, old, tail = _parts(path)
    if not old or number < 0:
        raise ValueError(f"{path} cannot be given the frame number {number}")
    return f"{head}{number:0{len(old)}d}{tail}"


def series_of(path: str) -> str:
    """The path with its frame number as `#`: the images of one sequence have it in common."""
    head, number, tail = _parts(path)
    return f"{head}#{tail}" if number else path


def _parts(path: str) -> tuple[str, str, str]:
    """What stands before the number, the number, and what stands after it; the number is empty where there is none."""
    match = _NUMBER.search(_stem(path), path.rfind("/") + 1)
    at, end = match.span() if match else (len(path), len(path))
    return path[:at], path[at:end], path[end:]


def _stem(path: str) -> str:
    """The path without its suffix; places in it are places in the path."""
    dot = path.rfind(".")
    return path[:dot] if dot > path.rfind("/") + 1 else path
