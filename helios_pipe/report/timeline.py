"""What ran when, drawn: a lane for each command that could run at once. Knows nothing of where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush

from helios_pipe.report.markup import element, text
from helios_pipe.report.texts import duration
from helios_pipe.tuples import NamedTuple

_MOST_LANES = 100
_MOST_WORKERS = 24
"""Of more, a lane is not one worker's: cloud workers come and go."""
_THIN = 0.001
"""Bars and gaps of less than this part of the whole are drawn as one: nobody could tell them apart."""
_TICKS = 8
_LAST_TICK = 0.95
"""No mark after this part of the whole: its label would stand in the margin."""
_ROUNDED_S = 0.001
"""Durations are recorded in milliseconds: by less than that, one that follows another may seem to begin before its end."""
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)


class Bar(NamedTuple):
    """One attempt, or (`nodes` > 1) many short ones after each other. Times are seconds since 1970. `status` is running,
    executed, failed, beaten, cancelled or interrupted."""

    node: str
    status: str
    worker: str
    began: float
    ended: float
    note: str = ""
    nodes: int = 1

    @property
    def title(self) -> str:
        """What one reads when pointing at it."""
        took = duration(max(0.0, self.ended - self.began))
        what = f"{self.nodes} nodes from {self.node} on" if self.nodes > 1 else self.node
        return f"{what}: {self.status}, {took}{f': {self.note}' if self.note else ''}"


Lane = list[Bar]


def lanes(bars: Iterable[Bar]) -> list[Lane]:
    """The bars in as few lanes as there were attempts at once, worker by worker where there are few, each in order of time."""
    ordered = sorted(bars, key=lambda bar: (bar.began, bar.ended, bar.node))
    workers = {bar.worker for bar in ordered}
    apart = len(workers) <= _MOST_WORKERS
    found: dict[str, list[Lane]] = {}
    free: dict[str, list[tuple[float, int]]] = {}
    for bar in ordered:
        owner = bar.worker if apart else ""
        mine, ends = found.setdefault(owner, []), free.setdefault(owner, [])
        if ends and ends[0][0] <= bar.began + _ROUNDED_S:
            at = heappop(ends)[1]
        else:
            at = len(mine)
            mine.append([])
        mine[at].append(bar)
        heappush(ends, (bar.ended, at))
    return [lane for owner in sorted(found) for lane in found[owner]]


def merged(lane: Sequence[Bar], thin_s: float) -> list[Bar]:
    """The lane with bars that are too short to be told apart drawn as one. What did not go well keeps a bar of its own."""
    found: list[Bar] = []
    for bar in lane:
        last = found[-1] if found else None
        if (
            last is not None
            and bar.status == last.status == "executed"
            and bar.ended - bar.began < thin_s
            and (last.nodes > 1 or last.ended - last.began < thin_s)
            and bar.began - last.ended < thin_s
        ):
            found[-1] = last._replace(ended=max(last.ended, bar.ended), nodes=last.nodes + 1)
        else:
            found.append(bar)
    return found


def timeline(bars: Sequence[Bar], began: float, ended: float) -> Iterator[str]:
    """The lanes as HTML, with an axis of seconds since `began`."""
    span = max(ended - began, 1e-3)
    all_lanes = lanes(bars)
    yield f'<div class="timeline" role="img" aria-label="{len(bars)} attempts in {len(all_lanes)} lanes">'
    yield from _axis(span)
    before = None
    for lane in all_lanes[:_MOST_LANES]:
        worker = lane[0].worker
        label = text(worker) if worker != before else ""
        before = worker
        drawn = "".join(_drawn(bar, began, span) for bar in merged(lane, span * _THIN))
        yield f'<div class="lane"><b title="{text(worker)}">{label}</b><div>{drawn}</div></div>'
    yield "</div>"
    if len(all_lanes) > _MOST_LANES:
        yield element("p", f"… and {len(all_lanes) - _MOST_LANES} more lanes", "note")


def _drawn(bar: Bar, began: float, span: float) -> str:
    left = min(max((bar.began - began) / span, 0.0), 1.0) * 100
    right = min(max((bar.ended - began) / span, 0.0), 1.0) * 100
    style = f"left:{left:.3f}%;width:{right - left:.3f}%"
    return f'<i class="{text(bar.status)}" style="{style}" title="{text(bar.title)}"></i>'


def _axis(span: float) -> Iterator[str]:
    step = next((step for step in _STEPS if span / step <= _TICKS), None) or 86400 * max(
        1, span // (86400 * _TICKS) + 1
    )
    moments = [at * step for at in range(int(span / step) + 1) if at * step <= span * _LAST_TICK]
    marks = "".join(f'<u style="left:{moment / span * 100:.3f}%">{duration(moment)}</u>' for moment in moments)
    yield f'<div class="lane axis"><b></b><div>{marks}</div></div>'
