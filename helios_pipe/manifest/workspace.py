"""What a command finds in its workspace, and what it must leave there: no two things at one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import basename

from helios_pipe.manifest.model import Job, JobInput, MarkPath
from helios_pipe.manifest.patterns import parse_pattern
from helios_pipe.manifest.problems import Report


def check_workspace(job: Job, by_name: Mapping[str, Job], report: Report) -> None:
    """Note inputs that would be at one place, and outputs that would be where an input is."""
    taken = {
        pattern.literal: "an input"
        for pattern in map(parse_pattern, job.inputs)
        if pattern.literal and not pattern.excludes
    }
    entries = report.marks.entries((*job.where, "inputs"), mappings=True)
    for reference, where in zip(job.job_inputs, entries, strict=False):
        place = input_place(reference, by_name)
        other = _overlapping(place, taken)
        if other is not None:
            report.error(where, f"{place!r} is the place of {taken[other]} too, expected another: say it with 'as'")
        taken[place] = f"the output of job {reference.job!r}"
    seen: set[str] = set()
    for output, where in _made(job):
        if output in seen:
            continue
        seen.add(output)
        other = _overlapping(output.rstrip("/"), taken)
        if other is not None:
            report.error(where, f"{output!r} is the place of {taken[other]} ({other}) too, expected a name of its own")


def input_place(reference: JobInput, by_name: Mapping[str, Job]) -> str:
    """Where the output of another job appears in the workspace."""
    if reference.path is not None:
        return reference.path
    job = by_name.get(reference.job)
    made = (job.output or (job.stitch.output if job.stitch else None)) if job else None
    return f"jobs/{reference.job}/{basename(made.rstrip('/'))}" if made else f"jobs/{reference.job}"


def _made(job: Job) -> Iterator[tuple[str, MarkPath]]:
    if job.workspace == "project":
        return
    if job.chunk:
        yield job.chunk.output, (*job.where, "chunk", "output")
    if job.output:
        yield basename(job.output.rstrip("/")), (*job.where, "output")
    for index, chunk in enumerate(job.chunks):
        if chunk.output:
            yield chunk.output, (*job.where, "chunks", index, "output")


def _overlapping(place: str, taken: Mapping[str, str]) -> str | None:
    """What is at the place, above it or below it."""
    above = place
    while above:
        if above in taken:
            return above
        above = above.rpartition("/")[0]
    return next((other for other in taken if other.startswith(place + "/")), None)
