"""What can only be said of a manifest as a whole: references, cycles, what can be joined how, who may run where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import basename, normpath

from helios_pipe.manifest.cycles import find_cycles
from helios_pipe.manifest.joins import check_join, settle_method
from helios_pipe.manifest.lint import lint_job
from helios_pipe.manifest.model import Job, JobInput, Manifest, MarkPath
from helios_pipe.manifest.outputs import check_outputs
from helios_pipe.manifest.patterns import Matcher
from helios_pipe.manifest.problems import Report
from helios_pipe.manifest.suggest import advice
from helios_pipe.manifest.template import Template
from helios_pipe.manifest.workspace import check_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check_manifest(manifest: Manifest, data: Mapping[str, Any], report: Report) -> Manifest:
    """Note all that is wrong between the parts of the manifest; returns it with every stitch's method settled."""
    by_name = {job.name: job for job in manifest.jobs}
    needs = {job.name: list(_references(job, report)) for job in manifest.jobs}
    declared = data.get("jobs")
    known = {*by_name, *(declared if isinstance(declared, dict) else ())}
    families = _families(manifest)
    known -= families.keys()
    for job in manifest.jobs:
        _check_references(needs[job.name], known, families, report)
        _check_adapters(job, manifest, report)
        _check_env(job.env, (*job.where, "env"), manifest, report)
        for index, chunk in enumerate(job.chunks):
            if chunk.env:
                _check_env(chunk.env, (*job.where, "chunks", index, "env"), manifest, report)
        check_workspace(job, by_name, report)
    for cycle, where in find_cycles(needs):
        report.error(where, f"the jobs need each other: {' -> '.join(cycle)}")
    _check_env(manifest.env, ("env",), manifest, report)
    manifest = manifest._replace(jobs=tuple(settle_method(job, by_name, data) for job in manifest.jobs))
    by_name = {job.name: job for job in manifest.jobs}
    for job in manifest.jobs:
        check_join(job, by_name, report)
        _warn_of_tools(job, manifest, report)
        lint_job(job, report)
    check_outputs(manifest, report)
    return manifest


def _references(job: Job, report: Report) -> Iterator[tuple[str, MarkPath]]:
    entries = report.marks.entries((*job.where, "inputs"), mappings=True)
    for reference, where in zip(job.job_inputs, entries, strict=False):
        yield reference.job, (*where, "job")
    if job.stitch:
        for index, name in enumerate(job.stitch.sources):
            yield name, (*job.where, "stitch", "from", index)
        if isinstance(job.stitch.audio, JobInput):
            yield job.stitch.audio.job, (*job.where, "stitch", "audio", "job")


def _families(manifest: Manifest) -> dict[str, list[str]]:
    """The combinations of each matrix job, by the name that it has in the manifest."""
    families: dict[str, list[str]] = {}
    for job in manifest.jobs:
        if job.name.endswith("]"):
            families.setdefault(job.name.partition("[")[0], []).append(job.name)
    return families


def _check_references(
    needs: list[tuple[str, MarkPath]], known: set[str], families: Mapping[str, list[str]], report: Report
) -> None:
    for name, where in needs:
        if name in known:
            continue
        combinations = families.get(name)
        if combinations:
            listed = ", ".join(combinations[:6]) + (", ..." if len(combinations) > 6 else "")
            report.error(where, f"{name!r} is a matrix job, expected one of its combinations: {listed}")
        else:
            report.error(where, f"unknown job {name!r}, {advice(name, known)}")


def _check_adapters(job: Job, manifest: Manifest, report: Report) -> None:
    places = [(job.adapter, (*job.where, "adapter"))]
    if job.stitch:
        places.append((job.stitch.adapter, (*job.where, "stitch", "adapter")))
    for name, where in places:
        config = manifest.adapters.get(name)
        if config is None:
            report.error(where, f"unknown adapter {name!r}, {advice(name, manifest.adapters)}")
        elif job.workspace == "project" and config.type not in ("local", "unknown"):
            report.error(where, f"{name!r} runs elsewhere, where 'workspace: project' cannot be: expected 'local'")


def _check_env(env: Mapping[str, str], where: MarkPath, manifest: Manifest, report: Report) -> None:
    for name in env:
        for key, names in (("pass_env", manifest.pass_env), ("secrets", manifest.secrets)):
            if name in names:
                report.error((*where, name), f"{name!r} is in {key!r} too: expected it set here or passed through")


def _commands(job: Job) -> Iterator[tuple[tuple[Template, ...], MarkPath]]:
    yield job.command, (*job.where, "command")
    if job.chunk:
        yield job.chunk.command, (*job.where, "chunk", "command")
    if job.stitch:
        yield job.stitch.command, (*job.where, "stitch", "command")
    for index, chunk in enumerate(job.chunks):
        yield chunk.command, (*job.where, "chunks", index, "command")


def _warn_of_tools(job: Job, manifest: Manifest, report: Report) -> None:
    tools = {tool.name for tool in manifest.tools}
    seen: set[str] = set()
    for command, where in _commands(job):
        word = command[0].parts[0] if command and command[0].constant else None
        if not isinstance(word, str) or not word or word in seen:
            continue
        seen.add(word)
        if word in tools or basename(word) in tools or ("/" in word and Matcher(job.inputs)(normpath(word))):
            continue  # a script among the inputs is keyed by its content
        report.warn(
            where,
            f"{word!r} is no tool: a new version of it would go unnoticed, expected it under 'tools' ({word}: auto)",
        )
