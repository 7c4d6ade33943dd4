"""Options that several commands share, and how they become a request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    _Command = TypeVar("_Command", bound=Callable[..., Any])


def manifest_argument(function: _Command) -> _Command:
    """MANIFEST."""
    return click.argument("manifest", type=click.Path(path_type=Path))(function)


def set_option(function: _Command) -> _Command:
    """--set NAME=VALUE."""
    return click.option(
        "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Set a variable of the manifest.",
        callback=_parse_overrides,
    )(function)  # fmt: skip


def cache_option(function: _Command) -> _Command:
    """--cache-dir DIR."""
    return click.option(
        "--cache-dir",
        metavar="DIR",
        help="Where results are kept [HELIOS_PIPE_CACHE_DIR; else .helios beside MANIFEST].",
    )(function)


def json_option(function: _Command) -> _Command:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Tell machines: JSON on stdout, nothing else there.")(
        function
    )


def deadline_option(function: _Command) -> _Command:
    """--deadline DURATION."""
    return click.option(
        "--deadline", "deadline_s", metavar="DURATION", callback=_parse_duration,
        help="Stop the whole run after so long (90s, 10m, 1h30m), as if it was paused.",
    )(function)  # fmt: skip


def cost_option(function: _Command) -> _Command:
    """--max-cost AMOUNT."""
    return click.option(
        "--max-cost", type=click.FloatRange(min=0), metavar="AMOUNT",
        help="Stop the run when it has cost so much, at the prices in its adapters' configuration.",
    )(function)  # fmt: skip


def _parse_duration(ctx: click.Context, _: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    from helios_pipe.manifest.units import UnitError, parse_duration

    try:
        return parse_duration(value)
    except UnitError as error:
        raise click.BadParameter(str(error), ctx) from error


def choice_options(function: _Command) -> _Command:
    """What `run` and `plan` have in common: which nodes, and how they are judged."""
    for decorate in (  # each goes before the last one
        click.argument("jobs", nargs=-1, metavar="[JOB]..."),
        manifest_argument,
        set_option,
        click.option("--adapter", metavar="NAME", help="Run chunks and commands there, whatever the manifest says."),
        click.option("-f", "--force", is_flag=True, help="Make everything again; new results replace recorded ones."),
        click.option("--force-node", "force_nodes", multiple=True, metavar="GLOB", help="Make these nodes again."),
        click.option("--no-stitch", is_flag=True, help="Leave the stitches out."),
        click.option("--keep-merge", is_flag=True, help="Join a Helios job's chunks with its own merge command."),
        click.option("--strict", is_flag=True, help="Warnings of the manifest are errors."),
        cache_option,
        json_option,
    ):
        function = decorate(function)
    return function


def _parse_overrides(ctx: click.Context, _: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", ctx)
        found[name] = value
    return found
