"""`cancel`: a job ends now, and what it has not made it will not make."""

from __future__ import annotations

import click

from helios_pipe.cli.board import answer, job_options, open_board, view_of
from helios_pipe.errors import UsageError

_END_S = 20.0
"""How long to wait for a run to end that ends what it runs: its commands have seconds to go by themselves."""


@click.command("cancel")
@job_options
def command(job: str, cache_dir: str | None, as_json: bool) -> int:
    """Cancel JOB: what runs is ended, what was finished is kept. A paused or failed job can be cancelled, too."""
    from helios_pipe.engine.options import RunState

    with open_board(cache_dir, job) as board:
        view = view_of(board, job)
        if view.state is RunState.COMPLETED:
            raise UsageError(f"{view.id} is completed: there is nothing to cancel")
        if view.state is RunState.CANCELLED:
            answer(view, f"{view.id} is cancelled already", as_json=as_json)
            return 0
        if view.going:
            board.ask(view.id, "cancel")
            after = board.wait_for_end(view.id, _END_S)
        else:
            board.give_up(view)
            after = board.view(view.id)
    state = "cancelling" if after is not None and after.going else after.state if after is not None else "deleted"
    answer(after, f"{view.id}: {state}", as_json=as_json)
    return 0
