"""Texts that can be written down, and times as texts. Knows nothing of what they say."""

from __future__ import annotations

import time


def encodable(text: str) -> str:
    """The text with U+FFFD in the place of each lone surrogate. That is half a character, as JSON may hold one where somebody has
    cut a text, and a name that is not UTF-8 does: no file and no database takes it."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    return text


def readable(text: str) -> str:
    """The text with escapes for what has no UTF-8, as in file names, so that it can be printed and recorded."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, with milliseconds. To load datetime for it would take a millisecond of each run."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{thousandths:03d}Z"
