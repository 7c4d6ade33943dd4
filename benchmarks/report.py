"""Rows as a table in a page, and as JSON. Knows nothing of measuring."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.rows import Goal, Row, Unit

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
"""What stands between them in the page is written by a run."""


def table(rows: Sequence[Row], machine: Mapping[str, str]) -> str:
    """The rows as Markdown, below a line that says where they were measured."""
    lines = [
        f"Measured {machine['date']}: " + ", ".join(f"{k} {v}" for k, v in machine.items() if k != "date") + ".",
        "",
        "![Each ratio as a bar on a logarithmic axis, with its goal](performance.svg)",
        "",
        "| | question | goal | measured | rounds | seconds (medians) | also |",
        "|---|---|---|---|---|---|---|",
        *(_line(row) for row in rows),
    ]
    return "\n".join(lines)


def into_page(page: str, generated: str) -> str:
    """The page with what stands between the markers replaced. Raises ValueError where they are not there, once each."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in tail or END in tail:
        raise ValueError(f"the page needs one {BEGIN} and one {END} after it")
    return f"{head}{BEGIN}\n\n{generated}\n\n{END}{tail}"


def save(file: Path, rows: Sequence[Row], machine: Mapping[str, str]) -> None:
    """Write everything, each round's value too, as JSON."""
    document = {"machine": dict(machine), "rows": [row.to_dict() for row in rows]}
    file.write_text(json.dumps(document, indent=1) + "\n")


def load(file: Path) -> list[Row]:
    """The rows that `save` wrote."""
    return [Row.from_dict(row) for row in json.loads(file.read_text())["rows"]]


def merged(earlier: Sequence[Row], later: Sequence[Row]) -> list[Row]:
    """All rows, those of `later` in place of `earlier` ones to the same question; rows of one workload stand together."""
    rows = {row.key: row for row in earlier} | {row.key: row for row in later}
    works = list(dict.fromkeys(row.work for row in rows.values()))
    return sorted(rows.values(), key=lambda row: works.index(row.work))


def number(value: float, unit: Unit) -> str:
    """A value with its unit: three digits, whatever its size; counts as they are."""
    if unit == "":
        return f"{value:g}"
    return f"{value:.3g} {'×' if unit == 'x' else unit}" if value < 1000 else f"{value:,.0f} {unit}"


def goal_text(goal: Goal | None, unit: Unit) -> str:
    """A goal as it is read: at most, or at least."""
    if goal is None:
        return ""
    reach = f" (reach {number(goal.reach, unit)})" if goal.reach is not None else ""
    return f"{'≥' if goal.at_least else '≤'} {number(goal.limit, unit)}{reach}"


def _line(row: Row) -> str:
    measured = f"{number(row.value, row.unit)}{f' {row.against}' if row.against else ''}"
    measured = f"**{measured}**" + ("" if row.met else ", missed")
    low, high = number(min(row.values), row.unit), number(max(row.values), row.unit)
    spread = "1" if len(row.values) == 1 else f"{len(row.values)}: {low.split()[0]} to {high.split()[0]}"
    seconds = ", ".join(f"{name} {value:.3g}" for name, value in (row.seconds or {}).items())
    return f"| {row.work} | {row.what} | {goal_text(row.goal, row.unit)} | {measured} | {spread} | {seconds} | {row.note} |"
