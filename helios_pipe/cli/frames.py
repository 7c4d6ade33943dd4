"""`frames`: a contact sheet of one node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from helios_pipe.cli.asking import make_request
from helios_pipe.cli.options import cache_option, manifest_argument, set_option


@click.command("frames")
@manifest_argument
@click.argument("node")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="sheet.png", help="The PNG [sheet.png].")
@set_option
@cache_option
def command(manifest: Path, node: str, output: Path, **options: Any) -> int:
    """Show the first, the middle and the last frame of NODE (`zoom/0003`, `zoom/stitch`) in one picture."""
    from helios_pipe.pipeline.session import Session, open_manifest
    from helios_pipe.pipeline.sheets import write_sheet

    request = make_request(manifest, **options)
    session = Session(request, open_manifest(request))
    try:
        captions = write_sheet(session, node, output)
    finally:
        session.close()
    click.echo(f"{output} written: {', '.join(captions)}")
    return 0
