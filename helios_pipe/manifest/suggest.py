"""The nearest known name to one that is not known."""

from __future__ import annotations

from collections.abc import Collection

_MAX_LISTED = 12


def nearest(name: str, known: Collection[str]) -> str | None:
    """The one of `known` that is spelled most like `name`, None where none is near."""
    from difflib import get_close_matches

    folded = {text.lower().replace("-", "_"): text for text in known}
    near = get_close_matches(name.lower().replace("-", "_")[:100], list(folded), n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def advice(name: str, known: Collection[str]) -> str:
    """What to try instead of `name`: the nearest known name, else all of them, else that there are none."""
    near = nearest(name, known)
    if near is not None:
        return f"did you mean {near!r}?"
    if not known:
        return "there are none"
    listed = sorted(known)
    more = f" and {len(listed) - _MAX_LISTED} more" if len(listed) > _MAX_LISTED else ""
    return "expected one of " + ", ".join(listed[:_MAX_LISTED]) + more
