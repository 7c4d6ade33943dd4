"""The proof of a join as a file: what follows from its chunks, its settings and its own bytes, and nothing else.

No name, no time, no machine, no tool stands in it, so that a join that comes from the cache has the very same proof. Who made
what, when and with what is the journal's to tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from helios_pipe.digest import Digest, canonical, is_digest
from helios_pipe.errors import StitchError
from helios_pipe.stitch.model import Joined, JoinedSound
from helios_pipe.stitch.naming import STITCH_VERSION
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROOF_VERSION = 1


class ProvedChunk(NamedTuple):
    """One chunk of the join: its place and length in frames, its file's digest where one was recorded, its packets'."""

    digest: Digest | None
    first: int
    frames: int
    packets: Digest


class Proof(NamedTuple):
    """What a proof file says of the joined file: its own digest and size, its length, and what it was made of."""

    sha256: Digest
    size: int
    frames: int
    fps: Fraction
    packets_sha256: Digest
    chunks: tuple[ProvedChunk, ...]
    sound: JoinedSound | None
    settings: Mapping[str, str | int | bool | None]


def proof_of(joined: Joined) -> bytes:
    """The content of the proof file: canonical JSON and a line end, the same bytes for the same join."""
    sound = joined.sound
    document = {
        "version": PROOF_VERSION,
        "stitch_version": STITCH_VERSION,
        "settings": dict(joined.settings.keyed()),
        "output": {
            "sha256": joined.sha256,
            "size": joined.size,
            "frames": joined.frames,
            "fps": str(joined.fps),
            "duration": str(joined.duration),
            "packets_sha256": joined.packets_sha256,
        },
        "chunks": [
            {"sha256": chunk.digest, "first": chunk.first, "frames": chunk.frames, "packets_sha256": chunk.packets}
            for chunk in joined.chunks
        ],
        "sound": sound
        and {
            "codec": sound.codec,
            "rate": sound.rate,
            "samples": sound.samples,
            "packets_sha256": sound.packets,
            "pcm_sha256": sound.pcm,
            "sha256": sound.digest,
        },
    }
    return canonical(document) + b"\n"


def read_proof(path: Path) -> Proof:
    """The proof that the file holds. Raises StitchError where it cannot be read, or is not one that we know."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise StitchError(f"{path}: {error.strerror}", hint="A join writes it beside its output.") from error
    except ValueError as error:
        raise StitchError(f"{path}: no JSON ({error})") from error
    try:
        if document["version"] != PROOF_VERSION:
            raise StitchError(f"{path}: version {document['version']!r}, known is {PROOF_VERSION}")
        return _proof(document)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise StitchError(f"{path}: not a proof file ({type(error).__name__}: {error})") from error


def _proof(document: Mapping[str, Any]) -> Proof:
    output, sound = document["output"], document["sound"]
    return Proof(
        sha256=_digest(output["sha256"]),
        size=int(output["size"]),
        frames=int(output["frames"]),
        fps=Fraction(output["fps"]),
        packets_sha256=_digest(output["packets_sha256"]),
        chunks=tuple(
            ProvedChunk(
                _maybe(item["sha256"]), int(item["first"]), int(item["frames"]), _digest(item["packets_sha256"])
            )
            for item in document["chunks"]
        ),
        sound=None
        if sound is None
        else JoinedSound(
            str(sound["codec"]),
            int(sound["rate"]),
            int(sound["samples"]),
            _digest(sound["packets_sha256"]),
            _maybe(sound["pcm_sha256"]),
            _maybe(sound["sha256"]),
        ),
        settings=dict(document["settings"]),
    )


def _digest(text: str) -> Digest:
    if not is_digest(text):
        raise ValueError(f"{text!r} is no digest")
    return Digest(text)


def _maybe(text: str | None) -> Digest | None:
    return None if text is None else _digest(text)
