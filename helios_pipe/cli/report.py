"""`report`: a page about one run of a job."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import click

from helios_pipe.cli.board import job_options, open_board, view_of
from helios_pipe.errors import UsageError


@click.command("report")
@job_options
@click.option("-o", "--output", metavar="FILE", help="The page [in the cache: reports/JOB.html]; - is standard output.")
@click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="That run, not the last one.")
@click.option(
    "--thumbnails",
    type=click.IntRange(min=0),
    metavar="N",
    default=96,
    show_default=True,
    help="Chunks to show at most.",
)
def command(
    job: str, cache_dir: str | None, as_json: bool, output: str | None, number: int | None, thumbnails: int
) -> int:
    """Write a page about JOB that needs nothing else: what ran when, what each chunk shows, the graph, the slowest chunks,
    what failed."""
    from helios_pipe.pipeline.reporting import gather, page_path, view_of_run
    from helios_pipe.report.page import page

    if as_json and output == "-":
        raise UsageError("--json and the page would both go to standard output", hint="Name a file with -o.")
    with open_board(cache_dir, job) as board:
        view = view_of(board, job)
        found = gather(board, view if number is None else view_of_run(board, view, number), thumbnails)
        target = output if output is not None else os.path.relpath(page_path(board.cache, view.id))
    data = page(found).encode()
    if output == "-":
        click.echo(data, nl=False)
        return 0
    _write(target, data, own=output is None)
    if as_json:
        row = {
            "path": target, "size": len(data), "job": found.view["job"], "run": found.view["run"],
            "state": found.view["state"], "nodes": len(found.nodes), "thumbnails": sum(s.jpeg is not None for s in found.shots),
            "failures": len(found.failures),
        }  # fmt: skip
        click.echo(json.dumps(row, ensure_ascii=False))
    else:
        click.echo(f"{target} written: {found.view['job']}, run {found.view['run']}, {found.view['state']}")
    return 0


def _write(target: str, data: bytes, *, own: bool) -> None:
    """Put the page in its place, whole or not at all; into what is no regular file (a pipe, a device) it is written. Where its
    folder is our `own`, that is made. Raises UsageError."""
    try:
        if own:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        if not _replaceable(target):
            Path(target).write_bytes(data)
            return
        real = Path(os.path.realpath(target))
        temp = real.parent / f".report-{os.getpid()}.part"
        try:
            temp.write_bytes(data)
            os.replace(temp, real)
        finally:
            temp.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{target or 'a page without a name'} cannot be written: {error.strerror or error}") from error


def _replaceable(target: str) -> bool:
    """Whether there is a regular file, or nothing yet. Raises OSError."""
    try:
        return stat.S_ISREG(os.stat(target).st_mode)
    except FileNotFoundError:
        return bool(target)
