"""`plan`: what `run` would do and why, running nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from helios_pipe.cli.options import choice_options, make_request


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
    to_run = sum(row.action == "run" for row in rows)
    if as_json:
        nodes = [{"node": r.node, "kind": r.kind, "action": r.action, "reason": r.reason} for r in rows]
        click.echo(json.dumps({"nodes": nodes, "total": len(rows), "to_run": to_run}, ensure_ascii=False))
        return 0
    for warning in opened.manifest.warnings:
        click.echo(f"warning: {warning}", err=True)
    shown = rows if show_all else [row for row in rows if row.action == "run"]
    width = max((len(row.node) for row in shown), default=0)
    for row in shown:
        click.echo(f"{row.action:<6} {row.node:<{width}}  {row.reason}")
    click.echo(f"{session.job_id}: {to_run} of {len(rows)} nodes to run" if to_run else f"{session.job_id}: up to date")
    return 0
