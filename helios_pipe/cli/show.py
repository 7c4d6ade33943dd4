"""`show`: one job in full."""

from __future__ import annotations

import json
import time

import click

from helios_pipe.cli.board import job_options, open_board, view_of


@click.command("show")
@job_options
@click.option("-a", "--all", "everything", is_flag=True, help="Every node, however many.")
def command(job: str, cache_dir: str | None, as_json: bool, everything: bool) -> int:
    """Show how JOB stands: its nodes with attempts and times, what runs now, its last runs."""
    from helios_pipe.jobs.board import iso
    from helios_pipe.jobs.nodes import nodes_of
    from helios_pipe.report.jobs import show

    with open_board(cache_dir, job) as board:
        view = view_of(board, job)
        now = time.time()
        nodes = [{**node._asdict(), "began": iso(node.began)} for node in nodes_of(board, view)]
        records = board.journal.runs(view.id, limit=5)
        runs = [(view if r.id == view.record.id else board.view_of_run(r)).to_dict(now) for r in records]
        changes = [
            {"time": iso(c.time), "run": c.run, "state": c.state, "detail": c.detail}
            for c in board.journal.changes(view.id)
        ]
    if as_json:
        found = {
            **view.to_dict(now),
            "nodes": nodes,
            "runs": runs,
            "changes": changes,
            "failures": view.summary.get("failures", []),
            "outputs": view.summary.get("outputs", []),
        }
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        click.echo("\n".join(show(view.to_dict(now), nodes, runs, everything=everything)))
    return 0
