"""Seventy texts, each in front of a common word, put one after another by a command: enough chunks to be known the next time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNT = 70
CHUNK: Mapping[str, Any] = {
    "size": 1, "inputs": ["in/{chunk.start:03d}.txt"], "output": "c.txt",
    "command": ["/bin/sh", "-c", 'cat "$1" > "$2"; echo "$WORD" >> "$2"', "sh", "in/{chunk.start:03d}.txt", "{output}"],
}  # fmt: skip
STITCH: Mapping[str, Any] = {
    "method": "command", "output": "out/poem.txt",
    "command": ["/bin/sh", "-c", 'xargs cat < "$1" > "$2"', "join", "{inputs_list}", "{output}"],
}  # fmt: skip


def manifest(others: Mapping[str, Any] | None = None, **job: Any) -> dict[str, Any]:
    """The job `poem`, otherwise than usual in what is given (None: left out), and other jobs."""
    whole = {"frames": COUNT, "chunk": CHUNK, "stitch": STITCH, **job}
    jobs = {"poem": {name: value for name, value in whole.items() if value is not None}, **(others or {})}
    return {"version": 1, "vars": {"word": "and"}, "env": {"WORD": "{vars.word}"}, "jobs": jobs}


def poem(word: str = "and", **changed: str) -> str:
    """What comes of it, with another text at some places: `at7="new"`."""
    return "".join(f"{changed.get(f'at{at}', f'text {at}')}\n{word}\n" for at in range(COUNT))
