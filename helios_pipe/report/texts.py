"""The sentences that people read of a run, on a terminal or in a pipe. Knows nothing of colours or bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

MOST_FAILURES = 50
"""So many failed nodes are told in full, on a terminal, in a log and on a page."""


def duration(seconds: float) -> str:
    """`0.4 s`, `12.3 s`, `2m05s`, `1h02m`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def size(count: int) -> str:
    """`873 B`, `12.4 KB`, `3.1 GB`, in powers of 1000."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def headline(summary: Mapping[str, object]) -> str:
    """One line for how a run ended."""
    total, executed, cached, failed, skipped = (
        int(str(summary[name])) for name in ("total", "executed", "cached", "failed", "skipped")
    )
    nodes = f"{total} node{'' if total == 1 else 's'}"
    took = duration(float(str(summary["duration_s"])))
    if summary["state"] == "completed" and executed == 0:
        return f"{summary['job']}: up to date ({nodes}, {took})"
    counts = [f"{executed} executed", f"{cached} cached"]
    counts += [f"{failed} failed"] if failed else []
    counts += [f"{skipped} skipped"] if skipped else []
    if summary.get("billed_s"):
        counts.append(f"{summary['billed_s']} s billed ({summary['billed_gb_s']} GB-s), cost {summary['cost']}")
    return f"{summary['job']}: {summary['state']}: {nodes}: {', '.join(counts)} in {took}"


def outputs(summary: Mapping[str, object]) -> Iterator[str]:
    """One line for each output."""
    placed = summary.get("outputs")
    for output in placed if isinstance(placed, list) else []:
        yield f"  {output['path']}  ({size(output['size'])})"


_STOPPING = {
    "interrupt": "what runs is finished first; Ctrl-C again ends it",
    "terminate": "what runs has a few seconds left",
    "pause": "what runs is finished first",
    "limit": "its limit of time or cost is reached",
    "cancel": "it was cancelled",
}


def said(event: Mapping[str, object]) -> str:
    """One line for what is neither an end nor a beginning: a retry, a warning, a second copy, a stop."""
    name = event["event"]
    if name == "retry":
        again = f"again in {event['delay_s']} s"
        return f"{event['node']}: attempt {event['attempt']} failed ({event['reason']}); {again}"
    if name == "hedge":
        return f"{event['node']}: {event['reason']}; a second copy is started"
    if name == "stopping":
        why = "what runs is ended" if event["now"] and event["reason"] in ("interrupt", "pause") else ""
        return f"stopping: {why or _STOPPING.get(str(event['reason']), event['reason'])}"
    return "going on" if name == "resumed" else f"warning: {event['message']}"


def failures(entries: Sequence[Mapping[str, object]], job: str) -> Iterator[str]:
    """What to say of the failed nodes of that job: of the first ones all, of the others how many, and how to see them."""
    for entry in entries[:MOST_FAILURES]:
        yield from failure(entry)
    more = len(entries) - MOST_FAILURES
    if more > 0:
        nodes = "nodes" if more > 1 else "node"
        lists = f"`helios-pipe show -a {job}` lists all, `helios-pipe logs {job} NODE` has what one printed"
        yield f"… and {more} more {nodes} failed: {lists}"


def failure(entry: Mapping[str, object], lines: int = 20) -> Iterator[str]:
    """What to say of a failed node: why, the end of its output, its log, how to repeat it, what may be missing."""
    attempts = int(str(entry.get("attempts") or 1))
    yield f"{entry['node']} failed{f' after {attempts} attempts' if attempts > 1 else ''}: {entry['reason']}"
    history = entry.get("history")
    if attempts > 1 and isinstance(history, Sequence):
        for past in history:
            yield f"  attempt {past['attempt']}, {duration(past['duration_s'])}: {past['reason']}"
    shown = last_lines(str(entry.get("tail") or ""), lines)
    yield from (f"  | {line}" for line in shown)
    if entry.get("log"):
        yield f"  whole output: {entry['log']}"
    if entry.get("repeat"):
        yield f"  repeat by hand: {entry['repeat']}"
    hints = entry.get("hints")
    yield from (f"  hint: {hint}" for hint in (hints if isinstance(hints, Sequence) else ()))


def last_lines(text: str, count: int, width: int = 400) -> list[str]:
    """The last lines of an output, progress bars that overwrite themselves reduced to what stood in the end."""
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    lines = [line if len(line) <= width else f"{line[:width]}…" for line in lines if line.strip()]
    return [_printable(line) for line in lines[-count:]]


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "·" for c in line)
