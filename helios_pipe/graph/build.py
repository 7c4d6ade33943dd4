"""From a manifest to the graph of what must be made. Knows nothing of keys or caches."""

from __future__ import annotations

from collections.abc import Sequence

from helios_pipe.graph.chunking import Cells, Span
from helios_pipe.graph.nodes import Graph, JobNodes, takes
from helios_pipe.manifest.model import Job, Manifest


def build_graph(manifest: Manifest) -> Graph:
    """The graph of all jobs. Raises UsageError on a cycle, which it prints whole."""
    found = {job.name: JobNodes(job, spans_of(job), needs(job)) for job in manifest.jobs}
    return Graph(tuple(found[name] for name in _order({name: job.needs for name, job in found.items()})))


def needs(job: Job) -> tuple[str, ...]:
    """The jobs whose outputs `job` takes, in any of its nodes."""
    return tuple(dict.fromkeys((*takes(job, "chunk"), *takes(job, "stitch"))))


def spans_of(job: Job) -> Sequence[Span]:
    """The job's chunks, in order."""
    if job.chunk is not None and job.frames is not None:
        return Cells(job.frames, job.chunk.size)
    found, at = [], 0
    for index, chunk in enumerate(job.chunks):
        frames = chunk.frames
        if frames is None:
            found.append(Span(index, at, at, 0, 1))  # count 0: unknown, not checked
        else:
            found.append(Span(index, frames.start, frames.end, frames.count, frames.step))
            at = frames.end + frames.step
    return tuple(found)


def _order(edges: dict[str, tuple[str, ...]]) -> list[str]:
    if not any(edges.values()):
        return sorted(edges)  # nothing to order, so nothing to load for it
    from helios_pipe.graph.dag import order

    return order(edges)
