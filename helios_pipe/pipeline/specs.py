"""A job spec and its options as a manifest: the one way to run serves them, too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helios_pipe import settings
from helios_pipe.cache.placing import TEMP_SUFFIX
from helios_pipe.digest import canonical, digest_bytes
from helios_pipe.errors import UsageError
from helios_pipe.graph.build import build_graph
from helios_pipe.job_ports import JobExecutionOptions
from helios_pipe.job_status import check_job_id
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.manifest.load import manifest_of_spec
from helios_pipe.manifest.model import Job, Manifest, Stitch
from helios_pipe.manifest.paths import PathError, clean_output
from helios_pipe.manifest.patterns import escape
from helios_pipe.manifest.template import Field, Template
from helios_pipe.pipeline.leavings import put_out
from helios_pipe.pipeline.optioncheck import check_options
from helios_pipe.pipeline.request import Request
from helios_pipe.pipeline.session import Opened

if TYPE_CHECKING:
    from helios_pipe.ports import VideoStitcher

MERGE = "(merge)"
"""The pool of a program's own merge, by a name that no adapter can have."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A spec ready to run: the request, what it opens, the chunks' ids by their nodes' names, in order, and the files that
    the spec says the chunks are, by their ids."""

    request: Request
    opened: Opened
    chunk_ids: Mapping[str, int]
    files: Mapping[int, str]

    @property
    def job(self) -> Job:
        """The one job of such a manifest."""
        return self.opened.manifest.jobs[0]

    def part(self, chunk_id: int) -> Path:
        """Where a chunk is as a file of the job's folder."""
        return self.opened.manifest.root / self.files[chunk_id]


def prepare(spec: JobSpec, options: JobExecutionOptions, cache_dir: Path | None) -> Prepared:
    """Check a spec with its options, and lay it out. Raises UsageError, ManifestError; touches nothing."""
    check_options(options)
    job_id = check_job_id(spec.id) if spec.id is not None else _id_of(spec)
    root = folder_of(options)
    if not root.is_dir():
        raise UsageError(f"job_dir {root} is no folder")
    keep = options.merge and options.merge_adapter is not None and options.stitcher is None
    manifest = manifest_of_spec(spec, root / f"{job_id}.json", keep_merge=keep)
    manifest = manifest._replace(name=job_id, jobs=(_job(manifest, spec, options, cache_dir),))
    graph = build_graph(manifest)
    if not options.merge:
        graph = graph.without_stitches()
    order = sorted(spec.chunks, key=lambda chunk: chunk.start_frame)
    ids = {graph.jobs[0].chunk_name(index): chunk.id for index, chunk in enumerate(order)}
    unknown = sorted(set(options.completed_chunk_ids) - set(ids.values()))
    if unknown:
        raise UsageError(f"completed_chunk_ids {', '.join(map(str, unknown))}: the job has no such chunks")
    request = Request(
        manifest.path, concurrency=options.concurrency, keep_going=options.keep_going, stitch=options.merge,
        cache_dir=None if cache_dir is None else str(cache_dir), deadline_s=options.deadline, python=True,
    )  # fmt: skip
    return Prepared(request, Opened(manifest, graph, job_id), ids, _files(spec, options))


def folder_of(options: JobExecutionOptions) -> Path:
    """The folder of the job's assets, absolute."""
    return Path(os.path.abspath(options.job_dir or "."))


def cache_of(options: JobExecutionOptions, cache_dir: Path | None) -> Path:
    """The cache of such a job."""
    return settings.cache_dir(folder_of(options), None if cache_dir is None else str(cache_dir))


def _id_of(spec: JobSpec) -> str:
    return f"job-{digest_bytes(canonical(_without_floats(spec.to_dict())))[:12]}"


def _without_floats(value: object) -> object:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _without_floats(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_floats(item) for item in value]
    return value


def _job(manifest: Manifest, spec: JobSpec, options: JobExecutionOptions, cache_dir: Path | None) -> Job:
    job = manifest.jobs[0]
    stitch = _stitch(job.stitch, options) if options.merge else job.stitch
    return job._replace(
        inputs=(*job.inputs, *_not_inputs(spec, stitch, manifest.root, cache_dir)),
        stitch=stitch,
        retries=options.retries,
        retry_delay_s=options.retry_delay,
        timeout_s=options.timeout,
        stall_timeout_s=options.stall_timeout,
    )


def _not_inputs(spec: JobSpec, stitch: Stitch | None, root: Path, cache_dir: Path | None) -> list[str]:
    """What is in the job's folder and no input of it, besides what its own words say: the cache, where that is there under a
    name of its own; where the join goes; what is half written; and what this and other jobs have put out there."""
    cache = settings.cache_dir(root, None if cache_dir is None else str(cache_dir))
    found = [f"!.*{TEMP_SUFFIX}"]
    if cache != root and (place := _below(root, cache)) is not None:
        found.append(f"!./{escape(place)}/**")
    if stitch is not None and (output := _below(root, root / stitch.output)) is not None:
        found += [f"!./{escape(output)}", f"!./{escape(output)}.proof.json"]
    return [*found, *(f"!./{escape(path)}" for path in put_out(spec, root, cache))]


def _below(root: Path, path: Path) -> str | None:
    plain = Path(os.path.normpath(path))
    return plain.relative_to(root).as_posix() if plain.is_relative_to(root) else None


def _stitch(stitch: Stitch | None, options: JobExecutionOptions) -> Stitch | None:
    output = str(options.output_file) if options.output_file is not None else stitch.output if stitch else None
    if output is None:
        if options.stitcher is not None:
            raise UsageError("a stitcher needs output_file: the job's merge command names no file")
        return None
    if options.stitcher is not None:
        command = ("stitch", _name(options.stitcher))
        words = (*(Template((word,)) for word in command), Template((Field("output"),)), Template((Field("inputs"),)))
        return Stitch("command", output, command=words, adapter=MERGE)
    if options.merge_adapter is not None:
        if stitch is None:
            raise UsageError("merge_adapter has nothing to run: the job has no merge command")
        return stitch._replace(output=output, adapter=MERGE)
    return stitch._replace(output=output) if stitch is not None else Stitch("concat", output)


def _name(stitcher: VideoStitcher) -> str:
    kind = type(stitcher)
    return f"{kind.__module__}.{kind.__qualname__}"


def _files(spec: JobSpec, options: JobExecutionOptions) -> dict[int, str]:
    """Chunks are put to, or taken from, the names that the spec gives them: these must be in the job's folder."""
    used = spec.chunks if not options.merge else [c for c in spec.chunks if c.id in options.completed_chunk_ids]
    found = {}
    for chunk in used:
        try:
            found[chunk.id] = clean_output(chunk.output_file)
        except PathError as error:
            raise UsageError(f"chunk {chunk.id}: outputFile {error}") from error
    return found
