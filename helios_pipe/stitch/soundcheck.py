"""After the join: the sound that was written is read back. Writes nothing."""

from __future__ import annotations

from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from helios_pipe.digest import Digest
from helios_pipe.errors import OutputError, StitchError
from helios_pipe.media.container import open_media
from helios_pipe.stitch.muxers import BOXED, SUFFIXES
from helios_pipe.stitch.sound import SoundPlan
from helios_pipe.stitch.track import SoundRecord, samples_of

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_ADTS_HEADER = 7


def check_sound(path: Path, muxer: str, plan: SoundPlan, record: SoundRecord) -> None:
    """The joined file's sound must be what was written: its packets, where lossless its samples, its begin and its length.

    Raises StitchError.
    """
    try:
        with open_media(path, name=f"output{SUFFIXES[muxer]}") as container:
            _check_packets(container, muxer, plan, record)
        if record.pcm is not None:
            with open_media(path, name=f"output{SUFFIXES[muxer]}") as container:
                _check_samples(container, record)
    except OutputError as error:
        raise StitchError(f"the join's sound cannot be read back: {error.message}") from error


def _wrong(what: str, found: object, expected: object) -> NoReturn:
    raise StitchError(f"the sound of the join came out wrong: {what}: {found}, expected {expected}")


def _check_packets(container: InputContainer, muxer: str, plan: SoundPlan, record: SoundRecord) -> None:
    if len(container.streams.audio) != 1:
        _wrong("streams", len(container.streams.audio), 1)
    found = packets_digest(container, muxer)
    if found != record.packets:
        _wrong("packets", f"sha256 {found}", record.packets)
    if muxer in BOXED:
        _check_length(container.streams.audio[0], plan, record)


def packets_digest(container: InputContainer, muxer: str) -> Digest:
    """The digest of the sound packets' bytes, one after the other, as they were before the muxer."""
    stream = container.streams.audio[0]
    # MPEG-TS puts a header before each AAC packet.
    skip = _ADTS_HEADER if muxer == "mpegts" and stream.codec_context.name == "aac" else 0
    hasher = sha256()
    for packet in container.demux(stream):
        hasher.update(memoryview(packet)[skip:])
    return Digest(hasher.hexdigest())


def samples_digest(container: InputContainer) -> tuple[int, Digest]:
    """How many samples the sound decodes to, and their digest. In planar formats it depends on how they are cut into frames."""
    hasher = sha256()
    samples = 0
    for frame in container.decode(audio=0):
        hasher.update(samples_of(frame))
        samples += frame.samples
    return samples, Digest(hasher.hexdigest())


def _check_length(stream: AudioStream, plan: SoundPlan, record: SoundRecord) -> None:
    tick = stream.time_base or Fraction(1)
    if stream.start_time:
        _wrong("begin", stream.start_time * tick, 0)
    held = (stream.duration or 0) * tick * plan.rate
    if held != record.samples:
        _wrong("samples", held, record.samples)


def _check_samples(container: InputContainer, record: SoundRecord) -> None:
    samples, digest = samples_digest(container)
    if samples != record.samples:
        _wrong("samples", samples, record.samples)
    if digest != record.pcm:
        _wrong("samples", f"sha256 {digest}", record.pcm)
