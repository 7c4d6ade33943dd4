"""`graph`: what must be made, and in which order, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from helios_pipe.cli.asking import make_request
from helios_pipe.cli.options import manifest_argument, set_option


@click.command("graph")
@manifest_argument
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@set_option
@click.option(
    "--format", "form", type=click.Choice(["dot", "mermaid", "json", "svg"]), default="dot", show_default=True
)
def command(manifest: Path, form: str, **options: Any) -> int:
    """Print the graph of MANIFEST: chunks, stitches, commands, and what needs what."""
    from helios_pipe.graph.dag import digraph, generations
    from helios_pipe.pipeline.session import open_manifest
    from helios_pipe.report import drawing

    whole = digraph(open_manifest(make_request(manifest, **options)).graph)
    if form == "svg":
        from helios_pipe.report.svg import svg

        click.echo(svg(whole, generations(whole)))
        return 0
    click.echo({"dot": drawing.dot, "mermaid": drawing.mermaid, "json": drawing.as_json}[form](whole))
    return 0
