"""`run`: make everything that is out of date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from helios_pipe.ahead import Ahead
from helios_pipe.cli.asking import run_as_asked
from helios_pipe.cli.options import choice_options, cost_option, deadline_option


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
def command(ahead: Ahead | None, /, manifest: Path, **options: Any) -> int:
    """Make everything of MANIFEST that is out of date, or only JOBs and what they need."""
    return run_as_asked(manifest, ahead=ahead, **options)
