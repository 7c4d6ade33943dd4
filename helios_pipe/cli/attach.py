"""`attach`: watch a job that runs in another process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from helios_pipe.cli.board import job_options, open_board, view_of
from helios_pipe.report import texts

if TYPE_CHECKING:
    from helios_pipe.events import Listener
    from helios_pipe.jobs.board import Board, JobView

_INTERRUPTED = 130


@click.command("attach")
@job_options
@click.option("-q", "--quiet", is_flag=True, help="Only wait, and say what it came to.")
def command(job: str, cache_dir: str | None, as_json: bool, quiet: bool) -> int:
    """Watch JOB until it ends, and end as it does. Ctrl-C ends the watching, not the job."""
    with open_board(cache_dir, job) as board:
        view = view_of(board, job)
        try:
            _watch(board, view, as_json=as_json, quiet=quiet)
        except KeyboardInterrupt:
            click.echo(f"{view.id} goes on", err=True)
            return _INTERRUPTED
        record = board.journal.run(view.record.id)
        after = board.view_of_run(record) if record is not None else view
    return _tell_end(after, as_json=as_json)


def _watch(board: Board, view: JobView, *, as_json: bool, quiet: bool) -> None:
    from helios_pipe.jobs.watch import watch

    listener, close = _listener(as_json=as_json, quiet=quiet)
    try:
        for event in watch(board, view):
            listener(event)
    finally:
        close()


def _listener(*, as_json: bool, quiet: bool) -> tuple[Listener, Any]:
    from helios_pipe.report.console import Live, Plain
    from helios_pipe.report.jsonl import JsonLines

    if as_json:
        return JsonLines(sys.stdout), lambda: None
    if quiet:
        return lambda _: None, lambda: None
    shown = Live(sys.stderr) if sys.stderr.isatty() else Plain(sys.stderr)
    return shown, shown.close


def _tell_end(view: JobView, *, as_json: bool) -> int:
    """Say what the run came to, as it said itself."""
    from helios_pipe.engine.options import RunState
    from helios_pipe.report.jsonl import JsonLines

    if view.state is RunState.INTERRUPTED or not view.summary:
        text = f"{view.id}: {view.state}"
        if view.state is RunState.INTERRUPTED:
            text += f": its process died; what was finished is kept: helios-pipe resume {view.id}"
        if as_json:
            JsonLines(sys.stdout)({"event": "summary", "job": view.id, "state": str(view.state), "message": text})
        else:
            click.echo(text, err=True)
        return _INTERRUPTED if view.state is RunState.INTERRUPTED else 1
    names = ("total", "executed", "cached", "failed", "skipped", "outputs")
    fields = {"job": view.id, "state": str(view.state), **{name: view.summary[name] for name in names}}
    fields["duration_s"] = round(float(view.summary["duration_s"]), 3)
    if as_json:
        JsonLines(sys.stdout)({"event": "summary", **fields})
    else:
        if view.summary["failures"]:
            click.echo("\n".join(texts.failures(view.summary["failures"], view.id)), err=True)
        if view.summary.get("stopped"):
            click.echo(f"error: {view.summary['stopped']}", err=True)
        click.echo("\n".join([texts.headline(fields), *texts.outputs(fields)]))
    return int(view.summary["exit_code"])
