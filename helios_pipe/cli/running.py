"""A request run to its end, told to people or machines: what `run`, `resume` and a run in the background have in common."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from helios_pipe.cli.ending import say
from helios_pipe.cli.fast import request_of
from helios_pipe.engine.options import as_record
from helios_pipe.errors import HeliosPipeError
from helios_pipe.report import texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helios_pipe.ahead import Ahead
    from helios_pipe.engine.options import Summary
    from helios_pipe.events import Event, Listener
    from helios_pipe.pipeline.request import Request
    from helios_pipe.report.console import Live, Plain


_DETACHED = "detached"


def tell_machines(request: Request, on_event: Callable[[Event], None] | None = None, ahead: Ahead | None = None) -> int:
    """Run it, telling JSON lines on stdout (and `on_event`, before that). Returns the exit code. `ahead` is what was
    found out already."""
    from helios_pipe.report.jsonl import JsonLines

    lines = JsonLines(sys.stdout)

    def tell(event: Event) -> None:
        if on_event is not None:
            on_event(event)
        lines(event)

    def on_wait(text: str) -> None:
        say(f"{text}; waiting for it", err=True)
        tell({"event": "waiting", "reason": text})

    job: list[str] = []
    try:
        summary, fields = _run(request, tell, "json" if on_event is None else _DETACHED, on_wait, ahead, job.append)
    except HeliosPipeError as error:
        say(f"error: {error}", err=True)
        tell({"event": "error", "message": error.message, "hint": error.hint, "exit_code": error.exit_code})
        tell({"event": "summary", **_nothing(error.message, *job)})
        return error.exit_code
    except KeyboardInterrupt:  # nobody was patient: the summary comes last all the same
        tell({"event": "summary", **_nothing("interrupted", *job), "state": "paused"})
        return 130
    _tell_end(summary, fields, tell)
    if lines.error is not None:
        say(f"error: stdout cannot be written: {lines.error.strerror}", err=True)
    return summary.exit_code or int(lines.error is not None)


def _tell_end(summary: Summary, fields: dict[str, object], tell: Callable[[Event], None]) -> None:
    for failure in summary.failures:
        tell({"event": "failure", **as_record(failure)})
    if summary.stopped:
        say(f"error: {summary.stopped}", err=True)
        tell({"event": "error", "message": summary.stopped, "hint": "", "exit_code": summary.exit_code})
    tell({"event": "summary", **fields})


def tell_wrong_call(message: str, exit_code: int) -> None:
    """A call of `run --json` that is no request: what is wrong, and the summary that always comes last."""
    from helios_pipe.report.jsonl import JsonLines

    tell = JsonLines(sys.stdout)
    tell({"event": "error", "message": message, "hint": "", "exit_code": exit_code})
    tell({"event": "summary", **_nothing(message)})


def tell_people(request: Request, *, quiet: bool = False, verbose: bool = False, ahead: Ahead | None = None) -> int:
    """Run it, telling what happens on stderr and what came of it on stdout. Returns the exit code. `ahead` is what was
    found out already."""
    listener = _listener(quiet=quiet, verbose=verbose)
    try:
        summary, fields = _run(request, listener, "quiet" if quiet else "text", _say_waiting, ahead)
    finally:
        if listener is not None:
            listener.close()
    if summary.failures:
        say("\n".join(texts.failures(as_record(summary.failures), str(fields["job"]))), err=True)
    if summary.stopped:
        say(f"error: {summary.stopped}", err=True)
    if not quiet or summary.exit_code:
        say("\n".join([texts.headline(fields), *texts.outputs(fields)]), err=bool(quiet))
    return summary.exit_code


def _listener(*, quiet: bool, verbose: bool) -> Plain | Live | None:
    if quiet or sys.stderr is None:  # it was closed
        return None
    from helios_pipe.report.console import Live, Plain

    return Live(sys.stderr) if sys.stderr.isatty() and not verbose else Plain(sys.stderr, verbose=verbose)


def _say_waiting(text: str) -> None:
    say(f"{text}; waiting for it", err=True)


def _run(
    request: Request,
    listener: Listener | None,
    style: str,
    on_wait: Callable[[str], None],
    ahead: Ahead | None,
    on_open: Callable[[str], None] = lambda _: None,
) -> tuple[Summary, dict[str, object]]:
    """`on_open` is told the job's id as soon as that is known."""
    from helios_pipe.pipeline.forethought import forethought
    from helios_pipe.pipeline.run import Hooks, run
    from helios_pipe.pipeline.session import Session, open_manifest
    from helios_pipe.pipeline.stamping import write_stamp

    began_ns = time.time_ns()
    opened = open_manifest(request)
    on_open(opened.job_id)
    for warning in opened.manifest.warnings if style != "quiet" else ():
        say(f"warning: {warning}", err=True)
    session = Session(request, opened, ahead)
    try:
        summary = run(session, listener, on_wait, Hooks(ours=True))
        fields = _fields(session.job_id, summary)
        if style != _DETACHED:  # the next one has an id to say, not a summary
            note = {**_said_of_nothing(style, fields), "ahead": forethought(session).plain()}
            write_stamp(session, summary, request_of(sys.argv[1:]), note, began_ns)
    finally:
        session.close()
    return summary, fields


def _said_of_nothing(style: str, fields: dict[str, object]) -> dict[str, object]:
    """What the next run says where there is nothing to do."""
    nothing = {**fields, "executed": 0, "cached": fields["total"], "duration_s": 0.0}
    text = "\n".join([texts.headline(nothing), *texts.outputs(nothing)]) + "\n"
    return {"style": style, "summary": nothing, "text": text}


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
        "outputs": [as_record(output) for output in summary.outputs],
        **_billing(summary),
    }


def _billing(summary: Summary) -> dict[str, object]:
    """What workers billed, where they said so: seconds, GB-seconds, and their cost at the adapters' prices."""
    if not summary.billed_s:
        return {}
    return {
        "billed_s": round(summary.billed_s, 3),
        "billed_gb_s": round(summary.billed_gb_s, 3),
        "cost": round(summary.cost, 6),
    }


def _nothing(error: str, job: str | None = None) -> dict[str, object]:
    counts = dict.fromkeys(("total", "executed", "cached", "failed", "skipped"), 0)
    return {"job": job, "state": "failed", **counts, "duration_s": 0.0, "outputs": [], "error": error}
