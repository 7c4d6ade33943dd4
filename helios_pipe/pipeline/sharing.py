"""A manifest's results and the remote cache: all of them there, or all of them here. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from helios_pipe.engine.work import GOOD
from helios_pipe.errors import StoreError, UsageError
from helios_pipe.pipeline.request import Request
from helios_pipe.pipeline.session import Session, open_manifest
from helios_pipe.stores.shared import SharedCache


def push_all(request: Request, warn: Callable[[str], None]) -> tuple[int, int]:
    """Push every result of the manifest's nodes. Returns how many were new there, and how many there are."""
    with _session(request, warn) as (session, shared):
        session.plan()
        keys = [task.key for work in session.works for task in work.tasks() if task.state in GOOD and task.key]
        found = list(session.results.find(list(dict.fromkeys(keys))).values())
        return shared.push(found), len(found)


def pull_all(request: Request, warn: Callable[[str], None]) -> tuple[int, int]:
    """Bring every result of the manifest's nodes that the remote cache has. Returns how many nodes are here then, and how
    many there are."""
    with _session(request, warn) as (session, _):
        session.fetches = True
        rows = session.plan()
        return sum(row.action == "cached" for row in rows), len(rows)


@contextmanager
def _session(request: Request, warn: Callable[[str], None]) -> Iterator[tuple[Session, SharedCache]]:
    session = Session(request, open_manifest(request))
    try:
        if (shared := session.shared) is None:
            raise UsageError("the manifest names no remote cache", hint="Say `cache: {remote: URL}`.")

        def tell(text: str) -> None:
            if shared.failed:  # in a run it is left alone then; here it is all that was asked for
                raise StoreError(text)
            warn(text)

        session.warn = tell
        yield session, shared
    finally:
        session.close()
