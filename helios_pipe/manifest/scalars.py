"""What a plain scalar means: YAML 1.2's core schema, and no more. `no`, `1:30` and `2024-01-01` are texts, `010` is ten."""

from __future__ import annotations

from helios_pipe.manifest.model import Scalar
from helios_pipe.regex import regex

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WORDS |= dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf"))
_WORDS |= dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf"))
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))

_INTEGER = regex(r"[-+]?[0-9]+\Z")
_OCTAL = regex(r"0o[0-7]+\Z")
_HEX = regex(r"0x[0-9a-fA-F]+\Z")
_FLOAT = regex(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_STARTS_A_NUMBER = frozenset("+-.0123456789")
_MAX_DIGITS = 100
"""A longer number is nothing that a manifest counts: it stays the text that it is."""


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _STARTS_A_NUMBER or len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.match(text):
        return int(text)
    if _OCTAL.match(text):
        return int(text, 0)
    if _HEX.match(text):
        return int(text, 0)
    return float(text) if _FLOAT.match(text) else text
