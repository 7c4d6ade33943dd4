"""`--no-stitch`: the chunks alone, and what cannot be made of them. Looks at no file."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from helios_pipe.errors import UsageError
from helios_pipe.graph.nodes import Graph, JobNodes, takes

_NAMED = 12
"""How many jobs a warning lists."""


def without_stitches(graph: Graph, asked: Sequence[str]) -> tuple[Graph, tuple[str, ...]]:
    """The graph without stitches and all that takes what one makes, and warnings of which jobs that are. Raises UsageError where
    one of them was `asked` for by name."""
    kept = graph.without_stitches()
    jobs = {nodes.job.name: nodes for nodes in graph.jobs}
    gone = dict.fromkeys(jobs)
    for nodes in kept.jobs:
        del gone[nodes.job.name]
    for name in asked:
        if name in gone:
            raise UsageError(f"--no-stitch: job {name} {_why(name, jobs, gone)}", hint="Leave --no-stitch out.")
    # That a stitch alone is left out goes without saying.
    left = [name for name in gone if jobs[name].spans or not jobs[name].has_stitch]
    if not left:
        return kept, ()
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return kept, (f"--no-stitch leaves out {', '.join(left[:_NAMED])}{more}: what a stitch makes is needed there",)


def _why(name: str, jobs: dict[str, JobNodes], gone: Collection[str]) -> str:
    nodes = jobs[name]
    if nodes.has_stitch and not nodes.spans:
        return "is nothing but a stitch"
    needed = takes(nodes.job, "chunk")
    stitched = [need for need in needed if jobs[need].has_stitch]
    if stitched:
        return f"takes what the stitch of {stitched[0]} makes"
    through = next(need for need in needed if need in gone)
    return f"needs job {through}, which {_why(through, jobs, gone)}"
