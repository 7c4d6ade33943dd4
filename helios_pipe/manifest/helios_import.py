"""A Helios job as a manifest: explicit chunks, joined by us.

What is random in a job file (its parts' names) is kept out of the commands, so that a second emit of the same scene makes
the same chunks. What the job leaves unsaid is decided here:

- Its commands may need any file of the job's folder, so all of them are inputs, less what jobs put out there: its own target
  and parts, those of every job file in the folder, and the job files themselves.
- The target keeps its name. Helios renders sound as PCM, which few players take in an MP4: there it is encoded once, as
  AAC, over the whole video, unless the merge command names another codec.
- `helios` looks for its browser below HOME, which is passed through.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from posixpath import splitext
from typing import Any

from helios_pipe.manifest.build import default_name
from helios_pipe.manifest.document import MAX_BYTES
from helios_pipe.manifest.helios import JobChunk, JobSpec, is_job, job_problems
from helios_pipe.manifest.model import AdapterConfig, ExplicitChunk, Job, Manifest, Stitch
from helios_pipe.manifest.paths import PathError, clean_output
from helios_pipe.manifest.patterns import escape
from helios_pipe.manifest.problems import Report
from helios_pipe.manifest.rates import parse_rate
from helios_pipe.manifest.section import NAME
from helios_pipe.manifest.template import Field, Template
from helios_pipe.manifest.units import UnitError, frame_range
from helios_pipe.manifest.words import CommandError, split_helios
from helios_pipe.tuples import NamedTuple

JOB_NAME = "render"
PASSED = ("HOME", "PUPPETEER_CACHE_DIR", "PUPPETEER_EXECUTABLE_PATH", "PLAYWRIGHT_BROWSERS_PATH", "CHROME_PATH")

_LEFTOVERS = "!temp_*_part_*"
_OUTPUT = Template((Field("output"),))
_MP4 = (".mp4", ".m4v")
_HEAD_BYTES = 1 << 16


def manifest_of_job(path: Path, data: dict[str, Any], report: Report, *, keep_merge: bool = False) -> Manifest | None:
    """The manifest that does what the job file at `path` asks for; None where it is no job, with the reasons in the report."""
    problems = list(job_problems(data))
    for where, message in problems:
        report.error(where, message)
    if problems:
        return None
    spec = JobSpec.from_dict(data)
    if not spec.chunks:
        report.error(("chunks",), "is empty, expected at least one chunk")
    if spec.assets_url:
        report.warn(("assetsUrl",), "is not fetched: the files of the job's folder are used")
    beside = _look_beside(path.parent)
    rendered = sum(chunk.frame_count for chunk in spec.chunks)
    if rendered != spec.metadata.total_frames:
        report.warn(
            ("metadata", "totalFrames"), f"is {spec.metadata.total_frames}, but the chunks hold {rendered} frames"
        )
    name = spec.id if spec.id and NAME.match(spec.id) else default_name(path)
    return Manifest(
        path=path,
        root=path.parent,
        name=name,
        jobs=(_job(spec, path, beside, report, keep_merge=keep_merge),),
        pass_env=PASSED,
        adapters={"local": AdapterConfig("local", "local")},
        marks=report.marks,
        beside=tuple(beside.names - {path.name}),
    )


def _job(spec: JobSpec, path: Path, beside: _Beside, report: Report, *, keep_merge: bool) -> Job:
    order = sorted(range(len(spec.chunks)), key=lambda index: spec.chunks[index].start_frame)
    chunks = [_chunk(spec.chunks[index], index, report) for index in order]
    fps = None
    try:
        fps = parse_rate(str(spec.metadata.fps))
    except UnitError as error:
        report.error(("metadata", "fps"), str(error))
    stitch = _stitch(spec, report, keep_merge=keep_merge)
    return Job(
        name=JOB_NAME,
        where=(),
        inputs=_inputs(path, spec, stitch, beside),
        takes_what_is_there=True,
        fps=fps,
        chunks=tuple(chunk for chunk in chunks if chunk is not None),
        stitch=stitch,
    )


def _chunk(chunk: JobChunk, index: int, report: Report) -> ExplicitChunk | None:
    where = ("chunks", index)
    try:
        words = split_helios(chunk.command)
        frames = frame_range(chunk.start_frame, chunk.start_frame + chunk.frame_count - 1)
    except (CommandError, UnitError) as error:
        report.error(where, str(error))
        return None
    name = chunk.output_file.removeprefix("./")
    command = tuple(_template(word, name) if name in word else Template((word,)) for word in words)
    if any(not template.constant for template in command):
        return ExplicitChunk(command, _part_name(chunk), frames=frames)
    report.warn(
        (*where, "command"), f"the command never mentions {chunk.output_file!r}, which it must leave all the same"
    )
    try:
        return ExplicitChunk(command, clean_output(chunk.output_file), frames=frames)
    except PathError as error:
        report.error((*where, "outputFile"), str(error))
        return None


def _template(word: str, name: str) -> Template:
    """The word with `{output}` for the name, where it stands by itself and not within a longer name or path."""
    if word == name:
        return _OUTPUT
    pieces = re.split(rf"(?<![\w./-])(?:\./)?{re.escape(name)}(?![\w./-])", word)
    parts: list[str | Field] = [pieces[0]]
    for piece in pieces[1:]:
        parts += [Field("output"), piece]
    return Template(tuple(part for part in parts if part) or ("",))


def _stitch(spec: JobSpec, report: Report, *, keep_merge: bool) -> Stitch | None:
    words = split_helios(spec.merge_command or "")
    target, options = merge_target(words)
    if target is None:
        report.warn(("mergeCommand",), "names no file to make: the chunks stay in the cache")
        return None
    try:
        output = clean_output(target)
    except PathError as error:
        report.error(("mergeCommand",), str(error))
        return None
    if keep_merge:
        return _kept(spec, words, target, output, report)
    for option in ("--video-codec", "--quality"):
        if options.get(option, "copy") != "copy":
            report.warn(("mergeCommand",), f"{option} is not followed: chunks are joined without encoding them again")
    codec = options.get("--audio-codec")
    if codec is None and splitext(output)[1].lower() in _MP4 and any("pcm_" in chunk.command for chunk in spec.chunks):
        codec = "aac"
    return Stitch("concat", output, audio_codec=None if codec == "copy" else codec)


def _kept(spec: JobSpec, words: list[str], target: str, output: str, report: Report) -> Stitch | None:
    """The merge as the job has it: its words for the parts become the inputs, its target the output."""
    parts = [chunk.output_file for chunk in sorted(spec.chunks, key=lambda chunk: chunk.start_frame)]
    at = words.index(parts[0]) if parts and parts[0] in words else len(words)
    if words[at : at + len(parts)] != parts:
        report.error(
            ("mergeCommand",),
            "does not name the parts one after the other in the order of their frames: it cannot be kept",
        )
        return None
    kept = [*words[:at], *words[at + len(parts) :]]
    command = [_OUTPUT if word == target else Template((word,)) for word in kept]
    return Stitch("command", output, command=(*command[:at], Template((Field("inputs"),)), *command[at:]))


def merge_target(words: list[str]) -> tuple[str | None, dict[str, str]]:
    """What a merge command makes and its options: `helios merge OUTPUT PART... [--option VALUE]...`; of any other
    command the last word is what it makes."""
    options: dict[str, str] = {}
    plain: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-"):
            plain.append(word)
        elif "=" in word:
            options[word.partition("=")[0]] = word.partition("=")[2]
        elif at < len(words) and not words[at].startswith("-"):
            options[word] = words[at]
            at += 1
    if "merge" in plain:
        rest = plain[plain.index("merge") + 1 :]
        return (rest[0] if rest else None), options
    return (words[-1] if len(words) > 1 and not words[-1].startswith("-") else None), options


def _inputs(path: Path, spec: JobSpec, stitch: Stitch | None, beside: _Beside) -> tuple[str, ...]:
    made = {path.name: None, **dict.fromkeys(_parts(spec))}
    if stitch is not None:
        made |= dict.fromkeys((stitch.output, stitch.output + ".proof.json"))
    made |= dict.fromkeys(beside.manifests)
    for name, other in beside.jobs.items():
        target, _ = merge_target(split_helios(other.merge_command or ""))
        made |= dict.fromkeys((name, *_parts(other)))
        made |= dict.fromkeys((target, target + ".proof.json") if target else ())
    return ("**", _LEFTOVERS, *sorted("!./" + escape(text) for text in map(_inside, made) if text))


class _Beside(NamedTuple):
    """The files of a job's folder that say what is made there, and are no inputs: manifests, and job files."""

    manifests: frozenset[str]
    jobs: Mapping[str, JobSpec]

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.manifests.union(self.jobs)


def _look_beside(folder: Path) -> _Beside:
    return _Beside(frozenset(_manifests(folder)), dict(_job_files(folder)))


def _parts(spec: JobSpec) -> Iterator[str]:
    """What a job's chunks leave, less what one pattern means for all jobs."""
    return (chunk.output_file for chunk in spec.chunks if not fnmatchcase(chunk.output_file, _LEFTOVERS[1:]))


def _manifests(folder: Path) -> Iterator[str]:
    """The manifests of a folder: what one was imported to is no input of the job."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".yaml", ".yml")) and entry.is_file():
                with open(entry.path, "rb") as file:
                    head = file.read(_HEAD_BYTES)
                if re.search(rb"^version:", head, re.MULTILINE) and re.search(rb"^jobs:", head, re.MULTILINE):
                    yield entry.name


def _inside(text: str) -> str | None:
    try:
        return clean_output(text)
    except PathError:
        return None


def _job_files(folder: Path) -> Iterator[tuple[str, JobSpec]]:
    """The Helios job files of a folder. Two emits of a scene lie side by side there, and neither is an input."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(".json") and entry.is_file())
    for name in names:
        spec = _sniff(folder / name)
        if spec is not None:
            yield name, spec


def _sniff(path: Path) -> JobSpec | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES or b'"startFrame"' not in content:
            return None
        data = json.loads(content)
    except (OSError, ValueError, RecursionError):
        return None
    return JobSpec.from_dict(data) if is_job(data) and not any(True for _ in job_problems(data)) else None


def _part_name(chunk: JobChunk) -> str:
    """The name under which a chunk's output is known to us, whatever Helios called it this time."""
    return "part" + splitext(chunk.output_file)[1].lower()
