"""What the loop calls, as one value. Knows nothing of who stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue

from helios_pipe.engine.options import Asked, Placed
from helios_pipe.engine.pool import Pool
from helios_pipe.engine.slot import Flight, Message
from helios_pipe.engine.work import JobWork, State, Task
from helios_pipe.ports import Outcome
from helios_pipe.tuples import NamedTuple


class Surroundings(NamedTuple):
    """What the loop calls. `pool_of` gives the slots that a task runs on, `place` puts a finished job's output where it
    belongs, `control` tells whether someone asked to stop or to go on, `report` is told several times a second how many
    nodes came to which end and what is under way, `hints` tells what may have been forgotten where a node failed,
    `durations` how long a job's chunks took in earlier runs, in seconds; `given` may say of a job's tasks that were just keyed
    that they are made already; the rest are clock (monotonic seconds), wall time
    (since 1970) and randomness (0 to 1)."""

    pool_of: Callable[[Task], Pool]
    told: SimpleQueue[Message]
    place: Callable[[JobWork], Placed | None]
    control: Callable[[], Asked | None]
    report: Callable[[Mapping[State, int], Sequence[Flight]], None]
    hints: Callable[[Task, Outcome], tuple[str, ...]]
    durations: Callable[[JobWork], Sequence[float]]
    given: Callable[[JobWork], None]
    clock: Callable[[], float]
    wall: Callable[[], float]
    random: Callable[[], float]
