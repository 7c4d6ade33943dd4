"""Rows as a picture: one bar each on a logarithmic axis, with its goal. Writes SVG as text; knows nothing of measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

from benchmarks.report import goal_text, number
from benchmarks.rows import Row

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 960, 430, 170, 22, 56
_LOWEST, _HIGHEST = 0.01, 10.0

_STYLE = """\
text{font:12px system-ui,sans-serif;fill:#1f2328}.q{fill:#59636e}.g{stroke:#d1d9e0}.one{stroke:#818b98}
.ok{fill:#1a7f37}.no{fill:#cf222e}.free{fill:#818b98}.good{fill:#1a7f37;opacity:.1}.goal{stroke:#9a6700;stroke-width:2}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.q{fill:#9198a1}.g{stroke:#3d444d}.one{stroke:#9198a1}
.ok{fill:#3fb950}.no{fill:#f85149}.free{fill:#656c76}.good{fill:#3fb950;opacity:.15}.goal{stroke:#d29922}}"""
"""GitHub's colours by day and by night; without a background, the page's own shows."""


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    value: float
    goal: float | None
    at_least: bool
    style: str
    text: str


def plot(rows: Sequence[Row]) -> str:
    """The picture. Ratios to a peer come first; then what has a limit of its own, as a share of it. Counts are left out: they
    are 0, or a mistake."""
    groups = [
        ("ratio to a peer or a floor", [_ratio(row) for row in rows if row.unit == "x"]),
        ("share of a limit", [_share(row) for row in rows if row.unit in ("s", "MB") and row.goal]),
    ]
    height = _TOP + sum(_ROW * (len(bars) + 2) for _, bars in groups if bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Ratios measured and their goals">',
        f"<style>{_STYLE}</style>",
        f'<text x="8" y="20">Green: the goal is reached, red: it is missed. A stroke is the goal, the tint its good side. '
        f"Logarithmic.</text>{_axis(height)}",
    ]
    y = _TOP
    for title, bars in groups:
        if bars:
            parts.append(f'<text class="q" x="8" y="{y + 15}">{title}</text>')
            parts += [_drawn(bar, y + _ROW * at) for at, bar in enumerate(bars, 1)]
            y += _ROW * (len(bars) + 2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ratio(row: Row) -> _Bar:
    limit = row.goal.limit if row.goal else None
    text = f"{number(row.value, 'x')} {row.against}"
    return _bar(row, row.value, limit, text)


def _share(row: Row) -> _Bar:
    assert row.goal is not None
    text = f"{number(row.value, row.unit)}, {goal_text(row.goal, row.unit)}"
    return _bar(row, row.value / row.goal.limit, 1.0, text)


def _bar(row: Row, value: float, goal: float | None, text: str) -> _Bar:
    style = "free" if row.goal is None else "ok" if row.met else "no"
    return _Bar(
        f"{row.work}: {row.what.replace('`', '')}", value, goal, bool(row.goal and row.goal.at_least), style, text
    )


def _x(value: float) -> float:
    """Where a value lies; what lies beyond an end of the axis is drawn at it."""
    share = (log10(min(max(value, _LOWEST), _HIGHEST)) - log10(_LOWEST)) / (log10(_HIGHEST) - log10(_LOWEST))
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _axis(height: int) -> str:
    lines = []
    for value in (0.01, 0.1, 1.0, 10.0):
        style = "one" if value == 1 else "g"
        lines.append(f'<line class="{style}" x1="{_x(value)}" y1="{_TOP - 8}" x2="{_x(value)}" y2="{height - _ROW}"/>')
        lines.append(f'<text class="q" x="{_x(value)}" y="{_TOP - 14}" text-anchor="middle">{value:g}</text>')
    return "".join(lines)


def _drawn(bar: _Bar, y: int) -> str:
    """One row: its question, the good side of its goal, the bar from 1 to the value, the goal, the value as a text."""
    label = bar.label if len(bar.label) <= 68 else f"{bar.label[:67]}…"
    parts = [f'<text x="8" y="{y + 15}">{escape(label)}</text>']
    if bar.goal is not None:
        low, high = (_x(bar.goal), _x(_HIGHEST)) if bar.at_least else (_x(_LOWEST), _x(bar.goal))
        parts.append(f'<rect class="good" x="{low}" y="{y + 2}" width="{high - low:.1f}" height="{_ROW - 4}"/>')
    start, end = sorted((_x(1.0), _x(bar.value)))
    width = max(end - start, 2)
    parts.append(f'<rect class="{bar.style}" x="{start}" y="{y + 6}" width="{width:.1f}" height="{_ROW - 12}"/>')
    if bar.goal is not None:
        parts.append(f'<line class="goal" x1="{_x(bar.goal)}" y1="{y + 2}" x2="{_x(bar.goal)}" y2="{y + _ROW - 2}"/>')
    parts.append(f'<text x="{_WIDTH - _RIGHT + 10}" y="{y + 15}">{escape(bar.text)}</text>')
    return "".join(parts)
