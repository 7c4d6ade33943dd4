"""A job's commands -> Helios' job spec. Pure; knows nothing of how a range is cut, or of files.

Helios runs a chunk's command in the job file's folder, without a shell and in its own environment, then the merge command.
What a manifest promises beyond that (clean workspaces, pinned tools, time limits) has no place in a job spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from posixpath import splitext

from helios_pipe.errors import UsageError
from helios_pipe.manifest.helios import JobChunk, JobMetadata, JobSpec
from helios_pipe.manifest.model import Manifest, Stitch
from helios_pipe.manifest.template import Template
from helios_pipe.regex import regex

_PLAIN = regex(r"[^\s\"'\\\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+\Z")
_SIZE = regex(r"(?<![0-9A-Za-z.])([1-9][0-9]{1,4})x([1-9][0-9]{1,4})(?![0-9A-Za-z])")
_NTSC = {Fraction(24000, 1001): 23.976, Fraction(30000, 1001): 29.97, Fraction(60000, 1001): 59.94}


@dataclass(frozen=True, slots=True)
class Part:
    """One chunk: its frames, its command's words, the file that it leaves."""

    start: int
    count: int
    words: tuple[str, ...]
    output: str


def job_spec(parts: Sequence[Part], stitch: Stitch, fps: Fraction, size: tuple[int, int] | None) -> JobSpec:
    """The job spec of chunks and their join. Raises UsageError where the join is none that a merge command can do."""
    total = sum(part.count for part in parts)
    rate = _NTSC.get(fps) or (fps.numerator if fps.denominator == 1 else float(fps))
    duration = total / fps
    width, height = size or (None, None)
    return JobSpec(
        metadata=JobMetadata(
            total_frames=total,
            fps=rate,
            width=width,
            height=height,
            duration=int(duration) if duration.denominator == 1 else round(float(duration), 6),
        ),
        chunks=tuple(
            JobChunk(index, part.start, part.count, part.output, spell_helios(part.words))
            for index, part in enumerate(parts)
        ),
        merge_command=spell_helios(_merge(stitch, [part.output for part in parts])),
    )


def part_name(job: str, index: int, output: str) -> str:
    """The file that a chunk leaves: beside the job file all chunks share one folder, so each needs a name of its own."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', job).strip('-')}_part_{index}{splitext(output)[1]}"


def with_environment(words: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """The command with the manifest's variables: Helios gives a command only the environment that it has itself."""
    return ("env", *(f"{name}={value}" for name, value in sorted(env.items())), *words) if env else tuple(words)


def frame_size(manifest: Manifest, commands: Iterable[Sequence[str]]) -> tuple[int, int] | None:
    """How large the pictures are, as far as the manifest says: by the variables `width` and `height`, by the one text such
    as 640x360 among its variables, or by the one that its commands hold; None where there is none of these."""
    width, height = manifest.vars.get("width"), manifest.vars.get("height")
    if type(width) is int and type(height) is int:
        return width, height
    variables = [value for value in manifest.vars.values() if isinstance(value, str)]
    return _only_size(variables) or _only_size(word for words in commands for word in words)


def _only_size(texts: Iterable[str]) -> tuple[int, int] | None:
    found = {match for text in texts for match in _SIZE.findall(text)}
    (pair,) = found if len(found) == 1 else (None,)
    return (int(pair[0]), int(pair[1])) if pair is not None else None


def spell_helios(words: Iterable[str]) -> str:
    """The words as one text that Helios splits into just them again."""
    return " ".join(map(_spelled, words))


def _spelled(word: str) -> str:
    if _PLAIN.match(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _merge(stitch: Stitch, outputs: Sequence[str]) -> list[str]:
    if stitch.method == "concat":
        codec = ["--audio-codec", stitch.audio_codec] if stitch.audio_codec else []
        return ["helios", "merge", stitch.output, *outputs, *codec]
    if stitch.method != "command":
        raise UsageError(
            f"a stitch of the method {stitch.method!r} has no merge command",
            hint="A Helios job joins videos; export a job whose stitch is 'concat' or a command.",
        )
    words: list[str] = []
    for word in stitch.command:
        words += outputs if word.fields == {"inputs"} else [_filled(word, stitch.output)]
    return words


def _filled(word: Template, output: str) -> str:
    if "inputs_list" in word.fields:
        raise UsageError(
            "the stitch's command reads {inputs_list}, a file that a Helios job does not have",
            hint="Use {inputs}, which becomes the parts themselves.",
        )
    return word.fill({"output": output})
