"""What a run was asked for and what it came to, as values."""

from __future__ import annotations

from enum import Enum, StrEnum

from helios_pipe.digest import Digest
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RunState(StrEnum):
    """Where a run stands. `pending`: it waits for another one of its job; `interrupted`: its process is gone, and nobody
    wrote down how it ended."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class Stop(Enum):
    """Why a run takes up no new work: what the caller is told, and the exit code."""

    FAILURE = "failure"
    PAUSE = "pause"
    LIMIT = "limit"
    INTERRUPT = "interrupt"
    CANCEL = "cancel"
    TERMINATE = "terminate"

    @property
    def state(self) -> RunState:
        """The run's state in the end."""
        return {Stop.FAILURE: RunState.FAILED, Stop.CANCEL: RunState.CANCELLED}.get(self, RunState.PAUSED)

    @property
    def weight(self) -> int:
        """Which of two reasons is told: a cancelled run is cancelled, whatever else was asked before."""
        order = (Stop.FAILURE, Stop.PAUSE, Stop.LIMIT, Stop.TERMINATE, Stop.INTERRUPT, Stop.CANCEL)
        return order.index(self)

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        codes = {Stop.FAILURE: 1, Stop.PAUSE: 75, Stop.LIMIT: 75, Stop.TERMINATE: 143}
        return codes.get(self, 130)


class Asked(NamedTuple):
    """What somebody asks of a run: to stop (`now`: and to end what is under way), or with no `stop` to go on after all."""

    stop: Stop | None
    now: bool = False


class RunOptions(NamedTuple):
    """How a run goes about it. `deadline_s` is for the whole run; `progress_s` is how often progress is told."""

    keep_going: bool = False
    deadline_s: float | None = None
    progress_s: float = 0.5


class Placed(NamedTuple):
    """One output where the manifest wants it: path relative to the manifest's folder, digest, bytes."""

    path: str
    sha256: Digest
    size: int


class AttemptNote(NamedTuple):
    """One failed attempt: its class of failure, why, how long its command took in seconds, and where."""

    attempt: int
    failure: str
    reason: str
    duration_s: float
    worker: str


class Failure(NamedTuple):
    """Why one node failed, with what helps: the end of its output, its log, its kept workspace, how to repeat it, and all
    attempts of this run, the last one included."""

    node: str
    reason: str
    attempts: int
    tail: str = ""
    log: str | None = None
    kept: str | None = None
    repeat: str = ""
    hints: tuple[str, ...] = ()
    history: tuple[AttemptNote, ...] = ()


class Summary(NamedTuple):
    """What a run came to. executed + cached + failed + skipped == total."""

    state: RunState
    exit_code: int
    total: int
    executed: int
    cached: int
    failed: int
    skipped: int
    duration_s: float
    outputs: tuple[Placed, ...] = ()
    failures: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()
    stopped: str = ""
    billed_s: float = 0.0
    billed_gb_s: float = 0.0
    cost: float = 0.0


def as_record(value: Any) -> Any:
    """A value of this module as plain data, all the way down: a mapping of its fields by name."""
    if not isinstance(value, tuple):
        return value
    items = [as_record(item) for item in value]
    return dict(zip(value._fields, items, strict=True)) if hasattr(value, "_fields") else tuple(items)
