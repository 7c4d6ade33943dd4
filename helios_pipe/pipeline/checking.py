"""What `validate` looks at: the manifest, its graph, and that every pattern has a match. Opens no cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from helios_pipe.engine.inputs import chunk_inputs_place
from helios_pipe.engine.recipe import chunk_values
from helios_pipe.graph.build import build_graph
from helios_pipe.graph.nodes import JobNodes
from helios_pipe.manifest.globs import expand
from helios_pipe.manifest.inputs import find_unmatched, missing_inputs
from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.marks import MarkTree
from helios_pipe.manifest.model import Manifest
from helios_pipe.manifest.problems import ManifestError, Report
from helios_pipe.tuples import NamedTuple

_MOST_MISSING = 20
"""So many missing chunk inputs are named one by one."""


class Checked(NamedTuple):
    """A valid manifest in figures."""

    jobs: int
    nodes: int
    warnings: tuple[str, ...]


def check(manifest: Path, overrides: Mapping[str, str]) -> Checked:
    """Raises ManifestError with every problem there is."""
    loaded = load_manifest(manifest, overrides, look_if_wrong=True)
    graph = build_graph(loaded)
    check_inputs(loaded, graph.jobs)
    return Checked(len(loaded.jobs), graph.total, loaded.warnings)


def check_inputs(manifest: Manifest, jobs: Sequence[JobNodes]) -> None:
    """Raises ManifestError with every input of these jobs that has no match."""
    report = Report(
        manifest.shown or str(manifest.path), manifest.marks if isinstance(manifest.marks, MarkTree) else MarkTree()
    )
    find_unmatched(manifest._replace(jobs=tuple(nodes.job for nodes in jobs)), report)
    problems = list(report.errors)
    for nodes in jobs:
        try:
            _check_chunk_inputs(manifest, nodes)
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise ManifestError(problems)


def _check_chunk_inputs(manifest: Manifest, nodes: JobNodes) -> None:
    """The inputs that wait for a chunk's numbers."""
    job = nodes.job
    if job.chunk is not None and all(template.constant for template in job.chunk.inputs):
        return
    missing: dict[int, list[str]] = {}
    asked: dict[str, int] = {}
    for span in nodes.spans:
        templates = job.chunk.inputs if job.chunk is not None else job.chunks[span.index].inputs
        values = chunk_values(span, "")
        asked.update((t.fill(values), span.index) for t in templates if not t.constant)
    for pattern in expand(manifest.root, list(asked)).unmatched if asked else ():
        missing.setdefault(asked[pattern], []).append(pattern)
    named = [(index, pattern) for index, patterns in missing.items() for pattern in patterns][:_MOST_MISSING]
    if named:
        raise missing_inputs(manifest, job, [pattern for _, pattern in named], chunk_inputs_place(job, named[0][0]))
