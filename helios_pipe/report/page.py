"""The report on one run of a job: a page of HTML that needs nothing else, no script, no network. Knows nothing of where it
all comes from: it is given plain values."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from helios_pipe.report.jobs import clock_time, node_count, state
from helios_pipe.report.markup import element, table, text
from helios_pipe.report.style import STYLE
from helios_pipe.report.texts import MOST_FAILURES, duration, last_lines, size
from helios_pipe.report.timeline import Bar, timeline
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SLOWEST = 12
_MOST_NODES = 1000
_TAIL = 40
"""Lines of a failed command's output."""


class Shot(NamedTuple):
    """What one chunk shows: its first picture as a JPEG, or why there is none."""

    node: str
    state: str
    frames: str
    jpeg: bytes | None
    why: str = ""


class Findings(NamedTuple):
    """All that the page tells. `view`, `nodes`, `runs` are as `show --json` has them; times are seconds since 1970. `saved_s`
    is how long it took once to make what was found, where that is known; `shots_of` is how many chunks there are; `graph` is
    a drawing (SVG), or empty, and `graph_note` says of which."""

    view: Mapping[str, Any]
    nodes: Sequence[Mapping[str, Any]]
    bars: Sequence[Bar]
    began: float
    ended: float
    runs: Sequence[Mapping[str, Any]]
    failures: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    saved_s: float | None
    shots: Sequence[Shot]
    shots_of: int
    graph: str
    graph_note: str
    written: str
    program: str


def page(found: Findings) -> str:
    """The report as HTML."""
    title = f"{found.view['job']}, run {found.view['run']}"
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{text(title)}: {text(found.view['state'])}</title>",
        f"<style>{STYLE}</style></head><body>",
        *_head(found),
        *_failures(found.failures, "Failures" if found.view["ended"] else "Failed attempts"),
        *_warnings(found.warnings),
        *_outputs(found.outputs),
        *_times(found),
        *_slowest(found.nodes),
        *_shots(found),
        *_graph(found),
        *_nodes(found.nodes),
        *_runs(found.runs),
        element("p", f"{text(found.program)}, {text(found.written)}", "note"),
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


def _head(found: Findings) -> Iterator[str]:
    view = found.view
    badge = element("span", text(state(view)), f"state {view['state']}")
    yield element("h1", f"{text(view['job'])} {badge}")
    yield element("p", f"{text(view['manifest'])} · run {view['run']} · {clock_time(view['started'])}", "note")
    if view["stopped"]:
        yield element("p", text(view["stopped"]))
    if view["state"] == "interrupted":
        yield element("p", f"Its process died; what was finished is kept: {_code('helios-pipe resume ' + view['job'])}")
    yield '<div class="figures">'
    for name, value in _figures(found):
        yield f"<div><b>{text(value)}</b><span>{text(name)}</span></div>"
    yield "</div>"


def _figures(found: Findings) -> Iterator[tuple[str, str]]:
    view = found.view
    yield "took", duration(view["elapsed_s"])
    yield "nodes", "?" if view["total"] is None else str(view["total"])
    for name in ("executed", "cached", "failed", "skipped"):
        if view[name] or name in ("executed", "cached"):
            yield name, str(view[name])
    took = sum(bar.ended - bar.began for bar in found.bars)
    if found.bars:
        yield "in commands", duration(took)
        if view["elapsed_s"] > 0:
            yield "at once, on average", f"{took / view['elapsed_s']:.1f}"
    again = sum(bar.status == "failed" for bar in found.bars)
    if again:
        yield "failed attempts", str(again)
    if found.saved_s is not None:
        yield "not rendered again", duration(found.saved_s)


def _failures(failures: Sequence[Mapping[str, Any]], heading: str) -> Iterator[str]:
    if not failures:
        return
    yield element("h2", heading)
    for entry in failures[:MOST_FAILURES]:
        yield "<article>"
        yield element("p", f"<b>{text(entry['node'])}</b> {text(entry['reason'])}", "failed")
        for past in entry["history"] if len(entry["history"]) > 1 else ():
            took = duration(float(past["duration_s"]))
            yield element("p", f"attempt {past['attempt']}, {took}: {text(past['reason'])}", "note")
        if tail := last_lines(entry["tail"] or "", _TAIL):
            yield element("pre", text("\n".join(tail)))
        yield from (element("p", f"Hint: {text(hint)}") for hint in entry["hints"])
        for label, value in (("Repeat by hand", entry["repeat"]), ("Whole output", entry["log"])):
            if value:
                yield element("p", f"{label}: {_code(value)}", "note")
        yield "</article>"
    if len(failures) > MOST_FAILURES:
        yield element("p", f"… and {len(failures) - MOST_FAILURES} more failures", "note")


def _warnings(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        yield element("h2", "Warnings")
        yield from (element("p", text(warning)) for warning in warnings)


def _outputs(outputs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if outputs:
        yield element("h2", "Outputs")
        yield from table(
            ("file", "size", "SHA-256"),
            [(text(o["path"]), size(o["size"]), _code(o["sha256"])) for o in outputs],
        )


def _times(found: Findings) -> Iterator[str]:
    yield element("h2", "Timeline")
    if not found.bars:
        yield element("p", "No command ran.", "note")
        return
    yield from timeline(found.bars, found.began, found.ended)
    there = {bar.status for bar in found.bars}
    names = [name for name in _STATUSES if name in there]
    marks = "".join(f'<i class="{name}"></i>{_SAID.get(name, name)}' for name in names)
    yield element("p", f"A lane for each command that ran beside others.{marks}", "note key")


_STATUSES = ("executed", "failed", "cancelled", "beaten", "running", "interrupted")
_SAID = {"beaten": "beaten: another copy was quicker"}


def _slowest(nodes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    ran = sorted((n for n in nodes if n["state"] in ("executed", "failed")), key=lambda n: -float(n["duration_s"]))
    if len(ran) < 2:
        return
    middle, longest = median(float(n["duration_s"]) for n in ran), float(ran[0]["duration_s"]) or 1.0
    yield element("h2", "Slowest")
    rows = []
    for node in ran[:_SLOWEST]:
        took = float(node["duration_s"])
        times = f"{took / middle:.1f} × the median" if middle > 0 else ""
        meter = f'<meter value="{took / longest:.3f}"></meter>'
        rows.append((text(node["node"]), duration(took), meter, times, text(node["state"])))
    yield from table(("node", "took", "", "", "state"), rows)


def _shots(found: Findings) -> Iterator[str]:
    shots = found.shots
    if not shots:
        return
    yield element("h2", "Chunks")
    if len(shots) < found.shots_of:
        shown = sum(shot.state == "failed" for shot in shots)
        failed = sum(node["state"] == "failed" for node in found.nodes)
        these = f"{shown} of the {failed} nodes" if 0 < shown < failed else "those"
        yield element("p", f"{len(shots)} of {found.shots_of}, evenly spread, and {these} that failed", "note")
    if not any(shot.jpeg for shot in shots):  # once is enough
        reasons = dict.fromkeys(shot.why for shot in shots if shot.state != "failed")
        yield from (element("p", text(why), "note") for why in reasons)
        shots = [shot for shot in shots if shot.state == "failed"]
    yield '<div class="shots">'
    for shot in shots:
        picture = element("div", text(shot.why), title=shot.why)
        if shot.jpeg is not None:
            data = b64encode(shot.jpeg).decode()
            picture = f'<img alt="{text(shot.node)}" loading="lazy" src="data:image/jpeg;base64,{data}">'
        caption = element("figcaption", f"<b>{text(shot.node)}</b> {text(shot.frames)}")
        yield element("figure", f"{picture}{caption}", shot.state, shot.state)
    yield "</div>"


def _graph(found: Findings) -> Iterator[str]:
    yield element("h2", "Graph")
    if found.graph_note:
        yield element("p", text(found.graph_note), "note")
    if found.graph:
        yield element("div", found.graph, "drawing")


def _nodes(nodes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"<h2>Nodes</h2><details><summary>{len(nodes)} nodes</summary>"
    rows = []
    for node in nodes[:_MOST_NODES]:
        took = "" if node["duration_s"] is None else duration(node["duration_s"])
        attempts = str(node["attempts"] or "")
        words = (node["node"], node["state"], attempts, took, node["worker"], node["reason"])
        rows.append([text(word) for word in words])
    yield from table(("node", "state", "attempts", "took", "worker", "reason"), rows)
    if len(nodes) > _MOST_NODES:
        yield element("p", f"… and {len(nodes) - _MOST_NODES} more: {_code('helios-pipe show -a')}", "note")
    yield "</details>"


def _runs(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(runs) < 2:
        return
    yield element("h2", "Runs")
    rows = [
        (str(r["run"]), text(r["state"]), clock_time(r["started"]), duration(r["elapsed_s"]), text(node_count(r)))
        for r in runs
    ]
    yield from table(("run", "state", "started", "took", "nodes"), rows)


def _code(value: object) -> str:
    return element("code", text(value))
