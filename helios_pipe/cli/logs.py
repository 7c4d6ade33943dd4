"""`logs`: what a job's commands printed, or print now."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from helios_pipe.cli.board import job_options, open_board, view_of
from helios_pipe.errors import UsageError

if TYPE_CHECKING:
    from helios_pipe.jobs.board import Board, JobView
    from helios_pipe.jobs.follow import Piece
    from helios_pipe.jobs.nodes import Log


@click.command("logs")
@job_options
@click.argument("node", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as it comes, until the node is made or the job stops.")
@click.option("-n", "--lines", type=click.IntRange(min=1), metavar="N", help="Only the last N lines of each.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="That attempt, not the last one.")
def command(
    job: str,
    node: str | None,
    cache_dir: str | None,
    as_json: bool,
    follow: bool,
    lines: int | None,
    attempt: int | None,
) -> int:
    """Print what the failed nodes of JOB printed, or what NODE did. With -f: what they print now."""
    with open_board(cache_dir, job) as board:
        view = view_of(board, job)
        if node is not None:
            _check(board, view, node, follow=follow)
        if follow:
            _follow(board, view, node, as_json=as_json)
            return 0
        logs = _chosen(board, view, node, attempt)
        for log in logs:
            _print(log, lines, as_json=as_json, head=node is None)
    return 0


def _check(board: Board, view: JobView, node: str, *, follow: bool) -> None:
    """Refuse a node that nothing is known of; one that is followed may come yet."""
    from difflib import get_close_matches

    from helios_pipe.jobs.nodes import names_of

    names = names_of(board, view)
    if node in names or (follow and view.going):
        return
    near = get_close_matches(node, names, n=1, cutoff=0.5)
    shown = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"nothing is known of a node {node!r} of {view.id}{shown}")


def _chosen(board: Board, view: JobView, node: str | None, attempt: int | None) -> list[Log]:
    from helios_pipe.jobs.nodes import failed_logs, logs_of

    if node is None:
        logs = failed_logs(board, view)
        if not logs:
            click.echo(f"{view.id}: no node failed in run {view.record.id}; name a NODE, or follow with -f", err=True)
        return logs
    logs = logs_of(board, view, node)
    if attempt is not None:
        found = [log for log in logs if log.attempt == attempt]
        if not found:
            known = ", ".join(str(log.attempt) for log in logs) or "none"
            raise UsageError(f"{node} has no attempt {attempt}; there are: {known}")
        return found
    if not logs:
        click.echo(f"{node} was found in the cache, and not run by this job", err=True)
    return logs[-1:]


def _print(log: Log, lines: int | None, *, as_json: bool, head: bool) -> None:
    from helios_pipe.jobs.follow import Piece, read_log
    from helios_pipe.report.jobs import log_head

    if head and not as_json:
        click.echo(log_head(log._asdict()))
    pieces = (Piece(log.node, log.attempt, data, False) for data in read_log(log, lines))
    if _write(pieces, as_json=as_json) == 0 and not as_json:
        click.echo(f"{log.node} printed nothing", err=True)


def _follow(board: Board, view: JobView, node: str | None, *, as_json: bool) -> None:
    from helios_pipe.jobs.follow import follow_all, follow_node
    from helios_pipe.report.streams import Lines

    if node is not None or as_json:
        _write(follow_node(board, view.id, node) if node is not None else follow_all(board, view.id), as_json=as_json)
        return
    streams: dict[tuple[str, int], Lines] = {}
    for piece in follow_all(board, view.id):
        stream = streams.setdefault((piece.node, piece.attempt), Lines())
        for line in stream.feed(piece.data, final=piece.final):
            click.echo(f"{piece.node} | {line}")
        if piece.final:
            del streams[piece.node, piece.attempt]
        sys.stdout.flush()


def _write(pieces: Iterable[Piece], *, as_json: bool) -> int:
    """Write them as they come: bytes as they are to a pipe, what is fit for it to a terminal. Returns how many bytes."""
    written = 0
    for text, size in _texts(pieces, as_json=as_json, terminal=sys.stdout.isatty()):
        if isinstance(text, bytes):
            sys.stdout.buffer.write(text)
        else:
            sys.stdout.write(text)
        sys.stdout.flush()
        written += size
    return written


def _texts(pieces: Iterable[Piece], *, as_json: bool, terminal: bool) -> Iterator[tuple[str | bytes, int]]:
    from helios_pipe.report.streams import Printable

    decoders: dict[tuple[str, int], Printable] = {}
    for piece in pieces:
        if not as_json and not terminal:
            yield piece.data, len(piece.data)
            continue
        decoder = decoders.setdefault((piece.node, piece.attempt), Printable())
        text = decoder.feed(piece.data, final=piece.final)
        if as_json:
            line = {"event": "output", "node": piece.node, "attempt": piece.attempt, "text": text}
            text = json.dumps(line, ensure_ascii=False) + "\n" if text else ""
        yield text, len(piece.data)
