"""`export`: a job of a manifest becomes a Helios job file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from helios_pipe.cli.asking import make_request
from helios_pipe.cli.options import manifest_argument, set_option


def _parse_size(ctx: click.Context, _: click.Parameter, value: str | None) -> tuple[int, int] | None:
    match = re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)", value or "", re.ASCII)
    if value is not None and match is None:
        raise click.BadParameter(f"{value!r} is no size, expected one such as 1920x1080", ctx)
    return (int(match[1]), int(match[2])) if match is not None else None


@click.command("export")
@manifest_argument
@click.argument("jobs", nargs=-1, metavar="[JOB]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The job file to write [standard output].")
@click.option("--size", callback=_parse_size, metavar="WxH", help="The pictures' size [what the manifest says].")
@set_option
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
def command(manifest: Path, output: Path | None, size: tuple[int, int] | None, force: bool, **options: Any) -> int:
    """Write the job file that lets `helios job run` make JOB of MANIFEST. It belongs into MANIFEST's folder."""
    from helios_pipe.cli.import_ import write_new
    from helios_pipe.pipeline.exporting import exported

    spec, unsaid = exported(make_request(manifest, **options), size)
    for note in unsaid:
        click.echo(f"note: {note}", err=True)
    text = json.dumps(spec.to_dict(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return 0
    write_new(output, text, force=force)
    click.echo(f"{output} written: {len(spec.chunks)} chunks, {spec.metadata.total_frames} frames")
    return 0
