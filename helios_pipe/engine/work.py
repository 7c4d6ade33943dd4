"""What a run knows of each node and job while it goes on: the only mutable state of the loop. Decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import Enum, auto

from helios_pipe.action.model import Action, Limits, Part, Step
from helios_pipe.cache.memo import Known, Outcomes
from helios_pipe.cache.results import Result
from helios_pipe.digest import Digest
from helios_pipe.engine.inputs import EMPTY, InputSet, JobOutput
from helios_pipe.engine.recipe import Recipe
from helios_pipe.graph.chunking import Span
from helios_pipe.graph.nodes import JobNodes, NodeKind
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import overload


class State(Enum):
    """Where a node stands."""

    WAITING = auto()  # what it needs is not there yet, or is being made for another node, too
    READY = auto()  # must be made, and can be
    RUNNING = auto()  # an attempt is under way, or waits for its next one
    DONE = auto()  # made and committed in this run
    CACHED = auto()  # found, or covered by what was found
    FAILED = auto()
    SKIPPED = auto()  # not made, because something else failed or the run was stopped

    __hash__ = object.__hash__  # an enumeration's own is Python, and there is one of each


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

    def recall(self, known: Known) -> None:
        """It is there, as it was in the last run."""
        self.key, self.state, self.recalled = known.key, State.CACHED, True
        self.digest, self.folder, self.found = known.digest, known.folder, known


class Left(NamedTuple):
    """What nodes left, in columns: contents, whether those are folders, and sizes in bytes where this run has looked at them."""

    digests: list[Digest]
    folders: list[bool]
    sizes: list[int | None]

    def put(self, at: int, piece: Task | Result) -> None:
        """What is there of a piece of a join."""
        found = piece if isinstance(piece, Result) else piece.found
        assert piece.digest is not None
        self.digests[at], self.folders[at] = piece.digest, piece.folder
        self.sizes[at] = found.size if found is not None and found.digest == piece.digest else None

    @classmethod
    def by(cls, pieces: Sequence[Task | Result]) -> Left:
        """That of all these."""
        left = cls([Digest("")] * len(pieces), [False] * len(pieces), [None] * len(pieces))
        for at, piece in enumerate(pieces):
            left.put(at, piece)
        return left


class Chunks(Sequence[Task]):
    """The chunks of a job in order, as tasks. One that is known from the last run becomes a task only when somebody asks for
    it: of ten thousand, hardly any is."""

    def __init__(self, work: JobWork) -> None:
        self._work = work
        self._made: list[Task | None] = [None] * len(work.nodes.spans)
        self._recipes: Sequence[Recipe] = ()
        self.known: Outcomes | None = None
        """What came of all of them last time; it holds for those that nobody asked for."""

    def __len__(self) -> int:
        return len(self._made)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Task: ...
        @overload
        def __getitem__(self, index: slice) -> list[Task]: ...

    def __getitem__(self, index: int | slice) -> Task | list[Task]:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        at = range(len(self))[index]
        return self._made[at] or self._make(at, self._work.nodes.chunk_name(at), self._work.nodes.spans[at])

    def __iter__(self) -> Iterator[Task]:
        nodes = self._work.nodes
        if None in self._made:
            rows = zip(self._made, nodes.chunk_names(), nodes.spans, strict=True)
            for at, (there, name, span) in enumerate(rows):
                if there is None:
                    self._make(at, name, span)
        return (task for task in self._made if task is not None)

    def _make(self, at: int, name: str, span: Span) -> Task:
        task = self._made[at] = Task(name, "chunk", self._work, at, span)
        if self._recipes:
            task.recipe = self._recipes[at]
        if self.known is not None:
            task.recall(self.known.known(at))
        return task

    def give(self, recipes: Sequence[Recipe]) -> None:
        """Each chunk's recipe, in order."""
        self._recipes = recipes
        for task in self._made:
            if task is not None:
                task.recipe = recipes[task.index]

    @property
    def recipe(self) -> Recipe | None:
        """The first one's recipe, which all share that are cut from a range of frames; None before they are given."""
        return self._recipes[0] if self._recipes else None

    def recall(self, known: Outcomes, but: Collection[int]) -> list[Task]:
        """What came of them last time holds for all but those at some places. Returns these."""
        others = [self[at] for at in sorted(but)]
        for task in self._made:
            if task is not None and task.index not in but:
                task.recall(known.known(task.index))
        self.known = known
        return others

    def single(self) -> Sequence[Task]:
        """Those that are tasks; the others are known, and there."""
        return [task for task in self._made if task is not None] if self.known is not None else list(self)

    def left(self) -> Left:
        """What they left."""
        if (known := self.known) is None:
            return Left.by(list(self))
        left = Left(list(known.each_digest), list(map(bool, known.folders)), list(known.sizes))
        for task in self.single():
            left.put(task.index, task)
        return left


class JobWork:
    """One job in one run. `pieces` are what its stitch joins, in order: its chunks, or intervals found in the cache."""

    def __init__(self, nodes: JobNodes) -> None:
        self.nodes = nodes
        self.chunks = Chunks(self)
        self.final: Task | None = None
        self.shared: InputSet = EMPTY
        self.started = False
        self.final_started = False
        self.covered: dict[int, Result] = {}
        """Chunk index -> the cached interval that begins with its frames or holds them."""
        self.plan_pieces: Sequence[Task | Result] = ()
        """What its stitch joins, in order."""
        self.may_cover = True
        self.open = len(self.chunks)
        """Chunks that are neither made nor found yet."""

    @property
    def name(self) -> str:
        """The job's name."""
        return self.nodes.job.name

    def tasks(self) -> list[Task]:
        """Its nodes, chunks first."""
        return [*self.chunks, self.final] if self.final else list(self.chunks)

    def single(self) -> list[Task]:
        """The same without the chunks that are known and nobody asked for."""
        return [*self.chunks.single(), self.final] if self.final else list(self.chunks.single())

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
        if nodes.final is not None:
            work.final = Task(nodes.final, "stitch" if nodes.has_stitch else "command", work)
        works.append(work)
    return works


def left_to_join(work: JobWork) -> tuple[Left, list[str]]:
    """What the pieces of a job's join left, in order, and the last components of their names."""
    chunks, pieces = work.chunks, work.plan_pieces
    if pieces is chunks and work.nodes.job.chunk is not None:
        return chunks.left(), [_base_name(chunks.recipe)] * len(chunks)
    recipes = [chunks.recipe if isinstance(piece, Result) else piece.recipe for piece in pieces]
    return Left.by(pieces), [_base_name(recipe) for recipe in recipes]


def _base_name(recipe: Recipe | None) -> str:
    assert recipe is not None
    return recipe.base.output.name.rsplit("/", 1)[-1]


def part_of(piece: Task | Result, work: JobWork) -> Part:
    """A piece of a job's join as data."""
    name = _base_name(work.chunks.recipe if isinstance(piece, Result) else piece.recipe)
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
