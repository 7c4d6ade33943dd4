"""What a manifest puts out: each path made once, inside the project, and never an input at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from helios_pipe.manifest.inputs import asked_inputs
from helios_pipe.manifest.model import Job, Manifest, MarkPath
from helios_pipe.manifest.paths import escapes
from helios_pipe.manifest.patterns import Matcher, literal_prefix, parse_pattern
from helios_pipe.manifest.problems import Report
from helios_pipe.tuples import NamedTuple


class _Made(NamedTuple):
    path: str
    job: str
    where: MarkPath

    @property
    def bare(self) -> str:
        return self.path.rstrip("/")


def check_outputs(manifest: Manifest, report: Report) -> None:
    """Note outputs that are made twice, lie in one another, leave the project, or are inputs."""
    made: dict[str, _Made] = {}
    every = [output for job in manifest.jobs for output in _made(job)]
    for output in every:
        _check_place(output, manifest, report)
        first = made.setdefault(output.bare, output)
        if first is not output:
            line = report.marks.nearest(first.where)[0]
            advice = "use {matrix.NAME} in it" if first.where == output.where else "expected a path of its own"
            report.error(output.where, f"{output.path!r} is made by {first.job!r} too (line {line}): {advice}")
    for output in made.values():
        holder = _above(output.bare, made)
        if holder is not None:
            report.error(output.where, f"{output.path!r} lies in {holder.path!r}, which {holder.job!r} makes")
    for output in every:
        _check_proof(output, made, report)
    _check_inputs(manifest, made, report)


def _made(job: Job) -> Iterator[_Made]:
    if job.output:
        yield _Made(job.output, job.name, (*job.where, "output"))
    if job.stitch:
        yield _Made(job.stitch.output, job.name, (*job.where, "stitch", "output"))


def _check_place(output: _Made, manifest: Manifest, report: Report) -> None:
    if output.bare == manifest.path.name:
        report.error(output.where, f"{output.path!r} is the manifest itself, expected another path")
    link = escapes(Path(manifest.root), output.path)
    if link is not None:
        report.error(output.where, f"{output.path!r} leaves the project: {link!r} is a link to somewhere else")


def _check_proof(output: _Made, made: dict[str, _Made], report: Report) -> None:
    proved = made.get(output.bare.removesuffix(".proof.json"))
    if output.path.endswith(".proof.json") and proved is not None and proved.where[-2:] == ("stitch", "output"):
        report.error(output.where, f"{output.path!r} is the proof file of {proved.path!r}, expected another path")


def _above(path: str, made: dict[str, _Made]) -> _Made | None:
    while path := path.rpartition("/")[0]:
        if path in made:
            return made[path]
    return None


def _check_inputs(manifest: Manifest, made: dict[str, _Made], report: Report) -> None:
    below: dict[str, list[_Made]] = {}
    for output in made.values():
        folder = output.bare
        while folder:
            below.setdefault(folder, []).append(output)
            folder = folder.rpartition("/")[0]
    seen: set[tuple[str, ...]] = set()
    for job in manifest.jobs:
        for patterns, where in asked_inputs(job):
            if patterns not in seen:
                seen.add(patterns)
                for output in _both(patterns, made, below):
                    report.error(where, _say(output))


def _both(patterns: tuple[str, ...], made: dict[str, _Made], below: dict[str, list[_Made]]) -> list[_Made]:
    """The outputs that the patterns mean as inputs."""
    hits: dict[str, _Made] = {}
    parsed = [parse_pattern(text) for text in patterns]
    plain = all(pattern.literal is not None and not pattern.excludes for pattern in parsed)
    for pattern in parsed:
        if pattern.excludes:
            continue
        prefix = literal_prefix(pattern)
        holder = made.get(prefix) or _above(prefix, made)
        found = [holder] if holder is not None else []
        if plain:
            found += below.get(prefix, ())
        hits |= {output.bare: output for output in found}
    if not plain:
        matches = Matcher(patterns)
        for path, output in made.items():
            if matches(path + "/x" if output.path.endswith("/") else path):
                hits[path] = output
    return list(hits.values())


def _say(output: _Made) -> str:
    return (
        f"{output.path!r} is an input here and made by {output.job!r}: expected it excluded ('!{output.path}'), "
        f"or {{job: {output.job}}} in its place"
    )
