"""What must be made, as frozen values. Knows nothing of keys, caches or how it is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from helios_pipe.graph.chunking import Span, digits, numbers
from helios_pipe.manifest.model import Job, JobInput
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

NodeKind: TypeAlias = "Literal['chunk', 'stitch', 'command']"


class Node(NamedTuple):
    """One thing to make. Names: `JOB/0003` for a chunk, `JOB/stitch`, `JOB` for a single-command job."""

    name: str
    kind: NodeKind
    job: str
    index: int = 0  # type: ignore[assignment] # not the method of a tuple


def takes(job: Job, kind: NodeKind) -> tuple[str, ...]:
    """The jobs whose outputs the job's nodes of one kind take: commands what is declared as inputs; a stitch what it joins
    and its sound."""
    names = [given.job for given in job.job_inputs]
    if kind == "stitch" and job.stitch is not None:
        names = list(job.stitch.sources)
        if isinstance(job.stitch.audio, JobInput):
            names.append(job.stitch.audio.job)
    return tuple(dict.fromkeys(names))


def chunk_names(job: str, count: int) -> list[str]:
    """The names of all chunks of a job that has so many, in order."""
    return [f"{job}/{number}" for number in numbers(count, digits(count))]


class JobNodes(NamedTuple):
    """The nodes of one job. `spans` are its chunks in order (none for a command or a stitch of other jobs); `needs` are the
    jobs whose outputs it takes, in the order of the manifest."""

    job: Job
    spans: Sequence[Span]
    needs: tuple[str, ...]

    @property
    def has_stitch(self) -> bool:
        """Whether a stitch follows the chunks."""
        return self.job.stitch is not None

    @property
    def final(self) -> str | None:
        """The name of the node whose output is the job's; None where the chunks themselves are."""
        if self.job.stitch is not None:
            return f"{self.job.name}/stitch"
        return None if self.spans else self.job.name

    def chunk_names(self) -> list[str]:
        """The names of all chunks, in order."""
        return chunk_names(self.job.name, len(self.spans))

    def chunk_name(self, index: int) -> str:
        """The name of the chunk at `index`."""
        return f"{self.job.name}/{index:0{digits(len(self.spans))}d}"

    def nodes(self) -> Iterator[Node]:
        """Its nodes, chunks first."""
        name = self.job.name
        for span in self.spans:
            yield Node(self.chunk_name(span.index), "chunk", name, span.index)
        if self.job.stitch is not None:
            yield Node(f"{name}/stitch", "stitch", name)
        elif not self.spans:
            yield Node(name, "command", name)


class Graph(NamedTuple):
    """All that must be made, jobs in an order in which each comes after those it needs."""

    jobs: tuple[JobNodes, ...]

    def nodes(self) -> Iterator[Node]:
        """Every node in the order in which it could be made: dependencies first, then by name and index."""
        for job in self.jobs:
            yield from job.nodes()

    @property
    def total(self) -> int:
        """How many nodes there are."""
        return sum(len(job.spans) + (1 if job.has_stitch or not job.spans else 0) for job in self.jobs)

    def select(self, names: tuple[str, ...]) -> Graph:
        """The jobs of these names and all that they need; everything where none is named."""
        if not names:
            return self
        wanted = set(names)
        for job in reversed(self.jobs):
            if job.job.name in wanted:
                wanted.update(job.needs)
        return Graph(tuple(job for job in self.jobs if job.job.name in wanted))

    def without_stitches(self) -> Graph:
        """The same without any stitch, and without the jobs that need one's output."""
        gone = {job.job.name for job in self.jobs if job.job.stitch is not None}
        kept: list[JobNodes] = []
        for job in self.jobs:
            needs = takes(job.job, "chunk")
            if any(name in gone for name in needs) or (job.has_stitch and not job.spans):
                gone.add(job.job.name)
            else:
                kept.append(job._replace(job=job.job._replace(stitch=None), needs=needs))
        return Graph(tuple(kept))
