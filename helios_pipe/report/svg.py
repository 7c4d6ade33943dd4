"""The graph drawn as a picture: one column a generation. Knows nothing of what the nodes do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 150, 26, 70, 10, 20
_MOST_ROWS = 24
_FILLS = {"chunk": "#dbeafe", "stitch": "#dcfce7", "command": "#fef3c7", "group": "#f3f4f6"}
_FRAMES = {
    "executed": ' style="stroke:#2563eb;stroke-width:2"',
    "failed": ' style="stroke:#dc2626;stroke-width:3"',
    "cancelled": ' style="stroke:#d97706;stroke-width:2"',
    "running": ' style="stroke:#2563eb;stroke-width:2;stroke-dasharray:5 3"',
    "interrupted": ' style="stroke:#d97706;stroke-width:2;stroke-dasharray:5 3"',
    "waiting": ' style="stroke-dasharray:2 3"',
    "skipped": ' style="stroke-dasharray:2 3"',
}
"""How the box of a node is drawn that is in such a state."""

_Box = tuple[float, float]


def svg(graph: Any, columns: Sequence[Sequence[str]], states: Mapping[str, str] | None = None) -> str:
    """A self-contained SVG, the nodes in these columns, and framed by their `states` where those are told. Long columns are
    cut in the middle, with a box that says how many are not drawn."""
    boxes: dict[str, _Box] = {}
    parts: list[str] = []
    rows = 0
    for x, column in enumerate(columns):
        names, left_out = _shortened(list(column), states or {})
        rows = max(rows, len(names))
        for y, name in enumerate(names):
            at = (_MARGIN + x * (_WIDTH + _GAP_X), _MARGIN + y * (_HEIGHT + _GAP_Y))
            if name is None:
                parts.append(_box(at, f"… {left_out} more", "#ffffff"))
            else:
                boxes[name] = at
                parts.append(_box(at, name, _FILLS[graph.nodes[name]["kind"]], (states or {}).get(name, "")))
    edges = [_edge(boxes[a], boxes[b]) for a, b in graph.edges if a in boxes and b in boxes]
    width = 2 * _MARGIN + len(columns) * (_WIDTH + _GAP_X) - _GAP_X
    height = 2 * _MARGIN + rows * (_HEIGHT + _GAP_Y)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} class="graph">'
    style = "<style>.graph text{font:11px sans-serif}.graph path{fill:none;stroke:#9ca3af}.graph rect{stroke:#6b7280}</style>"
    return "\n".join([head, style, *edges, *parts, "</svg>"])


def _shortened(names: list[str], states: Mapping[str, str]) -> tuple[list[str | None], int]:
    """The names that are drawn, None in the place of those that are not, and how many that are."""
    if len(names) <= _MOST_ROWS:
        return list(names), 0
    half = _MOST_ROWS // 2
    middle = [name for name in names[half:-half] if states.get(name) == "failed"][:half]
    return [*names[:half], *middle, None, *names[-half:]], len(names) - 2 * half - len(middle)


def _box(at: _Box, label: str, fill: str, state: str = "") -> str:
    x, y = at
    text = escape(label if len(label) <= 22 else f"{label[:10]}…{label[-11:]}")
    return (
        f"<g><title>{escape(label)}{f': {state}' if state else ''}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" fill="{fill}"{_FRAMES.get(state, "")}/>'
        f'<text x="{x + 8}" y="{y + 17}">{text}</text></g>'
    )


def _edge(a: _Box, b: _Box) -> str:
    x1, y1, x2, y2 = a[0] + _WIDTH, a[1] + _HEIGHT / 2, b[0], b[1] + _HEIGHT / 2
    middle = (x1 + x2) / 2
    return f'<path d="M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}"/>'
