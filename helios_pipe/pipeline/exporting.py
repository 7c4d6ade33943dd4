"""Helios job files out of manifests, and manifests out of job files. Runs nothing."""

from __future__ import annotations

from pathlib import Path

from helios_pipe.engine.recipe import chunk_values
from helios_pipe.errors import UsageError
from helios_pipe.graph.build import build_graph
from helios_pipe.graph.nodes import JobNodes
from helios_pipe.manifest.export import Part, frame_size, job_spec, part_name, with_environment
from helios_pipe.manifest.globs import expand
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.model import ExplicitChunk, Manifest
from helios_pipe.manifest.patterns import escape
from helios_pipe.manifest.write import manifest_text
from helios_pipe.pipeline.checking import find_missing
from helios_pipe.pipeline.request import Request


def imported(path: Path, target: Path | None, *, keep_merge: bool = False) -> tuple[str, tuple[str, ...]]:
    """The text of the manifest that the job file at `path` amounts to, to be written to `target`, and warnings of what is not
    followed. Raises ManifestError; UsageError where the file is no job file, or the manifest would stand where its paths mean
    something else."""
    manifest = load_manifest(path, look_if_wrong=find_missing, keep_merge=keep_merge)
    if manifest.jobs[0].where:  # a job that a manifest declares has a place there
        raise UsageError(f"{path} is a manifest already, expected a job file (`helios render --emit-job`)")
    if target is not None and target.parent.resolve() != manifest.root.resolve():
        raise UsageError(
            f"{target} is not beside {path}",
            hint=f"Its commands name files relative to the job's folder: write {manifest.root / target.name}.",
        )
    return manifest_text(_narrowed(manifest, target), path.name, _scene(manifest)), manifest.warnings


def exported(request: Request, size: tuple[int, int] | None = None) -> tuple[JobSpec, list[str]]:
    """The job spec of one job of a manifest, and what it leaves unsaid. `request.jobs` names the job where there are several
    that are cut into chunks. Raises ManifestError, UsageError where Helios could not run it."""
    manifest = load_manifest(request.manifest, request.overrides, look_if_wrong=find_missing)
    nodes = _one(manifest, request)
    job = nodes.job
    if job.stitch is None:
        raise UsageError(f"job {job.name} has no stitch, and a Helios job ends with one file")
    if nodes.needs:
        raise UsageError(f"job {job.name} takes what job {nodes.needs[0]} makes, and a Helios job knows no other job")
    if job.fps is None:
        raise UsageError(f"job {job.name} does not say its fps, which a Helios job has to")
    parts = [_part(manifest, nodes, index) for index in range(len(nodes.spans))]
    size = size or frame_size(manifest, [part.words for part in parts])
    return job_spec(parts, job.stitch, job.fps, size), _unsaid(manifest, nodes, size)


def _narrowed(manifest: Manifest, target: Path | None) -> Manifest:
    """The same, the file that it is written to not among its inputs: it would be a part of every key. Where no other is there,
    it has none: a manifest may not name what is not there."""
    (job,) = manifest.jobs
    patterns = job.inputs
    if target is not None and (pattern := "!./" + escape(target.name)) not in patterns:
        patterns = (*patterns, pattern)
    if expand(manifest.root, patterns).unmatched:
        patterns = ()
    return manifest._replace(jobs=(job._replace(inputs=patterns),))


def _scene(manifest: Manifest) -> list[str]:
    words = {str(word) for chunk in manifest.jobs[0].chunks for word in chunk.command if word.constant}
    return sorted(word for word in words if not word.startswith(("-", "/")) and (manifest.root / word).is_file())


def _one(manifest: Manifest, request: Request) -> JobNodes:
    cut = [nodes for nodes in build_graph(manifest).jobs if nodes.spans]
    known = ", ".join(nodes.job.name for nodes in cut)
    if request.jobs:
        cut = [nodes for nodes in cut if nodes.job.name in request.jobs]
    if len(cut) == 1:
        return cut[0]
    if not known:
        raise UsageError(f"{request.manifest} has no job that is cut into chunks")
    raise UsageError(f"a Helios job is one job of a manifest: expected the name of one of {known}")


def _part(manifest: Manifest, nodes: JobNodes, index: int) -> Part:
    job, span = nodes.job, nodes.spans[index]
    chunk: ExplicitChunk | None = job.chunks[index] if job.chunks else None
    rule = chunk or job.chunk
    assert rule is not None
    name = nodes.chunk_name(index)
    if not span.count or span.step != 1:
        what = "does not say its frames" if not span.count else f"renders every {span.step}th frame"
        raise UsageError(f"{name} {what}, and a Helios chunk is a range of frames one after the other")
    if rule.output.endswith("/"):
        raise UsageError(f"{name} leaves a folder, and a Helios chunk leaves one file")
    if not any("output" in word.fields for word in rule.command):
        raise UsageError(
            f"the command of {name} does not mention {{output}}: in one folder all chunks would leave {rule.output}"
        )
    output = part_name(job.name, index, rule.output)
    values = chunk_values(span, output)
    env = {**manifest.env, **job.env, **(chunk.env if chunk is not None else {})}
    words = with_environment([word.fill(values) for word in rule.command], env)
    return Part(span.start, span.count, words, output)


def _unsaid(manifest: Manifest, nodes: JobNodes, size: tuple[int, int] | None) -> list[str]:
    job = nodes.job
    notes: list[str] = []
    if size is None:
        notes.append("metadata.width and height are left out: the manifest does not say them (--size WIDTHxHEIGHT)")
    if manifest.tools:
        names = ", ".join(tool.name for tool in manifest.tools)
        notes.append(f"the versions of {names} are checked by nobody")
    if job.stitch is not None and job.stitch.audio is not None:
        notes.append("the sound (stitch.audio) is not in the merge command")
    if job.timeout_s is not None or job.stall_timeout_s is not None or job.retries:
        notes.append("time limits and retries are Helios' own")
    if job.stitch is not None and "/" in job.stitch.output:
        notes.append(f"the folder {job.stitch.output.rpartition('/')[0]}/ has to be there")
    return notes
