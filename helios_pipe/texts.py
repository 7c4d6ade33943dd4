"""Texts that can be written down. Knows nothing of what they say."""

from __future__ import annotations


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
