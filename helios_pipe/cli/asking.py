"""From a command's options to a request, and `run` as its options have it. Knows nothing of how they are spelled."""

from __future__ import annotations

from pathlib import Path

from helios_pipe.ahead import Ahead
from helios_pipe.pipeline.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def make_request(manifest: Path, **options: Any) -> Request:
    """The request that these options spell."""
    if "no_stitch" in options:
        options["stitch"] = not options.pop("no_stitch")
    return Request(manifest=manifest, **options)


def run_as_asked(
    manifest: Path,
    *,
    ahead: Ahead | None = None,
    as_json: bool = False,
    dry_run: bool = False,
    no_wait: bool = False,
    detach: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    **options: Any,
) -> int:
    """`run`; returns the exit code. `ahead` is what was found out already."""
    if dry_run:
        from helios_pipe.cli.plan import show_plan

        for name in ("concurrency", "keep_going", "durable", "deadline_s", "max_cost"):
            options.pop(name, None)
        return show_plan(manifest, as_json=as_json, **options)
    request = make_request(manifest, wait=not no_wait, **options)
    if detach:
        from helios_pipe.cli.detach import run_detached

        return run_detached(request, as_json=as_json)
    from helios_pipe.cli.running import tell_machines, tell_people

    if as_json:
        return tell_machines(request, ahead=ahead)
    return tell_people(request, quiet=quiet, verbose=verbose, ahead=ahead)
