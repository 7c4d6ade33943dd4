"""The graph drawn as a picture: one column a generation. Knows nothing of what the nodes do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 150, 26, 70, 10, 20
_MOST_ROWS = 24
_FILLS = {"chunk": "#dbeafe", "stitch": "#dcfce7", "command": "#fef3c7", "group": "#f3f4f6"}

_Box = tuple[float, float]


def svg(graph: Any, columns: Sequence[Sequence[str]]) -> str:
    """A self-contained SVG, the nodes in these columns. Long ones are cut in the middle, with a box that says how many are
    not drawn."""
    boxes: dict[str, _Box] = {}
    parts: list[str] = []
    for x, column in enumerate(columns):
        names, left_out = _shortened(list(column))
        for y, name in enumerate(names):
            at = (_MARGIN + x * (_WIDTH + _GAP_X), _MARGIN + y * (_HEIGHT + _GAP_Y))
            if name is None:
                parts.append(_box(at, f"… {left_out} more", "#ffffff"))
            else:
                boxes[name] = at
                parts.append(_box(at, name, _FILLS[graph.nodes[name]["kind"]]))
    edges = [_edge(boxes[a], boxes[b]) for a, b in graph.edges if a in boxes and b in boxes]
    width = 2 * _MARGIN + len(columns) * (_WIDTH + _GAP_X) - _GAP_X
    height = 2 * _MARGIN + max((min(len(c), _MOST_ROWS + 1) for c in columns), default=0) * (_HEIGHT + _GAP_Y)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    style = "<style>text{font:11px sans-serif}path{fill:none;stroke:#9ca3af}rect{stroke:#6b7280}</style>"
    return "\n".join([head, style, *edges, *parts, "</svg>"])


def _shortened(names: list[str]) -> tuple[list[str | None], int]:
    if len(names) <= _MOST_ROWS:
        return list(names), 0
    half = _MOST_ROWS // 2
    return [*names[:half], None, *names[-half:]], len(names) - 2 * half


def _box(at: _Box, label: str, fill: str) -> str:
    x, y = at
    text = escape(label if len(label) <= 22 else f"{label[:10]}…{label[-11:]}")
    return (
        f'<g><title>{escape(label)}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" fill="{fill}"/>'
        f'<text x="{x + 8}" y="{y + 17}">{text}</text></g>'
    )


def _edge(a: _Box, b: _Box) -> str:
    x1, y1, x2, y2 = a[0] + _WIDTH, a[1] + _HEIGHT / 2, b[0], b[1] + _HEIGHT / 2
    middle = (x1 + x2) / 2
    return f'<path d="M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}"/>'
