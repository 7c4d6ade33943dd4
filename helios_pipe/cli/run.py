"""`run`: make everything that is out of date."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helios_pipe.cli.fast import request_of
from helios_pipe.cli.options import choice_options, make_request
from helios_pipe.errors import HeliosPipeError
from helios_pipe.report import texts

if TYPE_CHECKING:
    from helios_pipe.engine.options import Summary
    from helios_pipe.events import Listener
    from helios_pipe.pipeline.request import Request
    from helios_pipe.report.console import Live, Plain


@click.command("run")
@choice_options
@click.option("-j", "--concurrency", type=click.IntRange(min=1), metavar="N", help="How many commands run at once.")
@click.option("-k", "--keep-going", is_flag=True, help="After a failure, make what does not need it.")
@click.option("-n", "--dry-run", is_flag=True, help="The same as `plan`.")
@click.option("--no-wait", is_flag=True, help="End with 4 where another run holds the job.")
@click.option("--durable", is_flag=True, help="Ask the disk for every result before it counts as there.")
@click.option("-q", "--quiet", is_flag=True, help="Only say what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is found, and why the rest must be made.")
def command(
    manifest: Path, as_json: bool, dry_run: bool, no_wait: bool, quiet: bool, verbose: bool, **options: Any
) -> int:
    """Make everything of MANIFEST that is out of date, or only JOBs and what they need."""
    if dry_run:
        from helios_pipe.cli.plan import show_plan

        for name in ("concurrency", "keep_going", "durable"):
            options.pop(name)
        return show_plan(manifest, as_json=as_json, **options)
    request = make_request(manifest, wait=not no_wait, **options)
    return _json(request) if as_json else _people(request, quiet=quiet, verbose=verbose)


def _json(request: Request) -> int:
    from helios_pipe.report.jsonl import JsonLines

    tell = JsonLines(sys.stdout)
    try:
        summary, fields = _run(request, tell, "json")
    except HeliosPipeError as error:
        click.echo(f"error: {error}", err=True)
        tell({"event": "error", "message": error.message, "hint": error.hint, "exit_code": error.exit_code})
        tell({"event": "summary", **_nothing(error)})
        return error.exit_code
    for failure in summary.failures:
        tell({"event": "failure", **asdict(failure)})
    tell({"event": "summary", **fields})
    return summary.exit_code


def _people(request: Request, *, quiet: bool, verbose: bool) -> int:
    listener = _listener(quiet=quiet, verbose=verbose)
    try:
        summary, fields = _run(request, listener, "quiet" if quiet else "text")
    finally:
        if listener is not None:
            listener.close()
    for failure in summary.failures:
        click.echo("\n".join(texts.failure(asdict(failure))), err=True)
    if not quiet or summary.exit_code:
        click.echo("\n".join([texts.headline(fields), *texts.outputs(fields)]), err=bool(quiet))
    return summary.exit_code


def _listener(*, quiet: bool, verbose: bool) -> Plain | Live | None:
    from helios_pipe.report.console import Live, Plain

    if quiet:
        return None
    return Live(sys.stderr) if sys.stderr.isatty() and not verbose else Plain(sys.stderr, verbose=verbose)


def _run(request: Request, listener: Listener | None, style: str) -> tuple[Summary, dict[str, object]]:
    from helios_pipe.pipeline.run import run
    from helios_pipe.pipeline.session import Session, open_manifest
    from helios_pipe.pipeline.stamping import write_stamp

    began_ns = time.time_ns()
    opened = open_manifest(request)
    for warning in opened.manifest.warnings if style != "quiet" else ():
        click.echo(f"warning: {warning}", err=True)
    session = Session(request, opened)
    try:
        summary = run(session, listener, lambda text: click.echo(f"{text}; waiting for it", err=True))
        fields = _fields(session.job_id, summary)
        nothing = {**fields, "executed": 0, "cached": summary.total, "duration_s": 0.0}
        text = "\n".join([texts.headline(nothing), *texts.outputs(nothing)]) + "\n"
        write_stamp(
            session, summary, request_of(sys.argv[1:]), {"style": style, "summary": nothing, "text": text}, began_ns
        )
    finally:
        session.close()
    return summary, fields


def _fields(job: str, summary: Summary) -> dict[str, object]:
    return {
        "job": job,
        "state": str(summary.state),
        "total": summary.total,
        "executed": summary.executed,
        "cached": summary.cached,
        "failed": summary.failed,
        "skipped": summary.skipped,
        "duration_s": round(summary.duration_s, 3),
        "outputs": [asdict(output) for output in summary.outputs],
    }


def _nothing(error: HeliosPipeError) -> dict[str, object]:
    counts = dict.fromkeys(("total", "executed", "cached", "failed", "skipped"), 0)
    return {"job": None, "state": "failed", **counts, "duration_s": 0.0, "outputs": [], "error": error.message}
