"""What a run knows of each node and job while it goes on: the only mutable state of the loop. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from helios_pipe.action.model import Action, Limits, Part, Step
from helios_pipe.cache.memos import Known
from helios_pipe.cache.results import Result
from helios_pipe.digest import Digest
from helios_pipe.engine.inputs import EMPTY, InputSet, JobOutput
from helios_pipe.engine.recipe import Recipe
from helios_pipe.graph.chunking import Span
from helios_pipe.graph.nodes import JobNodes, NodeKind


class State(Enum):
    """Where a node stands."""

    WAITING = auto()  # what it needs is not there yet, or is being made for another node, too
    READY = auto()  # must be made, and can be
    RUNNING = auto()  # an attempt is under way, or waits for its next one
    DONE = auto()  # made and committed in this run
    CACHED = auto()  # found, or covered by what was found
    FAILED = auto()
    SKIPPED = auto()  # not made, because something else failed or the run was stopped


FINISHED = frozenset({State.DONE, State.CACHED, State.FAILED, State.SKIPPED})
GOOD = frozenset({State.DONE, State.CACHED})


class Task:
    """One node in one run. There are a hundred thousand of them: what most never differ in stands in the class."""

    recipe: Recipe | None = None
    key = ""
    state = State.WAITING
    reason = ""
    digest: Digest | None = None
    folder = False
    found: Result | Known | None = None
    """What the cache has for it."""
    recalled = False
    """Whether that is known from the last run, and its own inputs (`extra`) have not been gathered."""
    extra: InputSet = EMPTY
    step: Step | None = None
    preimage = b""
    attempts = 0
    command_failures = 0
    machine_failures = 0
    forced = False
    twin: Task | None = None
    """The task of this run that has the same key and is made for both."""

    def __init__(self, name: str, kind: NodeKind, work: JobWork, index: int = 0, span: Span | None = None) -> None:
        self.name, self.kind, self.work, self.index, self.span = name, kind, work, index, span


class JobWork:
    """One job in one run. `pieces` are what its stitch joins, in order: its chunks, or intervals found in the cache."""

    def __init__(self, nodes: JobNodes) -> None:
        self.nodes = nodes
        self.chunks: list[Task] = []
        self.final: Task | None = None
        self.shared: InputSet = EMPTY
        self.started = False
        self.final_started = False
        self.covered: dict[int, Result] = {}
        """Chunk index -> the cached interval that begins with its frames or holds them."""
        self.plan_pieces: Sequence[Task | Result] = ()
        self.may_cover = True
        self.saved_recipe = False
        self.open = 0
        """Chunks that are neither made nor found yet."""

    @property
    def name(self) -> str:
        """The job's name."""
        return self.nodes.job.name

    def tasks(self) -> list[Task]:
        """Its nodes, chunks first."""
        return [*self.chunks, self.final] if self.final else self.chunks

    def output(self) -> JobOutput | None:
        """What other jobs get of it, once it is there."""
        job = self.nodes.job
        if self.final is not None:
            if self.final.state not in GOOD or self.final.digest is None:
                return None
            path = job.stitch.output if job.stitch is not None else job.output or ""
            return JobOutput(path.rstrip("/").rsplit("/", 1)[-1], self.final.digest, self.final.folder)
        if self.open or not self.started or any(task.digest is None for task in self.chunks):
            return None
        name = self.chunks[0].recipe.base.output.name if self.chunks and self.chunks[0].recipe else ""
        pieces = tuple((task.digest, task.folder) for task in self.chunks if task.digest is not None)
        return JobOutput(name.rsplit("/", 1)[-1], pieces=pieces)


def make_works(jobs: Sequence[JobNodes]) -> list[JobWork]:
    """The state of a run that has not begun."""
    works = []
    for nodes in jobs:
        work = JobWork(nodes)
        work.chunks = [
            Task(name, "chunk", work, span.index, span)
            for name, span in zip(nodes.chunk_names(), nodes.spans, strict=True)
        ]
        work.open = len(work.chunks)
        if nodes.final is not None:
            work.final = Task(nodes.final, "stitch" if nodes.has_stitch else "command", work)
        works.append(work)
    return works


def blobs_of(work: JobWork) -> list[tuple[Digest, bool, str, int | None]]:
    """What the pieces of a job's join left, in order: its content, whether that is a folder, its name's last component, and
    its size in bytes where this run has looked at it."""
    blobs: list[tuple[Digest, bool, str, int | None]] = []
    last, name = None, ""
    for piece in work.plan_pieces:
        recipe, found = (work.chunks[0].recipe, piece) if isinstance(piece, Result) else (piece.recipe, piece.found)
        digest = piece.digest
        assert recipe is not None
        assert digest is not None
        if recipe is not last:
            last, name = recipe, recipe.base.output.name.rsplit("/", 1)[-1]
        blobs.append((digest, piece.folder, name, found.size if found is not None and found.digest == digest else None))
    return blobs


def part_of(piece: Task | Result, work: JobWork) -> Part:
    """A piece of a job's join as data."""
    recipe = work.chunks[0].recipe if isinstance(piece, Result) else piece.recipe
    assert recipe is not None
    name = recipe.base.output.name.rsplit("/", 1)[-1]
    if isinstance(piece, Result):
        return Part(piece.node, piece.digest, name, piece.folder, piece.frames, piece.start, piece.step or 1)
    assert piece.digest is not None
    assert piece.span is not None
    span = piece.span
    return Part(piece.name, piece.digest, name, piece.folder, span.count or None, span.start, span.step)


def limits_of(task: Task) -> Limits:
    """How long the task's command may take, and how often it may fail."""
    if task.recipe is not None:
        return task.recipe.base.limits
    return task.step.limits if isinstance(task.step, Action) else Limits()
