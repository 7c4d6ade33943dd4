"""`run`: make everything that is out of date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from helios_pipe.cache.stamp import Signature
from helios_pipe.cli.options import choice_options, cost_option, deadline_option, make_request


@click.command("run")
@choice_options
@click.option("-j", "--concurrency", type=click.IntRange(min=1), metavar="N", help="How many commands run at once.")
@click.option("-k", "--keep-going", is_flag=True, help="After a failure, make what does not need it.")
@click.option("-n", "--dry-run", is_flag=True, help="The same as `plan`.")
@click.option("--no-wait", is_flag=True, help="End with 4 where another run holds the job.")
@click.option("--durable", is_flag=True, help="Ask the disk for every result before it counts as there.")
@deadline_option
@cost_option
@click.option("-d", "--detach", is_flag=True, help="Go on in the background; say the job's id.")
@click.option("-q", "--quiet", is_flag=True, help="Only say what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is found, and why the rest must be made.")
@click.pass_obj
def command(
    unchanged: Sequence[Signature] | None,
    /,
    manifest: Path,
    as_json: bool,
    dry_run: bool,
    no_wait: bool,
    detach: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Make everything of MANIFEST that is out of date, or only JOBs and what they need."""
    if dry_run:
        from helios_pipe.cli.plan import show_plan

        for name in ("concurrency", "keep_going", "durable", "deadline_s", "max_cost"):
            options.pop(name)
        return show_plan(manifest, as_json=as_json, **options)
    request = make_request(manifest, wait=not no_wait, **options)
    if detach:
        from helios_pipe.cli.detach import run_detached

        return run_detached(request, as_json=as_json)
    from helios_pipe.cli.running import tell_machines, tell_people

    if as_json:
        return tell_machines(request, unchanged=unchanged or ())
    return tell_people(request, quiet=quiet, verbose=verbose, unchanged=unchanged or ())
