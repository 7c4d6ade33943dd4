"""A job's `stitch`: from plain data to its frozen value."""

from __future__ import annotations

from helios_pipe.manifest.model import Encode, JobInput, Stitch, StitchMethod
from helios_pipe.manifest.patterns import literal_problem, pattern_problem
from helios_pipe.manifest.scope import STITCH_COMMAND, spelled_text
from helios_pipe.manifest.section import Section


def build_stitch(job: Section) -> Stitch | None:
    """The stitch of the job, None where there is none or its output is flawed. Of a stitch that joins other jobs the
    method is a guess where it is not given: `settle_method` ends it once those jobs are known."""
    stitch = job.below("stitch")
    if stitch is None:
        return None
    output = stitch.output()
    command = stitch.scope.command(stitch.get("command"), stitch.at("command"), STITCH_COMMAND)
    _check_options(stitch, given_method(stitch))
    if output is None:
        return None
    proof = stitch.get("proof")
    return Stitch(
        method=given_method(stitch) or default_method(output, chunk_outputs(job)),
        output=output,
        sources=_sources(stitch),
        numbering=stitch.get("numbering") or "absolute",
        audio=_audio(stitch),
        command=command,
        inputs=_inputs(stitch),
        encode=_encode(stitch.below("encode")),
        adapter=stitch.get("adapter") or "local",
        proof=True if proof is None else proof,
        audio_codec=stitch.text("audio_codec"),
    )


def given_method(stitch: Section) -> StitchMethod | None:
    """The method that the manifest settles by itself: the one it names, or `command` where there is one."""
    method: StitchMethod | None = stitch.get("method")
    return method or ("command" if stitch.has("command") else None)


def default_method(output: str, joined: list[str]) -> StitchMethod:
    """The method where none is given, by what is made and what is joined."""
    if output.endswith("/"):
        return "collect"
    return "encode" if any(text.endswith("/") for text in joined) else "concat"


def chunk_outputs(job: Section) -> list[str]:
    """The outputs that the job's chunks declare, as they stand."""
    chunk = job.below("chunk")
    found = [chunk.get("output")] if chunk else [value.get("output") for _, value in job.items("chunks")]
    return [text for text in found if isinstance(text, str)]


def _check_options(stitch: Section, method: StitchMethod | None) -> None:
    if method == "command" and not stitch.has("command"):
        stitch.error("the method 'command' without a command, expected 'command: ...' beside it", "method")
    if stitch.has("command") and method != "command":
        stitch.error(f"a command beside the method {method!r}, expected 'method: command' or none", "command")


def _sources(stitch: Section) -> tuple[str, ...]:
    names = [stitch.scope.text(value, stitch.at("from", index)) for index, value in stitch.items("from")]
    return tuple(name for name in names if name is not None)


def _inputs(stitch: Section) -> tuple[str, ...]:
    found = []
    for index, value in stitch.items("inputs"):
        text = stitch.scope.text(value, stitch.at("inputs", index))
        problem = pattern_problem(text) if text is not None else None
        if problem:
            stitch.error(problem, "inputs", index)
        elif text is not None:
            found.append(text)
    if found and not stitch.has("command"):
        stitch.error("inputs without a command, expected them only beside 'command'", "inputs")
    return tuple(found)


def _audio(stitch: Section) -> str | JobInput | None:
    section = stitch.below("audio")
    if section is not None:
        name = section.text("job")
        return JobInput(name) if name is not None else None
    text = stitch.text("audio")
    problem = literal_problem(text) if text is not None else None
    if problem:
        stitch.error(problem, "audio")
        return None
    return text


def _encode(encode: Section | None) -> Encode:
    if encode is None:
        return Encode()
    marks = encode.scope.report.marks
    args = [
        encode.scope.text(spelled_text(value, encode.at("args", index), marks), encode.at("args", index))
        for index, value in encode.items("args")
    ]
    return Encode(
        codec=encode.text("codec") or Encode().codec,
        crf=encode.get("crf"),
        pix_fmt=encode.text("pix_fmt"),
        preset=encode.text("preset"),
        args=tuple(arg for arg in args if arg is not None),
    )
