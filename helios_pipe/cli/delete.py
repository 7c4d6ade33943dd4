"""`delete`: a job's records and logs go, its results stay."""

from __future__ import annotations

import click

from helios_pipe.cli.board import answer, job_options, open_board, view_of


@click.command("delete")
@job_options
def command(job: str, cache_dir: str | None, as_json: bool) -> int:
    """Forget JOB: its runs, logs and kept workspaces. What it made stays in the cache, and where it was put."""
    with open_board(cache_dir, job) as board:
        view = view_of(board, job)
        count = board.delete(view.id)
    answer(
        None, f"{view.id}: deleted ({count} run{'' if count == 1 else 's'})", as_json=as_json, job=view.id, runs=count
    )
    return 0
