"""Whether a failed attempt is made again, and when. Pure: randomness is an argument."""

from __future__ import annotations

from collections.abc import Callable

from helios_pipe.action.model import Limits
from helios_pipe.ports import FailureClass

MACHINE_RETRIES = 5
"""How often the machinery may fail for one node before the node counts as failed."""
_LONGEST_S = 60.0
_MACHINE_BASE_S = 0.5


def delay_before_retry(
    failure: FailureClass,
    command_failures: int,
    machine_failures: int,
    limits: Limits,
    random: Callable[[], float],
    lost: int = 1,
) -> float | None:
    """Seconds to wait before the next attempt; None where there is none. The counts include the failure at hand; `lost` is
    how often the worker was taken away.

    Exponential backoff with full jitter: uniform between 0 and the doubled base, so that what failed together does not
    come back together. A lost worker burns no retry, and the first loss costs no time; one that is lost again and again
    is waited for ever longer.
    """
    if failure is FailureClass.PREEMPTED:
        return 0.0 if lost <= 1 else random() * min(_LONGEST_S, _MACHINE_BASE_S * float(2 ** min(lost - 1, 30)))
    if failure is FailureClass.COMMAND and command_failures <= limits.retries:
        return random() * min(_LONGEST_S, limits.retry_delay_s * float(2 ** min(command_failures - 1, 30)))
    if failure is FailureClass.INFRASTRUCTURE and machine_failures <= MACHINE_RETRIES:
        return random() * min(_LONGEST_S, _MACHINE_BASE_S * float(2 ** (machine_failures - 1)))
    return None
