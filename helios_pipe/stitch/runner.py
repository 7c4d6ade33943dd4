"""One attempt at a join, in this process: blobs in, a checked blob out. Knows nothing of plans, keys or records."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from threading import Event
from types import MappingProxyType

from helios_pipe.action.model import Join, Part, Step
from helios_pipe.cache.blobs import Blob, Blobs
from helios_pipe.cache.placing import Ahead
from helios_pipe.digest import Digest
from helios_pipe.errors import BlobDamagedError, BlobMissingError, HeliosPipeError, StitchError, StoreError
from helios_pipe.ports import FailureClass, Outcome

_ANEW = 4
"""How often a join begins again before a blob that is never at rest is a failure."""


class JoinRunner:
    """Joins what is in the local cache. Thread-safe; a join that was started is finished."""

    def __init__(
        self, blobs: Blobs, locate: Callable[[Digest], Path], places: Mapping[str, Ahead] = MappingProxyType({})
    ) -> None:
        """`locate` finds the sound, which may be a file of the project. `places` are where joined films will be put, by node:
        what is written is read once, to be checked, and goes there on that occasion."""
        self._blobs = blobs
        self._locate = locate
        self._places = places

    prepares = False
    relay = None

    def prepare(self, steps: Iterable[Step]) -> None:
        """See ActionRunner. Each step is prepared when it comes."""

    def run(self, step: Step, attempt: int, cancel: Event) -> Outcome:
        """See ActionRunner."""
        if not isinstance(step, Join):
            raise TypeError(f"{step.node} is a command, not a join")
        began = time.monotonic()
        proof = b""
        try:
            if step.method == "collect":
                blob = self._collect(step)
            else:
                blob, proof = self._concat_settled(step)
        except (StitchError, BlobMissingError, BlobDamagedError) as error:
            return refused(self._blobs, step, error, time.monotonic() - began)
        except StoreError as error:
            return Outcome(failure=FailureClass.FATAL, reason=str(error))
        seconds = time.monotonic() - began
        return Outcome(blob.digest, blob.folder, blob.mark, exit_code=0, duration_s=seconds, proof=proof)

    def close(self) -> None:
        """See ActionRunner."""

    def _concat_settled(self, step: Join) -> tuple[Blob, bytes]:
        """Blobs have their digests for names: one that was put anew meanwhile, by another run that made the same or healed it,
        has the same bytes, and the join begins again."""
        from helios_pipe.stitch.source import PieceChangedError

        for _ in range(_ANEW):
            with suppress(PieceChangedError):
                return self._concat(step)
        return self._concat(step)

    def _concat(self, step: Join) -> tuple[Blob, bytes]:
        from helios_pipe.stitch.certificate import proof_of  # only here: a run with nothing to join needs none of it
        from helios_pipe.stitch.join import JoinSettings, Piece, join

        settings = dict(step.settings)
        fps = settings.get("fps")
        codec = str(settings["audio_codec"]) if "audio_codec" in settings else None
        target = Path(self._blobs.temp_path() + str(settings.get("container") or ""))
        pieces = [
            Piece(
                self._blobs.locate(part.digest), part.node, part.frames, part.digest, part.start, part.step, part.name
            )
            for part in step.parts
        ]
        ahead = self._places.get(step.node)
        sound = None
        if step.audio is not None:
            digest, name = step.audio
            sound = Piece(self._locate(digest), "the sound", digest=digest, file=name)
        try:
            wanted = JoinSettings(fps=Fraction(str(fps)) if fps is not None else None, audio_codec=codec)
            joined = join(pieces, target, wanted, sound=sound, copy=ahead.begin() if ahead is not None else None)
            blob = self._blobs.adopt_read(target, joined.sha256)
            if ahead is not None:
                ahead.done(joined.sha256)
            return blob, proof_of(joined)
        finally:
            if os.path.lexists(target):
                os.unlink(target)

    def _collect(self, step: Join) -> Blob:
        from helios_pipe.stitch.sequence import collect_trees

        settings = dict(step.settings)
        for part in step.parts:  # their bytes are not touched here, so this is where they are proved
            if not self._blobs.intact(part.digest, folder=part.folder):
                raise BlobDamagedError(f"the result of {part.node} in the cache is missing or damaged")
        parts = [(part, self._blobs.tree(part.digest) if part.folder else None) for part in step.parts]
        sizes = {part.digest: self._size(part) for part in step.parts if not part.folder}
        tree = collect_trees(parts, sizes, by_chunk=settings["numbering"] == "chunk")
        return self._blobs.put_bytes(tree.data)._replace(folder=True)

    def _size(self, part: Part) -> int:
        mark = self._blobs.mark(part.digest)
        if mark is None:
            raise BlobMissingError(f"the result of {part.node} is not in the cache")
        return mark.size


def refused(blobs: Blobs, step: Join, error: HeliosPipeError, duration_s: float) -> Outcome:
    """Why it could not be joined: where a piece's bytes are not what they were, that is the reason, and can be mended."""
    damaged = tuple(part.digest for part in step.parts if not blobs.intact(part.digest, folder=part.folder))
    failure = FailureClass.INFRASTRUCTURE if damaged else FailureClass.COMMAND
    return Outcome(failure=failure, reason=str(error), damaged=damaged, duration_s=duration_s)
