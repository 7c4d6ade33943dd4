"""Which chunks can be joined how. Knows names and declared shapes; what a file holds is looked at when it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import splitext

from helios_pipe.manifest.model import Job, JobInput, MarkPath, Stitch
from helios_pipe.manifest.problems import Report
from helios_pipe.manifest.stitches import default_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_VIDEOS = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".nut", ".mxf", ".flv", ".ogv"})


def settle_method(job: Job, by_name: Mapping[str, Job], data: Mapping[str, Any]) -> Job:
    """The job with the default method of a stitch that joins other jobs, now that they are known."""
    stitch = job.stitch
    if stitch is None or not stitch.sources or _names_method(job, data):
        return job
    joined = [_output(by_name[name]) or "" for name in stitch.sources if name in by_name]
    return job._replace(stitch=stitch._replace(method=default_method(stitch.output, joined)))


def check_join(job: Job, by_name: Mapping[str, Job], report: Report) -> None:
    """Note where the stitch of the job cannot join what it is given, or says what its method does not use."""
    stitch = job.stitch
    if stitch is None:
        return
    where = (*job.where, "stitch")
    for key, problem in (*_output_problems(stitch), *_option_problems(job, stitch)):
        report.error((*where, *key), problem)
    problems = (_input_problem(stitch, name, output) for name, output in _joined(job, stitch, by_name))
    first = next(filter(None, problems), None)
    if first:
        report.error((*where, "method"), first)
    _check_audio(stitch, by_name, where, report)
    if stitch.method in ("concat", "encode"):
        _check_tiling(job, stitch, report)
    if stitch.method == "command" and stitch.command:
        fields = frozenset().union(*(word.fields for word in stitch.command))
        if not fields & {"inputs", "inputs_list"}:
            report.warn((*where, "command"), "the command never mentions {inputs} or {inputs_list}: it joins nothing")
        if "output" not in fields:
            report.warn((*where, "command"), f"the command never mentions {{output}}: it must leave {stitch.output!r}")


def _names_method(job: Job, data: Mapping[str, Any]) -> bool:
    found: Any = data
    for step in (*job.where, "stitch"):
        found = found.get(step) if isinstance(found, dict) else None
    return isinstance(found, dict) and ("method" in found or "command" in found)


def _output(job: Job) -> str | None:
    return job.output or (job.stitch.output if job.stitch else None)


def _output_problems(stitch: Stitch) -> Iterator[tuple[tuple[str, ...], str]]:
    folder = stitch.output.endswith("/")
    if stitch.method == "collect" and not folder:
        yield (
            ("output",),
            f"{stitch.output!r} is a file, but 'collect' makes a folder: expected a path that ends in '/'",
        )
    elif stitch.method in ("concat", "encode") and folder:
        yield (
            ("output",),
            f"{stitch.output!r} is a folder, but {stitch.method!r} makes one video: expected a file's path",
        )


def _option_problems(job: Job, stitch: Stitch) -> Iterator[tuple[tuple[str, ...], str]]:
    if stitch.audio is not None and stitch.method not in ("concat", "encode"):
        yield (
            ("audio",),
            f"sound goes with a video, not with the method {stitch.method!r}: expected 'concat' or 'encode'",
        )
    if stitch.encode != type(stitch.encode)() and stitch.method != "encode":
        yield ("encode",), f"encoder options beside the method {stitch.method!r}, expected 'method: encode'"
    if stitch.method == "encode" and job.fps is None:
        yield (), "missing key 'fps' on the job: 'encode' needs to know how many images make a second, such as 24"


def _joined(job: Job, stitch: Stitch, by_name: Mapping[str, Job]) -> Iterator[tuple[str, str | None]]:
    for name in stitch.sources:
        if name in by_name and name != job.name:
            yield f"job {name!r}", _output(by_name[name])
    if job.chunk:
        yield "the chunk", job.chunk.output
    for index, chunk in enumerate(job.chunks):
        yield f"chunk {index}", chunk.output


def _input_problem(stitch: Stitch, name: str, output: str | None) -> str | None:
    if output is None:
        if stitch.method == "command":
            return None
        return f"{name} has no single output to join, expected it to have a 'stitch' of its own"
    folder = output.endswith("/")
    if stitch.method == "concat" and folder:
        return f"{name} is a folder ({output}), which 'concat' cannot join: expected a video, or 'encode' or 'collect'"
    if stitch.method == "encode" and not folder and splitext(output)[1].lower() in _VIDEOS:
        return f"{name} is a video ({output}), but 'encode' expects images: expected a folder, or the method 'concat'"
    return None


def _check_audio(stitch: Stitch, by_name: Mapping[str, Job], where: MarkPath, report: Report) -> None:
    if not isinstance(stitch.audio, JobInput) or stitch.audio.job not in by_name:
        return
    output = _output(by_name[stitch.audio.job])
    if output is None or output.endswith("/"):
        made = f"makes a folder ({output})" if output else "keeps its chunks and has no single output"
        report.error(
            (*where, "audio", "job"), f"job {stitch.audio.job!r} {made}, expected one that makes a file of sound"
        )


def _check_tiling(job: Job, stitch: Stitch, report: Report) -> None:
    """A join by frame number needs chunks that follow each other without a hole."""
    before = None
    for index, chunk in enumerate(job.chunks):
        where, frames = (*job.where, "chunks", index), chunk.frames
        if index and (frames is None) != (job.chunks[index - 1].frames is None) and _named(job, index, report):
            report.error(where, "some chunks say their 'frames' and some do not, expected all of them or none")
            return
        if frames and before:
            wanted = before.end + before.step
            if frames.start != wanted or (frames.step != before.step and frames.count > 1 and before.count > 1):
                what = "overlaps" if frames.start < wanted else "leaves a hole after"
                report.error(
                    (*where, "frames"),
                    f"{frames.start}-{frames.end} {what} chunk {index - 1} ({before.start}-{before.end}), "
                    f"expected frames from {wanted} on: {stitch.method!r} joins chunks in order",
                )
        before = frames


def _named(job: Job, index: int, report: Report) -> bool:
    """Whether it is so in the manifest too, not only because a range was flawed."""
    place = (*job.where, "chunks")
    return ((*place, index, "frames") in report.marks) != ((*place, index - 1, "frames") in report.marks)
