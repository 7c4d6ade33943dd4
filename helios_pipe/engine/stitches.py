"""From a job's pieces to the step that makes one of them, and its key. Reads the cache, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from helios_pipe.action.key import Record, join_record
from helios_pipe.action.model import Join, Output, Part, Step, Tree
from helios_pipe.digest import Digest
from helios_pipe.engine.inputs import Inputs, InputSet, JobOutput
from helios_pipe.engine.recipe import Common, Recipe, stitch_action, stitch_inputs
from helios_pipe.engine.work import JobWork, left_to_join, part_of
from helios_pipe.errors import UsageError
from helios_pipe.manifest.model import Job, JobInput, Stitch

_Settings = tuple[tuple[str, str | int | bool | None], ...]


class Stitches:
    """Builds the stitches of one run. `encoder` tells what is keyed of the program that encodes images; it is asked only
    when there are some."""

    def __init__(self, common: Common, inputs: Inputs, stitch_version: int, encoder: Callable[[], str]) -> None:
        self._common = common
        self._inputs = inputs
        self._stitch_version = stitch_version
        self._encoder = encoder

    def build(self, work: JobWork, outputs: Mapping[str, JobOutput]) -> tuple[Step, Record, Recipe | None]:
        """The stitch of a job whose pieces are all there. A command has a recipe, whose record its own one names."""
        job, stitch = work.nodes.job, work.nodes.job.stitch
        assert stitch is not None
        if stitch.method == "command":
            return self._command(work, stitch, outputs)
        parts = [part_of(piece, work) for piece in work.plan_pieces]
        for source in stitch.sources:
            parts += _parts_of(source, outputs[source])
        output, audio = _output(stitch, parts), self._audio(work, stitch, outputs)
        settings = self._settings(job, stitch)
        join = Join(f"{job.name}/stitch", stitch.method, tuple(parts), output, settings, audio)
        return join, join_record(join, self._stitch_version), None

    def _command(self, work: JobWork, stitch: Stitch, outputs: Mapping[str, JobOutput]) -> tuple[Step, Record, Recipe]:
        """The same where it is a command, which may be given very many files: no parts are made of them."""
        job = work.nodes.job
        left, names = left_to_join(work)
        for source in stitch.sources:
            for part in _parts_of(source, outputs[source]):
                left.digests.append(part.digest)
                left.folders.append(part.folder)
                left.sizes.append(None)
                names.append(part.name)
        paths = stitch_inputs(names)
        entries = self._inputs.files_of(paths, *left)
        own = self._inputs.files(stitch.inputs, job, (*job.where, "stitch", "inputs"))
        entries += own.tree.entries
        self._guard(work, own)
        action, recipe = stitch_action(work.nodes, self._common, paths, entries, None)
        return action, recipe.key(action), recipe

    def _guard(self, work: JobWork, own: InputSet) -> None:
        """Have the stitch's own files looked at again when it is done."""
        assert work.final is not None
        work.final.extra = InputSet(Tree(), own.sources)

    def _audio(self, work: JobWork, stitch: Stitch, outputs: Mapping[str, JobOutput]) -> tuple[Digest, str] | None:
        audio, job = stitch.audio, work.nodes.job
        if audio is None:
            return None
        if isinstance(audio, JobInput):
            given = outputs[audio.job]
            if given.digest is None or given.folder:
                raise UsageError(f"job {job.name}, stitch.audio: job {audio.job} does not make one sound file")
            return given.digest, given.name
        own = self._inputs.files([audio], job, (*job.where, "stitch", "audio"))
        self._guard(work, own)
        found = own.tree.entries
        if len(found) != 1:
            raise UsageError(f"job {job.name}, stitch.audio: {audio!r} is {len(found)} files, expected one")
        return found[0].digest, found[0].path.rsplit("/", 1)[-1]

    def _settings(self, job: Job, stitch: Stitch) -> _Settings:
        if stitch.method == "collect":
            return (("numbering", stitch.numbering),)
        name = stitch.output.rsplit("/", 1)[-1]
        suffix = name[name.rfind(".") :].lower() if "." in name else ""
        fps = None if job.fps is None else str(job.fps)
        if stitch.method == "concat":
            sound = (("audio_codec", stitch.audio_codec),) if stitch.audio_codec is not None else ()
            return (("container", suffix), ("fps", fps), *sound)
        encode = stitch.encode
        return (
            ("container", suffix),
            ("fps", fps),
            ("numbering", stitch.numbering),
            ("codec", encode.codec),
            ("crf", encode.crf),
            ("pix_fmt", encode.pix_fmt),
            ("preset", encode.preset),
            *((f"args.{at}", word) for at, word in enumerate(encode.args)),
            ("ffmpeg", self._encoder()),
        )


def _parts_of(job: str, output: JobOutput) -> list[Part]:
    if output.digest is not None:
        return [Part(job, output.digest, output.name, output.folder)]
    return [Part(f"{job}/{at:04d}", digest, output.name, folder) for at, (digest, folder) in enumerate(output.pieces)]


def _output(stitch: Stitch, parts: list[Part]) -> Output:
    counts = [part.frames for part in parts]
    total = sum(count for count in counts if count) if all(counts) else None
    return Output(stitch.output.rstrip("/").rsplit("/", 1)[-1], stitch.method == "collect", total)
