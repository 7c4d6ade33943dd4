"""Commands that plainly run ffmpeg in a way that makes other bytes from one run, or one machine, to the next, or chunks
that cannot be joined without a seam. Warnings only: a script may do the same unseen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from posixpath import basename, splitext

from helios_pipe.manifest.model import Job, MarkPath
from helios_pipe.manifest.problems import Report
from helios_pipe.manifest.template import Template

_VIDEO_CODEC = ("-c:v", "-vcodec", "-codec:v", "-c:v:0", "-codec:v:0")
_AUDIO_CODEC = ("-c:a", "-acodec", "-codec:a", "-c:a:0", "-codec:a:0")
_ANY_CODEC = ("-c", "-codec")
_X264_BY_DEFAULT = (".mp4", ".mov", ".m4v", ".mkv")
_RANDOM_IDS = (".mkv", ".mka", ".webm")
_LOSSY = frozenset(
    {"aac", "libfdk_aac", "ac3", "eac3", "libmp3lame", "mp3", "libopus", "opus", "libvorbis", "vorbis", "wmav2"}
)


def lint_job(job: Job, report: Report) -> None:
    """Warn of every such habit of the job's commands, of each once."""
    seen: set[str] = set()
    for command, output, where, chunked in _commands(job):
        if not command or basename(str(command[0])) != "ffmpeg":
            continue
        options = _output_options([str(word) for word in command[1:]])
        for rule, message in _habits(options, splitext(output.rstrip("/"))[1].lower(), chunked):
            if rule not in seen:
                seen.add(rule)
                report.warn(where, message)


def _commands(job: Job) -> Iterator[tuple[Sequence[Template], str, MarkPath, bool]]:
    joined = job.stitch is not None and job.stitch.method == "concat"
    if job.chunk:
        yield job.chunk.command, job.chunk.output, (*job.where, "chunk", "command"), joined
    for index, chunk in enumerate(job.chunks):
        yield chunk.command, chunk.output, (*job.where, "chunks", index, "command"), joined
    yield job.command, job.output or "", (*job.where, "command"), False
    if job.stitch:
        yield job.stitch.command, job.stitch.output, (*job.where, "stitch", "command"), False


def _output_options(words: list[str]) -> list[str]:
    """The words behind the last input: those before are about reading."""
    last = max((index for index, word in enumerate(words) if word == "-i"), default=-2)
    return words[last + 2 :]


def _habits(options: list[str], suffix: str, chunked: bool) -> Iterator[tuple[str, str]]:
    video = _value(options, (*_VIDEO_CODEC, *_ANY_CODEC))
    if video == "libx264" or (video is None and suffix in _X264_BY_DEFAULT and "-vn" not in options):
        threads = _threads(options)
        if threads is None:
            yield (
                "threads",
                "libx264 makes other bytes with another number of threads, and ffmpeg takes as many as the machine has: "
                "expected '-threads 1' (or another number) behind the inputs",
            )
        if threads != 1 and _value(options, ("-maxrate", "-maxrate:v", "-bufsize", "-bufsize:v")) is not None:
            yield (
                "vbv",
                "libx264 under a rate limit (-maxrate, -bufsize) and with more than one thread makes other bytes in every "
                "run: expected '-threads 1'",
            )
    if suffix in _RANDOM_IDS and "bitexact" not in (_value(options, ("-fflags",)) or ""):
        yield (
            "bitexact",
            f"a {suffix} file gets random numbers for its name and tracks: expected '-fflags +bitexact' behind the inputs",
        )
    audio = _value(options, (*_AUDIO_CODEC, *_ANY_CODEC))
    if chunked and audio in _LOSSY:
        yield (
            "audio",
            f"sound encoded with {audio} gains silence at the edges of every chunk, so that it drifts once joined: expected "
            "pcm_s16le or flac in the chunks, or the sound made once by a job of its own and given as 'stitch.audio'",
        )


def _threads(options: list[str]) -> int | None:
    """The pinned number of threads, None where it is left to the machine."""
    text = _value(options, ("-threads", "-threads:v"))
    if text is None:
        for parameter in (_value(options, ("-x264-params", "-x264opts")) or "").split(":"):
            name, _, value = parameter.partition("=")
            text = value if name == "threads" else text
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else None


def _value(options: list[str], names: Sequence[str]) -> str | None:
    """What follows the last of the options that is given."""
    found = None
    for index in range(len(options) - 1):
        if options[index] in names:
            found = options[index + 1]
    return found
