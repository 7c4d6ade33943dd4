"""An imported Helios job -> the text of a manifest, with comments for whoever goes on from it. Writes no file.

Where the chunks are one range cut evenly, and their commands differ in nothing but the frames, the text says just that
(`frames`, `chunk`); else every chunk stands by itself. Either way the nodes and their keys are those of the job file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from helios_pipe.manifest.model import ChunkRule, ExplicitChunk, Frames, Job, Manifest, Stitch
from helios_pipe.manifest.scalars import resolve
from helios_pipe.manifest.template import Field, Template
from helios_pipe.regex import regex

_WIDTH = 110
_PLAIN = regex(r"[A-Za-z_./][A-Za-z0-9_./@%+-]*\Z")
_QUOTED = regex(r"[\s'\"\\]")
_START, _COUNT = Field("chunk.start"), Field("chunk.count")
_OPTIONS = {"--start-frame": _START, "--frame-count": _COUNT}


def manifest_text(manifest: Manifest, source: str, scene: Sequence[str] = ()) -> str:
    """The manifest that does what an imported job does. `source` is the job file's name; `scene` names the files that its
    commands mention, for the comment that says how to narrow the inputs."""
    (job,) = manifest.jobs
    tool = str(job.chunks[0].command[0])
    lines = [
        f"# Made of {source}, a job file of Helios. It is not read any more: change what is to be made here.",
        "version: 1",
        f"name: {scalar(manifest.name)}",
        "# Makes the program's version a part of every key, so that a new one renders again:",
        f"# tools: {{{scalar(tool)}: auto}}",
        "# Where the program finds its browser; a part of no key.",
        f"pass_env: [{', '.join(map(scalar, manifest.pass_env))}]",
        "",
        "jobs:",
        f"  {scalar(job.name)}:",
        *_inputs(job, scene),
        *_chunks(job),
        *(_stitch(job.stitch) if job.stitch is not None else ()),
    ]
    return "\n".join(lines) + "\n"


def as_rule(job: Job) -> tuple[Frames, ChunkRule] | None:
    """The one range and rule that the job's explicit chunks amount to; None where they are more than that."""
    ranges = [chunk.frames for chunk in job.chunks]
    frames = [found for found in ranges if found is not None and found.step == 1]
    size = frames[0].count if frames else 0
    if not frames or len(frames) != len(job.chunks) or frames[0].start % size or frames[-1].count > size:
        return None
    if any(left.end + 1 != right.start or left.count != size for left, right in pairwise(frames)):
        return None
    whole = Frames(frames[0].start, frames[-1].end)
    first = job.chunks[0]
    command = _opened(first.command, frames[0])
    same = all(
        _opened(chunk.command, found) == command and chunk.output == first.output and not chunk.env
        for chunk, found in zip(job.chunks, frames, strict=True)
    )
    tells = len(frames) == 1 or any(_START.name in word.fields for word in command)
    return (whole, ChunkRule(size, command, first.output)) if same and tells else None


def scalar(text: str) -> str:
    """The text as a YAML scalar that is read back as just that text."""
    if _PLAIN.match(text) and resolve(text) == text:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _opened(command: Sequence[Template], frames: Frames) -> tuple[Template, ...]:
    """The command with placeholders for the frames that its options name."""
    values = {"--start-frame": str(frames.start), "--frame-count": str(frames.count)}
    words: list[Template] = []
    for word, before in zip(command, [None, *command], strict=False):
        text = _text(word)
        option, equals, value = text.partition("=")
        previous = _text(before) if before is not None else ""
        if values.get(previous) == text:
            words.append(Template((_OPTIONS[previous],)))
        elif equals and values.get(option) == value:
            words.append(Template((f"{option}=", _OPTIONS[option])))
        else:
            words.append(word)
    return tuple(words)


def _text(word: Template) -> str:
    return word.fill({}) if word.constant else ""


def _inputs(job: Job, scene: Sequence[str]) -> Iterator[str]:
    if not job.inputs:
        return
    example = ", ".join(map(scalar, scene or ("comp.html", "assets/**")))
    yield "    # A job file does not say what its commands read. So all of this folder are inputs, less what is put out here,"
    yield "    # and a change of any file renders every chunk again. Name what the scene reads, and less is rendered:"
    yield f"    #   inputs: [{example}]"
    yield "    inputs:"
    for pattern in job.inputs:
        yield f"      - {scalar(pattern)}"


def _chunks(job: Job) -> Iterator[str]:
    rule = as_rule(job)
    if rule is not None:
        yield f"    frames: {_range(rule[0])}"
    if job.fps is not None:
        yield f"    fps: {job.fps}"
    if rule is not None:
        yield "    chunk:"
        yield f"      size: {rule[1].size}"
        yield from _command(rule[1].command, 6)
        yield f"      output: {scalar(rule[1].output)}"
        return
    yield "    chunks:"
    for chunk in job.chunks:
        yield from _explicit(chunk)


def _explicit(chunk: ExplicitChunk) -> Iterator[str]:
    first, *rest = _command(chunk.command, 8)
    yield "      - " + first.lstrip()
    yield from rest
    yield f"        output: {scalar(chunk.output)}"
    if chunk.frames is not None:
        yield f"        frames: {_range(chunk.frames)}"


def _range(frames: Frames) -> str:
    return f"{frames.start}-{frames.end}" + (f"x{frames.step}" if frames.step > 1 else "")


def _stitch(stitch: Stitch) -> Iterator[str]:
    yield "    stitch:"
    if stitch.command:
        yield from _command(stitch.command, 6)
    yield f"      output: {scalar(stitch.output)}"
    if stitch.audio_codec is not None:
        comment = "the chunks' sound is lossless; it is encoded once, over the whole"
        yield f"      audio_codec: {scalar(stitch.audio_codec)} # {comment}"


def _command(command: Sequence[Template], indent: int) -> Iterator[str]:
    """The command as words of a folded text; as a list where a word has what folding would change."""
    words = [str(word) for word in command]
    pad = " " * indent
    if any(not character.isprintable() for word in words for character in word):
        yield f"{pad}command: [{', '.join(map(scalar, words))}]"
        return
    yield f"{pad}command: >-"
    line = ""
    for word in map(_quoted, words):
        if line and indent + 2 + len(line) + 1 + len(word) > _WIDTH:
            yield f"{pad}  {line}"
            line = ""
        line = f"{line} {word}" if line else word
    yield f"{pad}  {line}"


def _quoted(word: str) -> str:
    """The word in POSIX quotes where it needs any."""
    return "'" + word.replace("'", "'\"'\"'") + "'" if not word or _QUOTED.search(word) else word
