"""Why a command could not be started, and whose fault that is. Knows nothing of how it was tried."""

from __future__ import annotations

import errno
import os

from helios_pipe.errors import AdapterError, HeliosPipeError, TransientAdapterError
from helios_pipe.ports import FailureClass, WorkerJob, WorkerResult
from helios_pipe.worker.mask import masked
from helios_pipe.worker.programs import find_program

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_SHORT_OF = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY}


def no_output(job: WorkerJob, error: OSError) -> HeliosPipeError:
    """The error for a log or pipes that could not be opened."""
    if error.errno in _SHORT_OF:
        return TransientAdapterError(f"{job.command} cannot be started now: {error.strerror}")
    return AdapterError(f"the log {job.log} cannot be written: {error.strerror}")


def not_started(job: WorkerJob, error: OSError | ValueError) -> WorkerResult:
    """The result where the program is not there (127) or cannot be run (126), as a shell would say: the command's fault.
    Anything else is the machine's: raises TransientAdapterError, or AdapterError where there is no folder to run in."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _SHORT_OF:
        raise TransientAdapterError(f"{job.command} cannot be started now: {os.strerror(number or 0)}") from error
    if job.cwd is not None and not os.access(job.cwd, os.X_OK):
        raise AdapterError(f"there is no folder {job.cwd} to run {job.command} in, or it cannot be entered") from error
    code = _NOT_FOUND if number in (errno.ENOENT, errno.ENOTDIR) else _NOT_EXECUTABLE
    reason = masked(_why_not(job, number, error), job.mask)
    return WorkerResult(code, stderr=reason, failure=FailureClass.COMMAND, reason=reason)


def _why_not(job: WorkerJob, number: int | None, error: Exception) -> str:
    path = job.env.get("PATH", os.defpath)
    place = os.path.join(job.cwd or ".", job.command) if "/" in job.command else job.command
    if number in (errno.ENOENT, errno.ENOTDIR):
        if find_program(place, path):
            return f"{job.command}: the interpreter that its first line (#!) names does not exist"
        where = f"in {job.cwd or os.curdir}" if "/" in job.command else f"on PATH ({path})"
        return f"{job.command}: no such program {where}"
    if number == errno.EACCES:
        return f"{job.command}: not executable"
    if number == errno.ENOEXEC:
        return f"{job.command}: neither a program for this machine nor a script that begins with #!"
    if number == errno.E2BIG:
        return f"{job.command}: its arguments and environment are too long for the system: write them to a file"
    return f"{job.command}: cannot be run: {os.strerror(number) if number else error}"
