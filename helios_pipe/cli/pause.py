"""`pause`: a running job stops when what runs is finished, or at once."""

from __future__ import annotations

import click

from helios_pipe.cli.board import answer, job_options, open_board, view_of
from helios_pipe.errors import UsageError

_END_S = 20.0
"""How long to wait for a run to end that ends what it runs: its commands have seconds to go by themselves."""


@click.command("pause")
@job_options
@click.option("--now", is_flag=True, help="End what runs, too; it is made again later.")
def command(job: str, cache_dir: str | None, as_json: bool, now: bool) -> int:
    """Pause JOB: nothing new is started, what runs is finished. `resume` (or `run`) goes on."""
    from helios_pipe.engine.options import RunState
    from helios_pipe.report.jobs import running

    with open_board(cache_dir, job) as board:
        view = view_of(board, job)
        if not view.going:
            if view.state is RunState.PAUSED:
                answer(view, f"{view.id} is paused already", as_json=as_json)
                return 0
            raise UsageError(f"{view.id} does not run: it is {view.state}")
        after = board.ask(view.id, "pause now" if now else "pause")
        if now:
            after = board.wait_for_end(view.id, _END_S)
    if after is None or not after.going:
        answer(after, f"{view.id}: {after.state if after is not None else 'deleted'}", as_json=as_json)
        return 0
    left = running(after.to_dict(0.0)["running"]) or "what runs"
    answer(after, f"{view.id}: pausing; {left} will be finished first", as_json=as_json)
    return 0
