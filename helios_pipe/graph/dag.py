"""The directed graph itself, as networkx has it, and the order of jobs, for which nothing of that is loaded."""

from __future__ import annotations

from collections.abc import Mapping

from helios_pipe.errors import UsageError
from helios_pipe.graph.nodes import Graph, JobNodes, takes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def order(edges: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The names so that each comes after those it needs, otherwise by name. `edges`: name -> what it needs.
    Raises UsageError on a cycle, which it prints whole."""
    from graphlib import CycleError, TopologicalSorter
    from heapq import heappop, heappush

    sorter = TopologicalSorter(edges)
    try:
        sorter.prepare()
    except CycleError as error:
        *found, _ = error.args[1]
        least = found.index(min(found))
        cycle = [*found[least:], *found[:least], found[least]]
        raise UsageError(f"jobs need each other in a circle: {' -> '.join(cycle)}") from None
    ready: list[str] = []
    ordered: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heappush(ready, name)
        ordered.append(heappop(ready))
        sorter.done(ordered[-1])
    return ordered


def digraph(graph: Graph) -> Any:
    """The whole graph as a `networkx.DiGraph`: node name -> attributes `kind`, `job`, and for chunks `start`, `end`,
    `count`, `step`; an edge from what is needed to what needs it. A job whose chunks are used unjoined by another gets one
    node of kind `group` between them, so that edges grow with nodes and not with their product."""
    import networkx

    whole: Any = networkx.DiGraph()
    jobs = {job.job.name: job for job in graph.jobs}
    for job in graph.jobs:
        given = {name: _source(jobs[name], whole) for name in job.needs}
        for node in job.nodes():
            span = job.spans[node.index]._asdict() if node.kind == "chunk" else {}
            whole.add_node(node.name, kind=node.kind, job=node.job, **span)
            whole.add_edges_from((given[name], node.name) for name in takes(job.job, node.kind))
        if job.job.stitch is not None:
            whole.add_edges_from((job.chunk_name(span.index), f"{job.job.name}/stitch") for span in job.spans)
    return whole


def generations(whole: Any) -> list[list[str]]:
    """The node names in columns: each node stands right of all that it needs."""
    import networkx

    return [list(column) for column in networkx.topological_generations(whole)]


def _source(job: JobNodes, whole: Any) -> str:
    if job.final is not None:
        return job.final
    group = f"{job.job.name}/*"
    if group not in whole:
        whole.add_node(group, kind="group", job=job.job.name)
        whole.add_edges_from((job.chunk_name(span.index), group) for span in job.spans)
    return group
