"""Names that need each other in a circle. Knows only names."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from helios_pipe.manifest.model import MarkPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Needs: TypeAlias = Mapping[str, Sequence[tuple[str, MarkPath]]]
"""What each name needs, with the place where it says so. Names that need nothing may be missing."""


def find_cycles(needs: Needs) -> Iterator[tuple[list[str], MarkPath]]:
    """Short circles (`a`, `b`, `a`), each beginning with the name that comes first in `needs`, with the place of its first
    step. Every name that stands in a circle is in one of them."""
    order = {name: index for index, name in enumerate(needs)}
    left = _knotted(needs)
    told: set[str] = set()
    for name in left:
        circle = None if name in told else _shortest(name, left)
        if circle is None:
            continue
        told.update(circle)
        first = min(range(len(circle)), key=lambda index, circle=circle: order[circle[index]])  # type: ignore[misc]
        turned = [*circle[first:], *circle[: first + 1]]
        yield turned, next(where for needed, where in needs[turned[0]] if needed == turned[1])


def _knotted(needs: Needs) -> dict[str, list[str]]:
    """What is left once names that need nothing (that is left) are taken away, again and again."""
    left = {name: [needed for needed, _ in steps if needed in needs] for name, steps in needs.items()}
    wanted_by: dict[str, list[str]] = {name: [] for name in left}
    for name, steps in left.items():
        for needed in steps:
            wanted_by[needed].append(name)
    open_steps = {name: len(steps) for name, steps in left.items()}
    free = [name for name, count in open_steps.items() if not count]
    while free:
        done = free.pop()
        del left[done]
        for name in wanted_by[done]:
            open_steps[name] -= 1
            if not open_steps[name]:
                free.append(name)
    return left


def _shortest(start: str, left: Mapping[str, Sequence[str]]) -> list[str] | None:
    """The names on the shortest way from `start` back to it, None where there is none."""
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        name = queue.popleft()
        for needed in left[name]:
            if needed == start:
                way = [name]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if needed in left and needed not in came_from:
                came_from[needed] = name
                queue.append(needed)
    return None
