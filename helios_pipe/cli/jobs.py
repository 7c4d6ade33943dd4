"""`jobs`: what ran in this cache, and what runs now."""

from __future__ import annotations

import json
import time

import click

from helios_pipe.cli.options import json_option
from helios_pipe.errors import UsageError


@click.command("jobs")
@click.option(
    "--cache-dir", metavar="DIR", help="The cache to look into [HELIOS_PIPE_CACHE_DIR; else .helios here, or above]."
)
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only jobs in this state.")
@json_option
def command(cache_dir: str | None, states: tuple[str, ...], as_json: bool) -> int:
    """List the jobs of a cache, the one that ran last first: how each stands, how far it is."""
    from helios_pipe.cli.board import open_board
    from helios_pipe.engine.options import RunState
    from helios_pipe.report.jobs import jobs

    known = [str(state) for state in RunState]
    for state in states:
        if state not in known:
            raise UsageError(f"there is no state {state!r}; there are: {', '.join(known)}")
    with open_board(cache_dir) as board:
        now = time.time()
        views = [view.to_dict(now) for view in board.views() if not states or str(view.state) in states]
    if as_json:
        click.echo(json.dumps({"jobs": views}, ensure_ascii=False))
    elif views:
        click.echo("\n".join(jobs(views)))
    else:
        click.echo("no jobs" if states else "nothing has run here yet", err=True)
    return 0
