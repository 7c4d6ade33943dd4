"""One job of one matrix combination: from plain data to its frozen value. Knows nothing of the other jobs."""

from __future__ import annotations

from collections.abc import Sequence

from helios_pipe.manifest.model import ChunkRule, ExplicitChunk, Job, JobInput
from helios_pipe.manifest.paths import PathError, clean_relative
from helios_pipe.manifest.patterns import pattern_problem
from helios_pipe.manifest.scope import (
    BARE_CHUNK_COMMAND,
    BARE_CHUNK_INPUT,
    CHUNK_COMMAND,
    CHUNK_INPUT,
    COMMAND,
    Place,
)
from helios_pipe.manifest.section import Section
from helios_pipe.manifest.stitches import build_stitch
from helios_pipe.manifest.template import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHAPES = "frames + chunk, chunks, command + output, or stitch with from"


def build_job(job: Section, name: str) -> Job:
    """The job that the section describes. What is flawed in it is left out, and in the report."""
    check_keys(job)
    inputs, job_inputs = _inputs(job)
    retry_delay = job.duration("retry_delay", zero=True)
    return Job(
        name=name,
        where=job.where,
        inputs=inputs,
        job_inputs=job_inputs,
        frames=job.frames(),
        fps=job.rate(),
        chunk=_chunk_rule(job.below("chunk")),
        chunks=_explicit_chunks(job),
        command=job.scope.command(job.get("command"), job.at("command"), COMMAND),
        output=job.output() if job.has("output") else None,
        stitch=build_stitch(job),
        env=job.env(),
        timeout_s=job.duration("timeout"),
        stall_timeout_s=job.duration("stall_timeout"),
        retries=job.get("retries") or 0,
        retry_delay_s=1.0 if retry_delay is None else retry_delay,
        adapter=job.get("adapter") or "local",
        workspace=job.get("workspace") or "isolated",
        hedge=job.get("hedge"),
    )


def check_keys(job: Section) -> None:
    """Note where the keys of the job make no shape, or more than one, or do not go together."""
    shapes = [key for key in ("chunk", "chunks", "command") if job.has(key)]
    stitch = job.below("stitch")
    if stitch is not None and stitch.has("from"):
        shapes.append("stitch.from")
    if len(shapes) > 1:
        job.error(
            f"{' and '.join(map(repr, shapes))} are given, expected exactly one of {SHAPES}", shapes[1].split(".")[0]
        )
        return
    shape = shapes[0] if shapes else None
    if job.has("frames") and shape != "chunk":
        advice = "give each of the chunks its own" if shape == "chunks" else "the range is cut into chunks"
        job.error(f"'frames' goes with 'chunk' only: {advice}", "frames")
    elif shape == "chunk" and not job.has("frames"):
        job.error("missing key 'frames', expected one such as 0-239")
    if job.has("output") and shape != "command":
        job.error("'output' goes with 'command' only: where chunks are joined it is 'stitch.output'", "output")
    elif shape == "command" and not job.has("output"):
        job.error("missing key 'output', expected one such as out/mix.wav")
    elif shape is None and not job.has("frames"):
        job.error(f"makes nothing, expected exactly one of {SHAPES}")
    if shape == "command" and job.has("stitch"):
        job.error("a single command has nothing to join, expected no 'stitch'", "stitch")


def _inputs(job: Section) -> tuple[tuple[str, ...], tuple[JobInput, ...]]:
    patterns: list[str] = []
    from_jobs: list[JobInput] = []
    for index, value in job.items("inputs"):
        if isinstance(value, dict):
            found = _job_input(Section(value, job.at("inputs", index), job.scope))
            if found is not None:
                from_jobs.append(found)
            continue
        text = job.scope.text(value, job.at("inputs", index))
        problem = pattern_problem(text) if text is not None else None
        if problem:
            job.error(problem, "inputs", index)
        elif text is not None:
            patterns.append(text)
    return tuple(patterns), tuple(from_jobs)


def _job_input(section: Section) -> JobInput | None:
    name = section.text("job")
    if name is None:
        return None
    path = section.text("as")
    if path is not None:
        try:
            path = clean_relative(path)
        except PathError as error:
            section.error(str(error).replace("the project", "the workspace"), "as")
    return JobInput(name, path)


def _chunk_rule(chunk: Section | None) -> ChunkRule | None:
    if chunk is None:
        return None
    size, output = chunk.get("size"), chunk.output(templates=False)
    command = _command(chunk, CHUNK_COMMAND, output)
    inputs = _chunk_inputs(chunk, CHUNK_INPUT)
    return ChunkRule(size, command, output, inputs) if size and output and command else None


def _explicit_chunks(job: Section) -> tuple[ExplicitChunk, ...]:
    return tuple(
        _explicit_chunk(Section(value, job.at("chunks", index), job.scope)) for index, value in job.items("chunks")
    )


def _explicit_chunk(chunk: Section) -> ExplicitChunk:
    bare = not chunk.has("frames")
    output = chunk.output(templates=False)
    return ExplicitChunk(
        command=_command(chunk, BARE_CHUNK_COMMAND if bare else CHUNK_COMMAND, output),
        output=output or "",
        inputs=_chunk_inputs(chunk, BARE_CHUNK_INPUT if bare else CHUNK_INPUT) if chunk.has("inputs") else (),
        frames=None if bare else chunk.frames(),
        env=chunk.env() if chunk.has("env") else {},
        timeout_s=chunk.duration("timeout"),
    )


def _command(chunk: Section, place: Place, output: str | None) -> tuple[Template, ...]:
    command = chunk.scope.command(chunk.get("command"), chunk.at("command"), place)
    warn_without_output(chunk, command, output)
    return command


def _chunk_inputs(chunk: Section, place: Place) -> tuple[Template, ...]:
    found: list[Template] = []
    for index, value in chunk.items("inputs"):
        template = chunk.scope.template(value, chunk.at("inputs", index), place)
        if template is None:
            continue
        problem = pattern_problem(str(template))
        if problem:
            chunk.error(problem, "inputs", index)
        found.append(template)
    return tuple(found)


def warn_without_output(section: Section, command: Sequence[Template], output: str | None) -> None:
    """Note a command that never says where its result goes."""
    name = (output or "").rstrip("/").rpartition("/")[2]
    mentioned = any("output" in word.fields or name in str(word) for word in reversed(command))  # it mostly stands last
    if command and output and not mentioned:
        section.warn(f"the command never mentions {{output}}: it must leave {output!r} all the same", "command")


def texts(values: Sequence[Any]) -> list[str]:
    """Those of the values that are texts."""
    return [value for value in values if isinstance(value, str)]
