"""The directed graph itself: the one user of networkx. What comes out is our own types, or a networkx graph on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helios_pipe.errors import UsageError
from helios_pipe.graph.nodes import Graph, JobNodes, takes


def order(edges: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The names so that each comes after those it needs, otherwise by name. `edges`: name -> what it needs.
    Raises UsageError on a cycle, which it prints whole."""
    import networkx

    graph: Any = networkx.DiGraph()
    graph.add_nodes_from(edges)
    graph.add_edges_from((need, name) for name, needed in edges.items() for need in needed)
    try:
        return list(networkx.lexicographical_topological_sort(graph))
    except networkx.NetworkXUnfeasible:
        found = [a for a, _ in networkx.find_cycle(graph)]
        least = found.index(min(found))
        cycle = [*found[least:], *found[:least], found[least]]
        raise UsageError(f"jobs need each other in a circle: {' -> '.join(cycle)}") from None


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
