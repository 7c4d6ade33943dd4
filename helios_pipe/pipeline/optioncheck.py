"""The numbers that a program asks of an execution, checked before anything is begun."""

from __future__ import annotations

import math
from typing import Any

from helios_pipe.errors import UsageError
from helios_pipe.job_ports import JobExecutionOptions
from helios_pipe.manifest.schema import describe


def check_options(options: JobExecutionOptions) -> None:
    """Raises UsageError with every option that is out of its bounds: a manifest's are the same."""
    problems = [
        *(() if options.concurrency is None else _whole("concurrency", options.concurrency, 1)),
        *_whole("retries", options.retries, 0),
        *_seconds("retry_delay", options.retry_delay, zero=True),
        *(() if options.timeout is None else _seconds("timeout", options.timeout)),
        *(() if options.stall_timeout is None else _seconds("stall_timeout", options.stall_timeout)),
        *(() if options.deadline is None else _seconds("deadline", options.deadline, zero=True)),
    ]
    if problems:
        raise UsageError("\n".join(problems))


def _whole(name: str, value: object, least: int) -> list[str]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return []
    return [f"{name} is {describe(value)}, expected a whole number of {least} or more"]


def _seconds(name: str, value: Any, *, zero: bool = False) -> list[str]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and (0 < value < math.inf or (zero and value == 0)):
        return []
    return [f"{name} is {describe(value)}, expected seconds, {'0 or more' if zero else 'more than 0'}"]
