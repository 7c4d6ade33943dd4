"""One attempt at encoding an image sequence: gathered by number, encoded by a command, the sound muxed over it. Knows nothing
of plans, keys or records."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from threading import Event

from helios_pipe.action.model import Action, Entry, Join, Output, Part, Step, Tree
from helios_pipe.cache.blobs import Blobs
from helios_pipe.errors import BlobDamagedError, BlobMissingError, OutputError, StitchError
from helios_pipe.manifest.model import Encode
from helios_pipe.media.names import is_image
from helios_pipe.ports import ActionRunner, Outcome
from helios_pipe.stitch.encode import check_sizes, encode_argv, sequence_names
from helios_pipe.stitch.runner import refused
from helios_pipe.stitch.sequence import collect_trees, in_order


class EncodeRunner:
    """Encodes what is in the local cache, by way of `commands`; sound goes through `joins`. Thread-safe."""

    def __init__(self, commands: ActionRunner, joins: ActionRunner, blobs: Blobs) -> None:
        self._commands = commands
        self._joins = joins
        self._blobs = blobs

    prepares = False
    relay = None

    def prepare(self, steps: Iterable[Step]) -> None:
        """See ActionRunner. Each step is prepared when it comes."""

    def run(self, step: Step, attempt: int, cancel: Event) -> Outcome:
        """See ActionRunner."""
        if not isinstance(step, Join):
            raise TypeError(f"{step.node} is a command, not a join")
        try:
            action = self._action(step)
        except (StitchError, OutputError, BlobMissingError, BlobDamagedError) as error:
            return refused(self._blobs, step, error, 0.0)
        made = self._commands.run(action, attempt, cancel)
        if made.digest is None:
            return made
        if step.audio is None:
            return made._replace(tail="")
        picture = Part(step.node, made.digest, step.output.name, frames=action.output.frames)
        joined = self._joins.run(step._replace(method="concat", parts=(picture,)), attempt, cancel)
        return joined._replace(log=made.log, duration_s=made.duration_s + joined.duration_s)

    def close(self) -> None:
        """See ActionRunner."""
        self._commands.close()
        self._joins.close()

    def _action(self, step: Join) -> Action:
        settings = dict(step.settings)
        if settings["fps"] is None:
            raise StitchError(
                f"{step.node}: how fast the images follow each other is not said", hint="Say `fps` in the job."
            )
        images = self._images(step)
        names = sequence_names([image.path for image in images])
        check_sizes([(image.path, self._blobs.locate(image.digest)) for image in images])
        crf = settings["crf"]
        encode = Encode(
            codec=str(settings["codec"]),
            crf=crf if isinstance(crf, int) else None,
            pix_fmt=_text(settings["pix_fmt"]),
            preset=_text(settings["preset"]),
            args=tuple(str(value) for name, value in step.settings if name.startswith("args.")),
        )
        argv = encode_argv(
            encode, image=names[0], frames=len(names), fps=Fraction(str(settings["fps"])), output=step.output.name
        )
        entries = [Entry(name, image.digest, image.size) for name, image in zip(names, images, strict=True)]
        return Action(
            step.node, "stitch", tuple(argv), Output(step.output.name, frames=len(names)), extra=Tree.of(entries)
        )

    def _images(self, step: Join) -> list[Entry]:
        parts = [(part, self._blobs.tree(part.digest) if part.folder else None) for part in step.parts]
        whole = collect_trees(parts, {}, by_chunk=dict(step.settings)["numbering"] == "chunk")
        return in_order([entry for entry in whole.entries if is_image(entry.path)])


def _text(value: str | int | bool | None) -> str | None:
    return None if value is None else str(value)
