"""What `validate` looks at: the manifest, its graph, and that every pattern has a match. Opens no cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from helios_pipe.engine.inputs import chunk_inputs_place
from helios_pipe.engine.recipe import chunk_values
from helios_pipe.errors import HeliosPipeError, UsageError
from helios_pipe.graph.build import build_graph, spans_of
from helios_pipe.graph.nodes import JobNodes
from helios_pipe.manifest.globs import expand
from helios_pipe.manifest.inputs import find_unmatched, say_missing
from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.marks import MarkTree
from helios_pipe.manifest.model import Job, Manifest, MarkPath
from helios_pipe.manifest.problems import ManifestError, Report, spell_path
from helios_pipe.tuples import NamedTuple

_MOST_MISSING = 20
"""So many missing chunk inputs are named one by one, of each pattern of a job."""


class Checked(NamedTuple):
    """A valid manifest in figures."""

    jobs: int
    nodes: int
    warnings: tuple[str, ...]


def check(manifest: Path, overrides: Mapping[str, str]) -> Checked:
    """Raises ManifestError with every problem there is."""
    loaded = load_manifest(manifest, overrides, look_if_wrong=find_missing)
    graph = build_graph(loaded)
    check_inputs(loaded, graph.jobs)
    return Checked(len(loaded.jobs), graph.total, loaded.warnings)


def check_inputs(manifest: Manifest, jobs: Sequence[JobNodes]) -> None:
    """Raises ManifestError with every input of these jobs that has no match."""
    marks = manifest.marks if isinstance(manifest.marks, MarkTree) else MarkTree()
    report = Report(manifest.shown or str(manifest.path), marks)
    find_missing(manifest._replace(jobs=tuple(nodes.job for nodes in jobs)), report)
    report.raise_if_any()


def in_full(error: HeliosPipeError, manifest: Manifest, jobs: Sequence[JobNodes]) -> HeliosPipeError:
    """Of an error about an input that has no match: all of these jobs that have none. Of any other: the same."""
    if isinstance(error, ManifestError):
        try:
            check_inputs(manifest, jobs)
        except ManifestError as whole:
            return whole
    return error


def find_missing(manifest: Manifest, report: Report) -> None:
    """Note every input without a match. Where something is wrong in a job already, nobody knows its chunks' numbers: those that
    are part of an input are left out."""
    whole = [job for job in manifest.jobs if not _is_wrong(job, report)]
    find_unmatched(manifest, report)
    for job in whole:
        if job.chunk is None or not all(template.constant for template in job.chunk.inputs):
            _note_numbered(manifest, job, report)


def _is_wrong(job: Job, report: Report) -> bool:
    place = spell_path(job.where)
    return any(problem.path == place or problem.path.startswith(f"{place}.") for problem in report.errors)


def _note_numbered(manifest: Manifest, job: Job, report: Report) -> None:
    """The inputs that wait for a chunk's numbers."""
    asked: dict[str, tuple[int, MarkPath]] = {}
    for span in spans_of(job):
        templates = job.chunk.inputs if job.chunk is not None else job.chunks[span.index].inputs
        values = chunk_values(span, "")
        for at, template in enumerate(templates):
            if not template.constant:
                asked.setdefault(template.fill(values), (at, chunk_inputs_place(job, span.index)))
    try:
        unmatched = expand(manifest.root, list(asked)).unmatched if asked else ()
    except UsageError as error:
        report.error(job.where, str(error))
        return
    missing: dict[int, list[str]] = {}
    for pattern in unmatched:
        missing.setdefault(asked[pattern][0], []).append(pattern)
    for at, patterns in missing.items():
        for pattern in patterns[:_MOST_MISSING]:
            report.error(_place(report, *asked[pattern]), say_missing(manifest, pattern))
        if (more := len(patterns) - _MOST_MISSING) > 0:
            files = "files that are" if more > 1 else "file that is"
            where = asked[patterns[_MOST_MISSING - 1]][1]
            report.error(_place(report, at, where), f"this pattern means {more} more {files} not there")


def _place(report: Report, at: int, where: MarkPath) -> MarkPath:
    """The place of one entry of a list, where that is written as one."""
    return (*where, at) if (*where, at) in report.marks else where
