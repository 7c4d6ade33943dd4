"""What the commands about jobs have in common: JOB, the cache it is in, and answers for people and machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from helios_pipe.cli.options import json_option
from helios_pipe.errors import UsageError

if TYPE_CHECKING:
    from helios_pipe.jobs.board import Board, JobView

_Command = TypeVar("_Command", bound=Callable[..., Any])


def job_options(function: _Command) -> _Command:
    """JOB, --cache-dir, --json."""
    for decorate in (
        click.argument("job", metavar="JOB"),
        click.option(
            "--cache-dir", metavar="DIR",
            help="The cache that JOB is in [HELIOS_PIPE_CACHE_DIR; else .helios here, or above].",
        ),
        json_option,
    ):  # fmt: skip
        function = decorate(function)
    return function


@contextmanager
def open_board(cache_dir: str | None, word: str | None = None) -> Iterator[Board]:
    """The jobs of the cache that is meant. Raises UsageError where there is none."""
    from helios_pipe.jobs.board import Board
    from helios_pipe.jobs.locate import find_cache

    board = Board(find_cache(cache_dir, word))
    try:
        yield board
    finally:
        board.close()


def view_of(board: Board, word: str) -> JobView:
    """The job that is meant: an id, a name, the beginning of an id, or a manifest. Raises UsageError."""
    view = board.view(board.find(word))
    if view is None:
        raise UsageError(f"job {word!r} was deleted just now")
    return view


def answer(view: JobView | None, text: str, *, as_json: bool, **more: object) -> None:
    """Say how a job stands after what was done."""
    if not as_json:
        click.echo(text)
        return
    state: Mapping[str, Any] = {} if view is None else {"job": view.id, "state": str(view.state), "asked": view.asked}
    click.echo(json.dumps({**state, **more, "message": text}, ensure_ascii=False))
