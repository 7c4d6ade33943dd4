"""`validate`: schema and meaning of a manifest, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helios_pipe.cli.options import json_option, manifest_argument, set_option
from helios_pipe.errors import HeliosPipeError

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command("validate")
@manifest_argument
@set_option
@json_option
@click.option("--strict", is_flag=True, help="Warnings are errors.")
def command(manifest: Path, overrides: Mapping[str, str], as_json: bool, strict: bool) -> int:
    """Check MANIFEST: every problem at once, each with file:line:column."""
    from helios_pipe.pipeline.checking import check

    try:
        checked = check(manifest, overrides)
    except HeliosPipeError as error:
        if not as_json:
            raise
        click.echo(json.dumps({"valid": False, "problems": _rows(error), "warnings": []}, ensure_ascii=False))
        return error.exit_code
    failed = strict and bool(checked.warnings)
    if as_json:
        text = {"valid": not failed, "problems": [], "warnings": list(checked.warnings)}
        click.echo(json.dumps(text, ensure_ascii=False))
    else:
        for warning in checked.warnings:
            click.echo(f"{'error' if strict else 'warning'}: {warning}", err=True)
        if not failed:
            click.echo(
                f"{manifest}: valid: {checked.jobs} job{'' if checked.jobs == 1 else 's'}, {checked.nodes} nodes"
            )
    return 2 if failed else 0


def _rows(error: HeliosPipeError) -> list[dict[str, Any]]:
    problems = getattr(error, "problems", None)
    if not problems:
        return [{"message": error.message}]
    return [
        {"file": p.file, "line": p.line, "column": p.column, "path": p.path, "message": p.message} for p in problems
    ]
