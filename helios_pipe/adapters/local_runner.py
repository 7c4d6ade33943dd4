"""One attempt at an action on this machine: a clean workspace, the command, the output checked and taken in. Knows nothing
of plans, keys or records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from threading import Event

from helios_pipe.action.model import Action, Join, Step, ToolMark
from helios_pipe.adapters.local_logs import Log, LogPath, Logs
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import Digest
from helios_pipe.errors import (
    BlobDamagedError,
    BlobMissingError,
    HeliosPipeError,
    OutputError,
    StaleInputError,
    ToolError,
    UnusableError,
)
from helios_pipe.ports import FailureClass, Outcome, Rest, WorkerAdapter, WorkerJob, WorkerResult
from helios_pipe.transfer import free_bytes
from helios_pipe.worker.environment import command_environment, secret_values
from helios_pipe.worker.outputs import check_output
from helios_pipe.worker.tools import WorkerTools
from helios_pipe.worker.workspace import Workspace
from helios_pipe.worker.workspaces import Workspaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LEAST_ROOM = 1 << 20
"""With less room than this on the disk, failed workspaces are not kept: the journal needs it more."""


class LocalRunner:
    """Runs actions through a WorkerAdapter that shares our files. Thread-safe."""

    def __init__(
        self,
        workspaces: Workspaces,
        adapter: WorkerAdapter,
        blobs: Blobs,
        locate: Callable[[Digest], Path],
        caller: Mapping[str, str],
        path: str,
        log_path: LogPath,
        kept: Path,
    ) -> None:
        self._workspaces = workspaces
        self._adapter = adapter
        self._blobs = blobs
        self._locate = locate
        self._caller = dict(caller)  # the process's own is a slow mapping
        self._path = path
        self._tools = WorkerTools(path)
        self._logs = Logs(log_path, workspaces.folder)
        self._kept = kept

    prepares = False

    def prepare(self, steps: Iterable[Step]) -> None:
        """See ActionRunner. Each step is prepared when it comes."""

    @property
    def relay(self) -> LocalRunner | None:
        """See ActionRunner."""
        return self if getattr(self._adapter.capabilities, "tells_start", False) else None

    def run(self, step: Step, attempt: int, cancel: Event) -> Outcome:
        """See ActionRunner."""
        came = self.begin(step, attempt, cancel)
        return came if isinstance(came, Outcome) else came()

    def begin(
        self, step: Step, attempt: int, cancel: Event, running: Callable[[], None] | None = None
    ) -> Outcome | Rest:
        """See RelayRunner. Folders are taken in at once: what is wrong with one may be the command's fault."""
        if isinstance(step, Join):
            raise TypeError(f"{step.node} is a join, not a command")
        try:
            self._tools.check_pins(mark for mark in step.tools if mark.pinned and _uses(step, mark))
        except ToolError as error:
            return Outcome(failure=FailureClass.FATAL, reason=str(error))
        try:
            workspace = self._workspaces.open(step)
        except (BlobMissingError, BlobDamagedError, StaleInputError) as error:
            return self._no_inputs(step, error)
        log, came = None, None
        try:
            log = self._logs.open(step.node, attempt)
            came = self._attempt(step, attempt, cancel, workspace, log, running)
            if isinstance(came, Outcome) and came.digest is None and came.failure is FailureClass.COMMAND:
                return self._keep(step, workspace, came)
            return came
        finally:
            if came is None or isinstance(came, Outcome):
                _end(workspace, log)

    def close(self) -> None:
        """See ActionRunner."""
        self._logs.clear()
        self._workspaces.close()

    def _attempt(
        self, action: Action, attempt: int, cancel: Event, workspace: Workspace, log: Log,
        running: Callable[[], None] | None,
    ) -> Outcome | Rest:  # fmt: skip
        result = self._adapter.execute(self._job(action, attempt, cancel, workspace, log, running))
        common = {
            "exit_code": result.exit_code, "duration_s": result.duration_ms / 1000, "memory_mb": result.memory_mb,
            "tail": result.stderr or result.stdout, "log": log.kept(),
        }  # fmt: skip
        if result.failure is not None or result.exit_code != 0:
            failure = result.failure or FailureClass.COMMAND
            return Outcome(failure=failure, reason=_reason(result), **common)  # type: ignore[arg-type]
        try:
            workspace.check()
            check_output(workspace.output, action.output)
            if not action.output.folder:
                return partial(self._take_in, workspace, log, common)
            blob = self._blobs.adopt_folder(workspace.output)
        except StaleInputError as error:
            if action.workspace == "project" or attempt > 1:  # not a copy of ours that can be made again
                return Outcome(failure=FailureClass.FATAL, reason=str(error), stale=True, **common)  # type: ignore[arg-type]
            return Outcome(failure=FailureClass.INFRASTRUCTURE, reason=str(error), **common)  # type: ignore[arg-type]
        except OutputError as error:
            return Outcome(failure=FailureClass.COMMAND, reason=str(error), **common)  # type: ignore[arg-type]
        return Outcome(blob.digest, blob.folder, blob.mark, **common)  # type: ignore[arg-type]

    def _job(
        self, action: Action, attempt: int, cancel: Event, workspace: Workspace, log: Log,
        running: Callable[[], None] | None,
    ) -> WorkerJob:  # fmt: skip
        environment = command_environment(action, self._caller, workspace.home, self._path)
        argv = workspace.real_argv(action)
        return WorkerJob(
            argv[0], argv[1:], environment, workspace.folder, action.limits.timeout_s, action.limits.stall_timeout_s,
            log.place, cancel=cancel, on_tick=log.show, mask=secret_values(action, self._caller),
            meta={"node": action.node, "attempt": attempt}, log_opened=log.descriptor(), on_start=running,
        )  # fmt: skip

    def _take_in(self, workspace: Workspace, log: Log, common: Mapping[str, Any]) -> Outcome:
        """Take in the file that a command has left, and end its workspace. Raises StoreError."""
        try:
            blob = self._blobs.adopt(workspace.output)
            workspace.taken = True
            return Outcome(blob.digest, blob.folder, blob.mark, **common)
        except FileNotFoundError:  # by something that the command has left running
            name = workspace.output.rpartition("/")[2]
            reason = f"its output {name} was there, and was taken away before it was stored"
            return Outcome(failure=FailureClass.INFRASTRUCTURE, reason=reason, **common)
        finally:
            _end(workspace, log)

    def _no_inputs(self, action: Action, error: HeliosPipeError) -> Outcome:
        """The inputs are not what they were when they were hashed: blobs can be made again, sources are the user's."""
        if isinstance(error, StaleInputError):
            return Outcome(failure=FailureClass.FATAL, reason=str(error), stale=True)
        entries = (*action.shared.entries, *action.extra.entries)
        damaged = tuple(entry.digest for entry in entries if self._is_damaged(entry.digest))
        return Outcome(failure=FailureClass.INFRASTRUCTURE, reason=str(error), damaged=damaged)

    def _is_damaged(self, digest: Digest) -> bool:
        try:
            place = self._locate(digest)
        except BlobMissingError:
            return True
        return place.is_relative_to(self._blobs.folder) and not self._blobs.intact(digest)

    def _keep(self, action: Action, workspace: Workspace, outcome: Outcome) -> Outcome:
        room = free_bytes(workspace.output)  # while what the command has written is still there
        outcome = outcome._replace(room=room)
        if room < _LEAST_ROOM:
            workspace.discard()
            return outcome
        try:
            folder = workspace.keep(self._kept / action.node)
        except UnusableError:
            return outcome  # why the command failed is the news, not that nobody can look at its folder
        place = folder if action.workspace == "isolated" else workspace.cwd
        argv = workspace.real_argv(action, f"{folder}/{action.output.name}")
        return outcome._replace(kept=folder, repeat=_repeat(place, action, argv))


def _end(workspace: Workspace, log: Log | None) -> None:
    workspace.discard()
    if log is not None:
        log.close(alone=workspace.given_on)


def _uses(action: Action, mark: ToolMark) -> bool:
    """Whether a command speaks of a tool: each one is declared for all commands, wherever they run."""
    return any(mark.name in word for word in action.argv)


def _repeat(folder: Path, action: Action, argv: tuple[str, ...]) -> str:
    """The command line that runs the action again in this folder."""
    import shlex

    variables = "".join(f"{name}={shlex.quote(value)} " for name, value in action.env)
    return f"cd {shlex.quote(str(folder))} && {variables}{shlex.join(argv)}"


def _reason(result: WorkerResult) -> str:
    return result.reason or f"exit code {result.exit_code}"
