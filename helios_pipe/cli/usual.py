"""The words of `run` as people usually give them, read without click, whose loading takes as long as a small run.

Whatever is not plainly one of these (another option, a number that is none, a word too few) is left to click, which knows
all of them and what to say. Both readers end in the same call; the tests hold them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FLAGS = {
    "-k": "keep_going",
    "--keep-going": "keep_going",
    "-f": "force",
    "--force": "force",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--json": "as_json",
    "--no-stitch": "no_stitch",
    "--no-wait": "no_wait",
    "--durable": "durable",
    "--strict": "strict",
}
_TEXTS = {"--adapter": "adapter", "--cache-dir": "cache_dir"}
_MANY = {"--force-node": "force_nodes"}
_CONCURRENCY = ("-j", "--concurrency")


def usual_options(words: Sequence[str]) -> dict[str, Any] | None:
    """The options that the words after `run` spell; None where click has to read them."""
    found: dict[str, Any] = {}
    many: dict[str, list[str]] = {}
    plain: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            plain.append(word)
        elif word in _FLAGS:
            found[_FLAGS[word]] = True
        else:
            name, value = _split(word)
            if value is None and (value := next(rest, None)) is None:
                return None
            if name in _TEXTS:
                found[_TEXTS[name]] = value
            elif name in _MANY:
                many.setdefault(_MANY[name], []).append(value)
            elif name in _CONCURRENCY and value.isascii() and value.isdigit() and int(value) > 0:
                found["concurrency"] = int(value)
            else:
                return None
    if not plain or "" in plain:
        return None
    manifest, *jobs = plain
    return {"manifest": Path(manifest), "jobs": tuple(jobs), **found, **{n: tuple(v) for n, v in many.items()}}


def _split(word: str) -> tuple[str, str | None]:
    """An option's name, and its value where that is in the same word."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    return word[:2], word[2:] or None
