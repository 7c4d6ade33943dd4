"""`plan`: what `run` would do and why, running nothing."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helios_pipe.cli.asking import make_request
from helios_pipe.cli.options import choice_options

if TYPE_CHECKING:
    from helios_pipe.engine.plan import PlannedNode

_APART = 3
"""So many chunks alike are named one by one; more are told as a range."""


@click.command("plan")
@choice_options
@click.option("-a", "--all", "show_all", is_flag=True, help="Show what is up to date, too.")
def command(manifest: Path, as_json: bool, show_all: bool, **options: Any) -> int:
    """Show what `run` would do and why, running nothing."""
    return show_plan(manifest, as_json=as_json, show_all=show_all, **options)


def show_plan(manifest: Path, *, as_json: bool, show_all: bool = False, **options: Any) -> int:
    """Plan and print."""
    from helios_pipe.pipeline.session import Session, open_manifest

    request = make_request(manifest, **options)
    opened = open_manifest(request)
    session = Session(request, opened)
    try:
        rows = session.plan()
    finally:
        session.close()
    for warning in opened.warnings:
        click.echo(f"warning: {warning}", err=True)
    to_run = sum(row.action == "run" for row in rows)
    if as_json:
        listed = [{"node": r.node, "kind": r.kind, "action": r.action, "reason": r.reason} for r in rows]
        click.echo(json.dumps({"nodes": listed, "total": len(rows), "to_run": to_run}, ensure_ascii=False))
        return 0
    for warning in opened.manifest.warnings:
        click.echo(f"warning: {warning}", err=True)
    shown = [_line(group) for group in _alike(rows if show_all else [row for row in rows if row.action == "run"])]
    width = max((len(nodes) for _, nodes, _ in shown), default=0)
    for action, nodes, reason in shown:
        click.echo(f"{action:<6} {nodes:<{width}}  {reason}")
    click.echo(f"{session.job_id}: {to_run} of {len(rows)} nodes to run" if to_run else f"{session.job_id}: up to date")
    return 0


def _alike(rows: list[PlannedNode]) -> list[list[PlannedNode]]:
    """Chunks of one job that follow each other with the same fate and reason, together."""
    return [
        list(group) for _, group in groupby(rows, lambda r: (r.action, r.reason, r.kind, r.node.rpartition("/")[0]))
    ]


def _line(group: list[PlannedNode]) -> tuple[str, str, str]:
    first, last = group[0], group[-1]
    if len(group) <= _APART:
        names = " ".join(row.node if row is first else row.node.rpartition("/")[2] for row in group)
    else:
        names = f"{first.node} … {last.node.rpartition('/')[2]} ({len(group)} chunks)"
    return first.action, names, first.reason
