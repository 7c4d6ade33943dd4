"""What a failed command may have missed: files that are in the project, are named in its output, and were not declared."""

from __future__ import annotations

import os
import re
from pathlib import Path

_WORD = re.compile(r"[^\s'\"`:,;()\[\]{}<>|=]+")
_MOST_WORDS = 4000
_MOST_HINTS = 3


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
