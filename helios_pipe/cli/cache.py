"""`cache`: looking after the store of results."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helios_pipe import settings
from helios_pipe.cli.asking import make_request
from helios_pipe.cli.board import job_options, open_board, view_of
from helios_pipe.cli.options import cache_option, json_option, manifest_argument, set_option
from helios_pipe.report import texts

if TYPE_CHECKING:
    from helios_pipe.cache.gc import Collector


@click.group("cache")
def command() -> None:
    """Look after the store of results: that of this folder, or of --cache-dir."""


@command.command("path")
@cache_option
def path(cache_dir: str | None) -> int:
    """Print where it is."""
    click.echo(str(settings.cache_dir(Path.cwd(), cache_dir)))
    return 0


@command.command("stats")
@cache_option
@json_option
def stats(cache_dir: str | None, as_json: bool) -> int:
    """Count results and bytes, and the render time that they stand for."""
    with _collector(cache_dir) as collector:
        found = collector.stats()
    if as_json:
        click.echo(json.dumps(found._asdict()))
    else:
        click.echo(
            f"{found.results} results ({found.roots} of them the last of some node, or pinned), {found.blobs} blobs"
        )
        click.echo(f"{texts.size(found.size)}, standing for {texts.duration(found.render_s)} of rendering")
    return 0


@command.command("gc")
@cache_option
@json_option
@click.option("--max-size", metavar="SIZE", callback=lambda _, __, v: _size(v), help="Keep no more, as in 20GB.")
@click.option("--max-age", metavar="AGE", callback=lambda _, __, v: _age(v), help="Keep nothing older, as in 30d.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would go, and take nothing away.")
def gc(cache_dir: str | None, as_json: bool, max_size: int | None, max_age: float | None, dry_run: bool) -> int:
    """Make room. What a node was last always stays, and what is pinned; the rest goes by fewest render seconds a byte."""
    with _collector(cache_dir) as collector:
        gone = collector.collect(time.time(), max_size=max_size, max_age_s=max_age, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(gone._asdict()))
    else:
        verb = "would go" if dry_run else "gone"
        click.echo(
            f"{verb}: {gone.results} results standing for {texts.duration(gone.duration_s)} of rendering, "
            f"{gone.orphans} blobs of {texts.size(gone.size)}; kept: {gone.kept} results, {texts.size(gone.kept_size)}"
        )
    return 0


@command.command("verify")
@cache_option
@json_option
def verify(cache_dir: str | None, as_json: bool) -> int:
    """Read every blob. Damaged ones are removed, and made again when they are needed."""
    with _collector(cache_dir) as collector:
        damaged = collector.verify()
    if as_json:
        click.echo(json.dumps({"damaged": damaged}))
    else:
        for digest in damaged:
            click.echo(f"damaged, removed: {digest}")
        click.echo(f"{len(damaged)} damaged" if damaged else "every blob is what its name says")
    return 1 if damaged else 0


@command.command("pin")
@job_options
@click.argument("name")
def pin(job: str, name: str, cache_dir: str | None, as_json: bool) -> int:
    """Have what JOB was made of stay under NAME, whatever becomes of JOB: a version that was delivered, say."""
    from helios_pipe.cache import pins

    with open_board(cache_dir, job) as board:
        made = pins.pin(board.database, name, view_of(board, job).id, time.time())
    click.echo(json.dumps(made._asdict()) if as_json else f"{name}: {made.results} results of {made.job} stay")
    return 0


@command.command("unpin")
@click.argument("name")
@cache_option
def unpin(name: str, cache_dir: str | None) -> int:
    """Let go of what was pinned under NAME. It stays until `cache gc` takes it away."""
    from helios_pipe.cache import pins

    with open_board(cache_dir) as board:
        count = pins.unpin(board.database, name)
    click.echo(f"{name}: {count} results need not stay any more")
    return 0


@command.command("pins")
@cache_option
@json_option
def list_pins(cache_dir: str | None, as_json: bool) -> int:
    """List what was pinned."""
    from helios_pipe.cache.pins import pins
    from helios_pipe.jobs.board import iso
    from helios_pipe.report.jobs import clock_time, table

    with open_board(cache_dir) as board:
        found = [{**pin._asdict(), "time": iso(pin.time)} for pin in pins(board.database)]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif found:
        rows = [[p["name"], p["job"], str(p["results"]), str(p["lost"] or ""), clock_time(p["time"])] for p in found]
        click.echo("\n".join(table([["pin", "job", "results", "lost", "since"], *rows])))
    return 0


@command.command("push")
@manifest_argument
@set_option
@cache_option
def push(manifest: Path, **options: Any) -> int:
    """Give what MANIFEST has in this cache to its remote one."""
    from helios_pipe.pipeline.sharing import push_all

    pushed, known = push_all(make_request(manifest, **options), _warn)
    click.echo(f"{pushed} results pushed; {known - pushed} were there")
    return 0


@command.command("pull")
@manifest_argument
@set_option
@cache_option
def pull(manifest: Path, **options: Any) -> int:
    """Bring what the remote cache has of MANIFEST into this one."""
    from helios_pipe.pipeline.sharing import pull_all

    have, total = pull_all(make_request(manifest, **options), _warn)
    click.echo(f"{have} of {total} nodes are in the cache now")
    return 0


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)


@contextmanager
def _collector(cache_dir: str | None) -> Iterator[Collector]:
    from helios_pipe.cache.backlog import open_database
    from helios_pipe.cache.blobs import Blobs
    from helios_pipe.cache.gc import Collector
    from helios_pipe.errors import UsageError
    from helios_pipe.jobs.journal import Journal
    from helios_pipe.jobs.live import live_since

    folder = settings.cache_dir(Path.cwd(), cache_dir)
    if not folder.is_dir():
        raise UsageError(f"there is no cache in {folder}", hint="Go to the manifest's folder, or give --cache-dir.")
    database = open_database(folder)
    try:
        yield Collector(database, Blobs(folder), live_since(folder, Journal(database)))
    finally:
        database.close()


_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    number = text.rstrip("BbKkMmGgTtIi ")
    unit = text[len(number) :].strip().upper()
    unit = unit if unit.endswith("B") or not unit else f"{unit}B"
    try:
        return int(float(number) * _SIZES[unit])
    except (ValueError, KeyError):
        raise click.BadParameter(f"{text!r} is no size; expected something like 500MB or 20GB") from None


def _age(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text[:-1]) * _AGES[text[-1:]]
    except (ValueError, KeyError):
        raise click.BadParameter(f"{text!r} is no age; expected something like 12h or 30d") from None
