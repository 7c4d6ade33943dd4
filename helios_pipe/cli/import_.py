"""`import`: a Helios job file becomes a manifest."""

from __future__ import annotations

from pathlib import Path

import click

from helios_pipe.errors import UsageError


@click.command("import")
@click.argument("job", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The manifest to write [standard output].")
@click.option("--keep-merge", is_flag=True, help="Join with the job's own merge command.")
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
def command(job: Path, output: Path | None, keep_merge: bool, force: bool) -> int:
    """Write the manifest that does what JOB (`helios render --emit-job JOB`) asks for, with comments on what to change."""
    from helios_pipe.pipeline.exporting import imported

    text, warnings = imported(job, output, keep_merge=keep_merge)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if output is None:
        click.echo(text, nl=False)
        return 0
    write_new(output, text, force=force)
    click.echo(f"{output} written; now: helios-pipe run {output}")
    return 0


def write_new(path: Path, text: str, *, force: bool) -> None:
    """Write a file that is not there yet, or with `force` in the place of the one that is. Raises UsageError."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already", hint="Give another name, or --force.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
