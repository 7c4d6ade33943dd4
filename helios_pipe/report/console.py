"""A run told to people: a live bar on a terminal, plain lines in a pipe. Knows nothing of what a run does."""

from __future__ import annotations

from helios_pipe.events import Event
from helios_pipe.report import texts
from helios_pipe.report.channel import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from rich.progress import Progress, TaskID

_SHOWN_RUNNING = 4


class Plain:
    """A listener that writes a line for each node that was made, failed or is tried again."""

    def __init__(self, out: TextIO, *, verbose: bool = False) -> None:
        self._out = Channel(out)
        self._verbose = verbose
        self.tallies = not verbose
        self._ended: set[str] = set()
        self._before = 0
        """Nodes that had ended before we listened."""
        self._total = 0

    def __call__(self, event: Event) -> None:
        """Write what is worth a line."""
        name = event["event"]
        if name == "plan":
            self._total += int(str(event["total"]))
        elif name == "progress":
            self._before = int(str(event["done"])) - len(self._ended)
        elif name == "node_started" and self._verbose:
            self._say(f"start {event['node']} ({event['reason']})")
        elif name == "node_finished":
            self._ended.add(str(event["node"]))
            if event["status"] in ("executed", "failed") or self._verbose:
                took = texts.duration(float(str(event["duration_s"])))
                done = self._before + len(self._ended)
                self._say(f"[{done}/{max(self._total, done)}] {event['node']} {event['status']} in {took}")
        elif name in ("retry", "warning", "stopping", "resumed", "hedge"):
            self._say(texts.said(event))

    def _say(self, line: str) -> None:
        self._out.say(line)

    def close(self) -> None:
        """Nothing is open."""


class Live:
    """A listener with a bar: nodes done, time left, what is running now."""

    tallies = True

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = Console(file=out)
        self._progress: Progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
            TimeRemainingColumn(), TextColumn("{task.fields[running]}", markup=False, style="dim"),
            console=self._console, transient=True,
        )  # fmt: skip
        self._task: TaskID = self._progress.add_task("rendering", total=None, running="")
        self._total = 0
        self._running: dict[str, None] = {}
        self._progress.start()

    def __call__(self, event: Event) -> None:
        """Move the bar, or say something above it."""
        name, node = event["event"], str(event.get("node", ""))
        if name == "plan":
            self._total += int(str(event["total"]))
            self._progress.update(self._task, total=self._total)
        elif name == "progress":
            names = event["running"]
            self._running = dict.fromkeys(names if isinstance(names, list) else ())
            self._progress.update(self._task, completed=int(str(event["done"])))
        elif name == "node_started":
            self._running[node] = None
        elif name == "node_finished":
            self._running.pop(node, None)
            self._progress.advance(self._task)
            if event["status"] == "failed":
                self._progress.console.print(f"{node} failed: {event['reason']}", markup=False, style="red")
        elif name in ("retry", "warning", "stopping", "resumed", "hedge"):
            self._progress.console.print(texts.said(event), markup=False, style="yellow")
        if name in ("node_started", "node_finished", "progress"):
            shown = list(self._running)
            more = f" +{len(shown) - _SHOWN_RUNNING}" if len(shown) > _SHOWN_RUNNING else ""
            self._progress.update(self._task, running=" ".join(shown[:_SHOWN_RUNNING]) + more)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
