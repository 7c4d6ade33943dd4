"""`resume`: a job goes on where it stopped, however it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from helios_pipe.cli.board import answer, job_options, open_board, view_of

if TYPE_CHECKING:
    from helios_pipe.jobs.board import Board, JobView
    from helios_pipe.pipeline.request import Request


@click.command("resume")
@job_options
@click.option("-d", "--detach", is_flag=True, help="Go on in the background; say the job's id.")
@click.option("-q", "--quiet", is_flag=True, help="Only say what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is found, and why the rest must be made.")
def command(job: str, cache_dir: str | None, as_json: bool, detach: bool, quiet: bool, verbose: bool) -> int:
    """Go on with JOB as it was asked for: it was paused, it failed, it was cancelled, or its process died. One that is
    pausing just now goes on where it is."""
    with open_board(cache_dir, job) as board:
        request = _request(board, view_of(board, job), as_json=as_json)
    if request is None:
        return 0
    if detach:
        from helios_pipe.cli.detach import run_detached

        return run_detached(request, as_json=as_json)
    from helios_pipe.cli.running import tell_machines, tell_people

    return tell_machines(request) if as_json else tell_people(request, quiet=quiet, verbose=verbose)


def _request(board: Board, view: JobView, *, as_json: bool) -> Request | None:
    """The run to make; None where one is under way that goes on."""
    from helios_pipe.pipeline.again import request_again

    if view.going:
        after = board.ask(view.id, "resume") if view.asked else view
        if after is not None and after.going and not after.asked:
            answer(after, f"{view.id}: {'goes on' if view.asked else 'is running already'}", as_json=as_json)
            return None
        if after is not None and after.going:  # it is being ended, which nothing can take back: then a new run
            after = board.wait_for_end(view.id, 60.0)
        view = after or view
    return request_again(board, Path(board.cache), view.record)
