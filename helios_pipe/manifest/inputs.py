"""Inputs that are not there, said where the manifest asks for them. Looks into folders, reads no file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from posixpath import join, split

from helios_pipe.errors import UsageError
from helios_pipe.manifest.globs import expand
from helios_pipe.manifest.marks import MarkTree
from helios_pipe.manifest.model import Job, Manifest, MarkPath
from helios_pipe.manifest.patterns import Matcher, literal_prefix, parse_pattern, pattern_problem
from helios_pipe.manifest.problems import ManifestError, Report
from helios_pipe.manifest.suggest import nearest
from helios_pipe.manifest.template import Template


def find_unmatched(manifest: Manifest, report: Report) -> None:
    """Note every input without a match, of those that are known before the range is cut. One that is to be made here is another
    matter (see `outputs`)."""
    made = [output for job in manifest.jobs for output in (job.output, job.stitch and job.stitch.output) if output]
    unmatched: dict[tuple[str, ...], tuple[str, ...]] = {}
    for job in manifest.jobs:
        for patterns, where in asked_inputs(job):
            if job.takes_what_is_there and where == (*job.where, "inputs"):
                continue
            if patterns not in unmatched:
                try:
                    unmatched[patterns] = expand(manifest.root, patterns).unmatched
                except UsageError as error:
                    report.error(where, str(error))
                    unmatched[patterns] = ()
            missing = [pattern for pattern in unmatched[patterns] if not _means_one(pattern, made)]
            _note(manifest, patterns, missing, where, report)


def missing_inputs(
    manifest: Manifest, job: Job, unmatched: Sequence[str], where: MarkPath | None = None
) -> ManifestError:
    """The error for inputs of the job that turned out to have no match; `where` is the list that asks for them (default:
    the job's `inputs`)."""
    marks = manifest.marks if isinstance(manifest.marks, MarkTree) else MarkTree()
    report = Report(manifest.shown or str(manifest.path), marks)
    _note(manifest, job.inputs, unmatched, where or (*job.where, "inputs"), report)
    return ManifestError(report.errors)


def asked_inputs(job: Job) -> Iterator[tuple[tuple[str, ...], MarkPath]]:
    """The lists of patterns that the job asks for, with their places; those that wait for a chunk's numbers left out."""
    lists = [(job.inputs, (*job.where, "inputs"))]
    if job.stitch:
        lists.append((job.stitch.inputs, (*job.where, "stitch", "inputs")))
        if isinstance(job.stitch.audio, str):
            lists.append(((job.stitch.audio,), (*job.where, "stitch", "audio")))
    if job.chunk:
        lists.append((_constant(job.chunk.inputs), (*job.where, "chunk", "inputs")))
    lists += [(_constant(chunk.inputs), (*job.where, "chunks", at, "inputs")) for at, chunk in enumerate(job.chunks)]
    return ((patterns, where) for patterns, where in lists if patterns)


def say_missing(manifest: Manifest, pattern: str) -> str:
    """What to say of a pattern that has no match: whether it is one, and what it may have been meant for."""
    literal = parse_pattern(pattern).literal
    if literal is None:
        return f"{pattern!r} matches no file, expected a glob of files below the manifest's folder"
    if os.path.isdir(os.path.join(manifest.root, literal)):
        return f"the folder {pattern!r} holds no file, expected at least one"
    folder, name = split(literal)
    near = nearest(name, _names(os.path.join(manifest.root, folder)))
    return f"there is no file {pattern!r}, " + (
        f"did you mean {join(folder, near)!r}?" if near else "expected it there"
    )


def _constant(templates: tuple[Template, ...]) -> tuple[str, ...]:
    texts = (template.fill({}) for template in templates if template.constant)
    return tuple(text for text in texts if pattern_problem(text) is None)  # the others were told where they were read


def _means_one(pattern: str, outputs: Sequence[str]) -> bool:
    """Whether a pattern means one of these outputs, or something in it."""
    matches, prefix = Matcher((pattern,)), f"{literal_prefix(parse_pattern(pattern))}/"
    return any(
        matches(f"{path}x" if path[-1] == "/" else path) or prefix.startswith(f"{path.rstrip('/')}/")
        for path in outputs
    )


def _note(
    manifest: Manifest, patterns: tuple[str, ...], unmatched: Sequence[str], where: MarkPath, report: Report
) -> None:
    for pattern in unmatched:
        places = report.marks.entries(where, mappings=False)
        named = pattern in patterns and len(places) == len(patterns)
        at = places[patterns.index(pattern)] if named else where
        report.error(at, say_missing(manifest, pattern))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
