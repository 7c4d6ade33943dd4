"""What a join is given and what it tells. Values only; knows nothing of media libraries."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Piece(NamedTuple):
    """One chunk. `name` is its node's name, for messages; `file` the name that says what format it is in, where `path`
    does not (a blob in the cache). Where given, `frames` is how many it must hold, `digest` what its bytes must have, and
    `start` the number of its first frame; `step` is how far apart the frame numbers lie."""

    path: Path
    name: str
    frames: int | None = None
    digest: Digest | None = None
    start: int | None = None
    step: int = 1
    file: str = ""


class JoinSettings(NamedTuple):
    """How to join: all of it is part of the key. `fps` None takes the first chunk's rate. `metadata` is set on the output
    beside what the first chunk carries; an empty value removes the tag. `audio_codec` is the encoder of the sound (None: as
    the container asks for, see sound; what chunks hold is kept), `audio_bitrate` is in bits a second."""

    fps: Fraction | None = None
    faststart: bool = True
    audio_codec: str | None = None
    audio_bitrate: int | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    def keyed(self) -> tuple[tuple[str, str | int | bool | None], ...]:
        """The settings as they stand in a key and in a proof."""
        return (
            ("audio_bitrate", self.audio_bitrate),
            ("audio_codec", self.audio_codec),
            ("faststart", self.faststart),
            ("fps", str(self.fps) if self.fps else None),
            *((f"metadata:{name}", value) for name, value in sorted(self.metadata)),
        )


class JoinedChunk(NamedTuple):
    """One chunk of a finished join. `digest` is the one that was recorded for it, and checked; `first` is the place of its first
    frame in the output, from 0; `packets` is the digest of its packets as they stand there (packets.RunDigest)."""

    name: str
    digest: Digest | None
    first: int
    frames: int
    packets: Digest


class JoinedSound(NamedTuple):
    """The sound of a finished join: `codec` as it stands in the output, `samples` of `rate` a second, the digest of all its
    packets' bytes, and of the samples themselves where they are those of the source. `digest` is a sound file's own."""

    codec: str
    rate: int
    samples: int
    packets: Digest
    pcm: Digest | None
    digest: Digest | None


class Joined(NamedTuple):
    """A join that passed every check. `duration` in seconds; `packets_sha256` is over the chunks' packet digests, one a
    line."""

    frames: int
    fps: Fraction
    duration: Fraction
    sha256: Digest
    size: int
    chunks: tuple[JoinedChunk, ...]
    packets_sha256: Digest
    settings: JoinSettings
    sound: JoinedSound | None = None


class Done(NamedTuple):
    """What either way of joining tells: (piece, frames) of each chunk, the digests of their packets, and of the file, where they
    were asked for."""

    fps: Fraction
    chunks: list[tuple[Piece, int]]
    packets: list[Digest]
    digest: Digest | None
    size: int
    sound: JoinedSound | None = None


def refuse(piece: Piece, what: str, hint: str = "") -> NoReturn:
    """Say which chunk cannot be joined and why. Raises StitchError."""
    raise StitchError(f"{piece.name} ({piece.file or piece.path.name}): {what}", hint=hint)
