"""Names that need each other in a circle. Knows only names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from helios_pipe.manifest.model import MarkPath

Needs: TypeAlias = "Mapping[str, Sequence[tuple[str, MarkPath]]]"
"""What each name needs, with the place where it says so. Names that need nothing may be missing."""


def find_cycles(needs: Needs) -> Iterator[tuple[list[str], MarkPath]]:
    """Circles (`a`, `b`, `a`), each beginning with the name that comes first in `needs`, with the place of its first step.
    Every name that stands in any circle is in one of them."""
    order = {name: index for index, name in enumerate(needs)}
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            name, at = stack.pop()
            if at == 0:
                if name in done:
                    continue
                path.append(name)
            steps = needs.get(name, ())
            if at == len(steps):
                done.add(name)
                path.pop()
                continue
            stack.append((name, at + 1))
            needed = steps[at][0]
            if needed in path:
                yield _spelled(path[path.index(needed) :], order, needs)
            elif needed not in done:
                stack.append((needed, 0))


def _spelled(circle: list[str], order: Mapping[str, int], needs: Needs) -> tuple[list[str], MarkPath]:
    first = min(range(len(circle)), key=lambda index: order[circle[index]])
    turned = circle[first:] + circle[:first]
    turned.append(turned[0])
    where = next(where for name, where in needs[turned[0]] if name == turned[1])
    return turned, where
