"""`doctor`: what is installed, reachable and missing."""

from __future__ import annotations

import json
from pathlib import Path

import click

from helios_pipe.cli.options import cache_option, json_option
from helios_pipe.errors import UsageError

_SIGNS = {"ok": "ok  ", "note": "note", "fail": "FAIL"}


@click.command("doctor")
@click.argument("manifest", type=click.Path(path_type=Path), required=False)
@click.option("--adapter", metavar="NAME", help="Look at this adapter of MANIFEST, too.")
@cache_option
@json_option
def command(manifest: Path | None, adapter: str | None, cache_dir: str | None, as_json: bool) -> int:
    """Look at this machine, and at what MANIFEST needs of it; say of each fault what to do."""
    from helios_pipe.pipeline.doctoring import examine

    if adapter is not None and manifest is None:
        manifest = Path("render.yaml")
    codes = [0]
    for finding in examine(manifest, adapter, cache_dir):
        if finding.state == "fail":
            codes.append(finding.exit_code)
        if as_json:
            row = {name: value for name, value in finding._asdict().items() if name != "exit_code"}
            click.echo(json.dumps(row, ensure_ascii=False))
            continue
        click.echo(f"{_SIGNS[finding.state]}  {finding.name}: {finding.detail}")
        if finding.advice:
            click.echo(f"      {finding.advice}")
    # What was asked is to be put right first.
    return UsageError.exit_code if UsageError.exit_code in codes else max(codes)
