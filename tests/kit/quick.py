"""Films of plain text: chunks that cost a few milliseconds, for what has to be tried hundreds of times.

Each chunk notes `start N` in KIT_LOG when its command begins; its output is `frame N` for each of its frames. What the
whole must be is therefore known without running anything.
"""

from __future__ import annotations

from typing import Any

from tests.kit.project import Project

HOLD = "echo hold $$ >> $KIT_LOG; while [ ! -e $KIT_GATE ]; do sleep 0.02; done"
"""A piece of shell that waits until the gate is there."""


def film(chunks: int = 20, *, size: int = 5, before: str = "", after: str = "", **job: Any) -> dict[str, Any]:
    """A manifest of one job `film`; `before` and `after` are pieces of shell that its chunks run around the rendering, with
    `$n` the chunk's number."""
    before, after = (text.replace("{", "{{").replace("}", "}}") for text in (before, after))
    script = (
        "n={chunk.index}; echo start $n >> $KIT_LOG; "
        f"{before or ':'}; i={{chunk.start}}; : > {{output}}; "
        "while [ $i -le {chunk.end} ]; do echo frame $i >> {output}; i=$((i+1)); done; "
        f"{after or ':'}"
    )
    joined = ["sh", "-c", 'cat "$@" > {output}', "sh", "{inputs}"]
    return {
        "version": 1,
        "name": "quick",
        "tools": {"sh": {"digest": True}},
        "pass_env": ["KIT_LOG", "KIT_GATE"],
        "jobs": {
            "film": {
                "frames": f"0-{chunks * size - 1}",
                "chunk": {"size": size, "command": ["sh", "-c", script], "output": "part.txt"},
                "stitch": {"method": "command", "command": joined, "output": "out/film.txt"},
                **job,
            }
        },
    }


def whole(chunks: int = 20, size: int = 5) -> str:
    """What the film must be."""
    return "".join(f"frame {n}\n" for n in range(chunks * size))


def renders(project: Project) -> dict[int, int]:
    """How often each chunk's command was started."""
    counts: dict[int, int] = {}
    for line in project.log_lines("start"):
        counts[int(line)] = counts.get(int(line), 0) + 1
    return counts
