"""Runs one command to its end, or ends it. Knows nothing of workspaces, actions or caches.

    start ──▶ wait ──▶ exited ───────────────▶ end what is left of its group ──▶ result
               │                                            ▲
               └──▶ out of time, silent, cancelled ──▶ TERM, grace, KILL

A command whose parent is killed outright goes on as an orphan: it writes to a workspace that nobody uses again.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections.abc import Callable
from resource import RUSAGE_SELF, getrusage

from helios_pipe.errors import AdapterError
from helios_pipe.ports import FailureClass, WorkerJob, WorkerResult
from helios_pipe.tuples import NamedTuple
from helios_pipe.worker.group import Group, ask_to_end
from helios_pipe.worker.mask import masked
from helios_pipe.worker.output import Direct, Pump, Tails
from helios_pipe.worker.spawn import Born, spawn
from helios_pipe.worker.unstarted import no_output, not_started

_TICK_S = 0.05
_NO_PIDFD_TICK_S = 0.01
_LEFT_OVER_GRACE_S = 1.0
"""What a command leaves running in its group when it ends gets this long, or the caller's grace where that is shorter."""
_KILL_LIMIT_S = 30.0
"""A killed process can hang in the kernel (a dead network share). After this we say so."""
_INTERRUPTED = 130


class _Stop(NamedTuple):
    """Why we end a command."""

    failure: FailureClass
    reason: str


def run_process(job: WorkerJob, *, grace_s: float = 5.0, tail_bytes: int = 65536) -> WorkerResult:
    """Run the job's command to its end, in a session of its own, without a shell, with nothing on stdin, with exactly its
    environment and no descriptors but the three. Blocking; safe in several threads at once. When it returns, or raises,
    nothing of the command's group runs any more.

    With a log, no callbacks and no mask, the command writes to the log itself: `stdout` is then the tail of both streams.
    Otherwise they are read here, in the calling thread, and callbacks are called in it: a slow one holds the command up.

    A program that cannot be started is a result (127, 126). Raises AdapterError where there is no folder to run in or a
    process cannot be killed, TransientAdapterError where the machine is short of processes, descriptors or memory."""
    if job.cancel is not None and job.cancel.is_set():
        return WorkerResult(_INTERRUPTED, failure=FailureClass.CANCELLED, reason="cancelled before it started")
    began = time.monotonic()
    output, born = _open_output(job, tail_bytes), Born()
    running: _Running | None = None
    try:
        try:
            _start(job, output, born)
        except (OSError, ValueError) as error:
            output.finish()
            return not_started(job, error)
        output.started()
        running = _Running(born.pid, job.command, output)
        if job.on_start is not None:
            began += _took(job.on_start)
        stop = running.wait(_Limits(job, output, began))
        running.end(min(grace_s, _LEFT_OVER_GRACE_S) if stop is None else grace_s)
        return _result(job, running, stop, output.finish(), began)
    finally:
        try:
            if running is None and born.pid:  # interrupted before we could look after it
                running = _Running(born.pid, job.command, output)
            if running is not None:
                running.close()
        finally:
            output.close()


def _took(call: Callable[[], None]) -> float:
    """Seconds. They are not the command's: a full pipe may have held it up meanwhile."""
    before = time.monotonic()
    call()
    return time.monotonic() - before


def _open_output(job: WorkerJob, tail_bytes: int) -> Direct | Pump:
    log = None if job.log is None else str(job.log)
    try:
        if log is not None and job.on_stdout is None and job.on_stderr is None and not any(job.mask):
            return Direct(log, tail_bytes, job.log_opened)
        return Pump(log, tail_bytes, (job.on_stdout, job.on_stderr), job.mask, job.log_opened)
    except OSError as error:
        raise no_output(job, error) from error


def _start(job: WorkerJob, output: Direct | Pump, born: Born) -> None:
    cwd = None if job.cwd is None else os.fspath(job.cwd)
    spawn((job.command, *job.args), cwd, job.env, output.stdout, output.stderr, born)


class _Limits:
    """When a command must be ended although it runs: its times, its silence, the caller's wish."""

    def __init__(self, job: WorkerJob, output: Direct | Pump, now: float) -> None:
        self._job = job
        self._output = output
        self._deadline = math.inf if job.timeout_s is None else now + job.timeout_s
        self._stall_s = job.stall_timeout_s
        self._written = -1
        self._moved = now
        tick = math.inf if job.cancel is None and job.on_tick is None else _TICK_S
        if self._stall_s is not None:  # how exactly silence is measured where the log is only looked at
            tick = min(tick, max(0.01, min(1.0, self._stall_s / 8)))
        self._tick = tick

    def next_look(self, now: float) -> float | None:
        """In how many seconds to look again; None: only when it ends."""
        left = min(self._tick, max(0.0, self._deadline - now))
        return None if left == math.inf else left

    def broken(self, now: float) -> _Stop | None:
        """The limit that was reached."""
        if self._job.on_tick is not None:
            self._job.on_tick()
        if self._job.cancel is not None and self._job.cancel.is_set():
            return _Stop(FailureClass.CANCELLED, "cancelled")
        if now >= self._deadline:
            return _Stop(
                FailureClass.COMMAND, f"ran longer than its timeout of {self._job.timeout_s:g} s, and was ended"
            )
        if self._stall_s is None:
            return None
        written = self._output.written()
        if written != self._written:
            self._written, self._moved = written, now
        elif now - self._moved >= self._stall_s:
            return _Stop(
                FailureClass.COMMAND, f"printed nothing for its stall timeout of {self._stall_s:g} s, and was ended"
            )
        return None


class _Running:
    """A started command, until it was waited for."""

    def __init__(self, pid: int, command: str, output: Direct | Pump) -> None:
        self._pid = pid
        self._command = command
        self._output = output
        self._group = Group(pid)
        self._poll = select.poll()
        for pipe in output.pipes:
            self._poll.register(pipe, select.POLLIN)
        self._pidfd = _open_pidfd(pid)
        if self._pidfd != -1:
            self._poll.register(self._pidfd, select.POLLIN)
        self.exit_code: int | None = None
        self.peak_kib = 0
        self._over = False

    def wait(self, limits: _Limits) -> _Stop | None:
        """Until it ended by itself (None) or broke a limit."""
        while True:
            self._step(limits.next_look(time.monotonic()))
            if self.exit_code is not None:
                return None
            stop = limits.broken(time.monotonic())
            if stop is not None:
                return stop

    def end(self, grace_s: float) -> None:
        """End what runs of its group, and return when it does no more: at once, where nothing does."""
        if self.exit_code is None or self._group.alive():
            self._group.look()
            ask_to_end(self._group)
            if not self._gone_within(grace_s):
                self._kill()
        self._over = True

    def close(self) -> None:
        """Kill what was not ended (something was raised meanwhile), and give back what was held."""
        try:
            if not self._over:
                self._kill()
        finally:
            if self._pidfd != -1:
                os.close(self._pidfd)

    def _kill(self) -> None:
        until = time.monotonic() + _KILL_LIMIT_S
        while True:
            self._group.look()
            self._group.send(signal.SIGKILL)
            if self._gone_within(0.25):
                return
            if time.monotonic() > until:
                raise AdapterError(
                    f"{self._command!r} does not end: processes {self._group.members()} survive SIGKILL",
                    hint="They hang in the kernel (a network share that is gone?) or belong to another user.",
                )

    def _gone_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        pause = 0.001
        while self.exit_code is None or self._group.alive():
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._step(min(left, pause))
            pause = min(2 * pause, 0.05)
        return True

    def _step(self, seconds: float | None) -> None:
        """Let output through and notice the end, for at most so long; sooner when something came."""
        if self._pidfd == -1 and self.exit_code is None:
            seconds = min(seconds or _NO_PIDFD_TICK_S, _NO_PIDFD_TICK_S)
        for ready, _ in self._poll.poll(None if seconds is None else math.ceil(min(seconds, 1e6) * 1000)):
            if ready == self._pidfd:
                self._poll.unregister(ready)
                self._reap(0)
            elif not self._output.read(ready):
                self._poll.unregister(ready)
        if self._pidfd == -1 and self.exit_code is None:
            self._reap(os.WNOHANG)

    def _reap(self, options: int) -> None:
        try:
            pid, status, usage = os.wait4(self._pid, options)
        except ChildProcessError as error:
            self.exit_code = 0  # there is nothing left to kill
            raise AdapterError(
                f"the exit status of {self._command!r} is lost: something else in this process waited for it",
                hint="Is SIGCHLD ignored?",
            ) from error
        if pid:
            self.exit_code = os.waitstatus_to_exitcode(status)
            self.peak_kib = usage.ru_maxrss


def _open_pidfd(pid: int) -> int:
    """-1 where the system has none (macOS) or forbids it (old containers): then the child is asked every few milliseconds."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _result(job: WorkerJob, ended: _Running, stop: _Stop | None, tails: Tails, began: float) -> WorkerResult:
    assert ended.exit_code is not None
    code = ended.exit_code if ended.exit_code >= 0 else 128 - ended.exit_code
    if stop is not None:
        failure, reason = stop
    elif code:
        failure, reason = FailureClass.COMMAND, _how_it_ended(ended.exit_code)
    else:
        failure, reason = None, ""
    if tails.trouble:
        reason = "; ".join(filter(None, (reason, masked(tails.trouble, job.mask))))
    return WorkerResult(
        code,
        tails.stdout,
        tails.stderr,
        duration_ms=round((time.monotonic() - began) * 1000),
        failure=failure,
        reason=reason,
        memory_mb=_memory_mb(ended.peak_kib),
    )


def _how_it_ended(exit_code: int) -> str:
    if exit_code > 0:
        return f"exit code {exit_code}"
    if -exit_code == signal.SIGKILL:
        return "killed (SIGKILL), perhaps for want of memory"
    try:
        return f"ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"ended by signal {-exit_code}"


_our_peak_kib = [0]
"""As it was last asked for: it never falls."""


def _memory_mb(peak_kib: int) -> int | None:
    """The peak of its largest process. A child begins as a copy of us and the kernel counts that in: no more than our own
    peak says nothing."""
    if peak_kib <= _our_peak_kib[0]:
        return None
    _our_peak_kib[0] = getrusage(RUSAGE_SELF).ru_maxrss
    return -(-peak_kib // 1024) if peak_kib > _our_peak_kib[0] else None
