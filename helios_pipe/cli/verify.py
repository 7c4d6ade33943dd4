"""`verify`: prove a joined file, chunks, or a whole job, at any time after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helios_pipe.cli.asking import make_request
from helios_pipe.cli.options import cache_option, json_option, set_option
from helios_pipe.errors import UsageError

if TYPE_CHECKING:
    from helios_pipe.pipeline.request import Request
    from helios_pipe.pipeline.verifying import Verdict

_MANIFESTS = (".yaml", ".yml", ".json")


@click.command("verify")
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--full", is_flag=True, help="Decode every frame, not only those on both sides of seams.")
@click.option("--proof", type=click.Path(path_type=Path), help="FILE's proof [FILE.proof.json].")
@click.option("--rerender", type=click.IntRange(min=1), metavar="N", help="Make N cached chunks of MANIFEST again.")
@click.option("--whole", is_flag=True, help="Make each job of MANIFEST as one chunk, and compare frames.")
@click.option("--adapter", metavar="NAME", help="Where to make things again.")
@set_option
@cache_option
@json_option
def command(
    target: Path,
    jobs: tuple[str, ...],
    full: bool,
    proof: Path | None,
    rerender: int | None,
    whole: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Prove FILE against its proof and chunks, or what MANIFEST makes. Exits with 1 where there is a difference."""
    failed = False
    for verdict in _verdicts(target, jobs, full=full, proof=proof, rerender=rerender, whole=whole, **options):
        failed |= not verdict.ok
        click.echo(json.dumps(verdict._asdict(), ensure_ascii=False) if as_json else _text(verdict))
    return 1 if failed else 0


def _verdicts(
    target: Path,
    jobs: tuple[str, ...],
    *,
    full: bool,
    proof: Path | None,
    rerender: int | None,
    whole: bool,
    **options: Any,
) -> Iterator[Verdict]:
    if target.suffix.lower() in _MANIFESTS:
        yield from _of_manifest(make_request(target, jobs=jobs, **options), full=full, rerender=rerender, whole=whole)
        return
    if rerender or whole or jobs:
        raise UsageError(f"{target} is no manifest: --rerender, --whole and JOB need one")
    if not target.exists():
        raise UsageError(f"there is no file {target}")
    from helios_pipe.pipeline.verifying import nearest_cache, verify_output

    yield verify_output(target, nearest_cache(target, options["cache_dir"]), full=full, proof=proof)


def _of_manifest(request: Request, *, full: bool, rerender: int | None, whole: bool) -> Iterator[Verdict]:
    from helios_pipe.pipeline import verifying
    from helios_pipe.pipeline.session import Session, open_manifest

    session = Session(request, open_manifest(request))
    try:
        if rerender:
            yield from verifying.rerender(session, rerender)
        if whole:
            yield from verifying.whole(session)
        if not rerender and not whole:
            yield from verifying.verify_outputs(session, full=full)
    finally:
        session.close()


def _text(verdict: Verdict) -> str:
    where = f", first bad frame {verdict.frame}" if verdict.frame is not None else ""
    lines = [f"{'ok  ' if verdict.ok else 'FAIL'}  {verdict.subject}: {verdict.detail}{where}"]
    return "\n".join([*lines, *(f"      {line}" for text in verdict.problems for line in text.splitlines())])
