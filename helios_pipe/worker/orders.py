"""Runs one of our orders: inputs fetched, the command in a clean workspace, the output checked and left in the store.
Knows nothing of requests or of how the answer is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event

from helios_pipe.action.model import Action, Tree
from helios_pipe.errors import BlobDamagedError, OutputError, StaleInputError
from helios_pipe.ports import BlobStore, FailureClass, WorkerJob, WorkerResult
from helios_pipe.worker.access import passed_on
from helios_pipe.worker.deadline import Deadline
from helios_pipe.worker.environment import command_environment, secret_values
from helios_pipe.worker.fetch import Library
from helios_pipe.worker.leave import leave_log, leave_output
from helios_pipe.worker.outputs import check_output
from helios_pipe.worker.process import run_process
from helios_pipe.worker.rooms import Rooms
from helios_pipe.worker.spec import Order
from helios_pipe.worker.tools import WorkerTools
from helios_pipe.worker.warm import WarmBlobs, room
from helios_pipe.worker.workspace import Workspace

TAIL_BYTES = 48 << 10
"""Of each stream in an answer. Twice this, escaped twice as JSON at its worst, is below Lambda's 6 MB."""


class OrderRunner:
    """Runs orders below `folder`. which is this process's own. Thread-safe: each has a workspace of its own. `environment` is
    the worker's."""

    def __init__(
        self,
        folder: Path,
        blobs: BlobStore,
        library: Library,
        environment: Mapping[str, str],
        path: str,
        limit_bytes: int | None = None,
    ) -> None:
        self._blobs = blobs
        self._library = library
        self._environment = environment
        self._path = path
        self._folder = folder
        self._tools = WorkerTools(path)
        self._serial = count()
        limit = limit_bytes if limit_bytes is not None else room(folder)
        self._warm = WarmBlobs(folder / "blobs", blobs, limit)
        self._rooms = Rooms(folder / "rooms", self._warm.locate, limit)

    def close(self) -> None:
        """Remove what is only of use to this process. Nothing may run any more."""
        self._rooms.close()

    def run(self, order: Order, deadline: Deadline, cancel: Event | None = None) -> WorkerResult:
        """Run it to its end, or until there is just time to report. Raises AdapterError, ToolError, UsageError where this
        worker cannot run it at all, StoreError where content cannot be had or left."""
        passed_on((*order.action.pass_env, *order.action.secrets), order.action.node)
        tools = self._tools.check(order.action.tools)
        shared, extra = self._library.tree(order.shared), self._library.tree(order.extra)
        action = order.action._replace(shared=shared, extra=extra)
        with self._workspace(action) as workspace, self._log() as log:
            result = self._execute(action, workspace, log, deadline, cancel)
            if result.failure is None:
                result = self._take_in(action, workspace, result)
            return result._replace(tools=tools, log=leave_log(log, self._blobs, TAIL_BYTES))

    @contextmanager
    def _workspace(self, action: Action) -> Iterator[Workspace]:
        entries = (*action.shared.entries, *action.extra.entries)
        with self._warm.hold(entries):
            try:
                with self._rooms.workspace(action) as workspace:
                    yield workspace
            except BlobDamagedError:
                self._forget_damaged(Tree(entries))
                raise

    @contextmanager
    def _log(self) -> Iterator[Path]:
        path = self._folder / f"log-{os.getpid()}-{next(self._serial)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _execute(
        self, action: Action, workspace: Workspace, log: Path, deadline: Deadline, cancel: Event | None
    ) -> WorkerResult:
        wanted, left = action.limits.timeout_s, deadline.for_command_s()
        timeout = min((t for t in (wanted, left) if t is not None), default=None)
        job = WorkerJob(
            action.argv[0],
            action.argv[1:],
            command_environment(action, self._environment, workspace.home, self._path),
            workspace.folder,
            timeout,
            action.limits.stall_timeout_s,
            log,
            on_stdout=_no_one,  # which keeps the two streams apart
            cancel=cancel,
            mask=secret_values(action, self._environment),
        )
        result = run_process(job, grace_s=deadline.grace_s, tail_bytes=TAIL_BYTES)
        ended_by_us = timeout is not None and result.duration_ms >= timeout * 1000
        if ended_by_us and timeout != wanted and result.failure is FailureClass.COMMAND:
            reason = (
                f"was ended after {timeout:.1f} s, {deadline.margin_s:.1f} s before this worker's own time limit:"
                " give the worker more time, or make the chunks smaller"
            )
            return result._replace(reason=reason)
        return result

    def _take_in(self, action: Action, workspace: Workspace, result: WorkerResult) -> WorkerResult:
        """Check what the command left, and leave it in the store."""
        try:
            workspace.check()
            check_output(workspace.output, action.output)
            return result._replace(artifacts=(leave_output(Path(workspace.output), action.output, self._blobs),))
        except StaleInputError as error:
            return result._replace(failure=FailureClass.INFRASTRUCTURE, reason=str(error))
        except OutputError as error:
            return result._replace(failure=FailureClass.COMMAND, reason=str(error))

    def _forget_damaged(self, tree: Tree) -> None:
        from helios_pipe.digest import digest_file

        for entry in tree.entries:
            try:
                right = digest_file(self._warm.locate(entry.digest)) == entry.digest
            except OSError:
                right = False
            if not right:
                self._warm.discard(entry.digest)


def _no_one(text: str) -> None:
    """Nobody listens to a remote command while it runs."""
