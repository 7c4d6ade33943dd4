"""What sound a join gets: from one file over the whole video, or from its chunks where they carry it losslessly. Writes nothing.

Lossy sound cannot be joined by copying: each chunk begins with the encoder's run-up (AAC adds 1,024 samples and more) and ends in
padding. So a chunk may only carry PCM or FLAC, cut at the samples that the frames' borders round to; anything else is a file
of its own, encoded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from helios_pipe.errors import StitchError
from helios_pipe.media.container import demuxer_for
from helios_pipe.stitch.model import JoinSettings, Piece, refuse
from helios_pipe.stitch.source import opened

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""What a number of channels means where the file does not say."""
OPUS_RATE = 48000
_BITS_A_CHANNEL = 96_000
_APART = "Leave the sound out of the chunks (-an) and give it to the stitch as one file (`audio`)"
_LOSSY_DEFAULT = {"mp4": "aac", "mov": "aac", "mpegts": "aac", "webm": "libopus", "matroska": "flac"}
_KEEPS_PCM = frozenset({"mov", "matroska"})
_KEEPS_FLAC = frozenset({"matroska"})
_CHUNK_PCM = _KEEPS_PCM | {"mp4"}
_CHUNK_FLAC = _KEEPS_FLAC | {"mp4"}
_COPIED = {
    ("mov", "aac"): frozenset({"mp4", "mov"}),
    ("ogg", "opus"): frozenset({"webm", "matroska"}),
    ("matroska", "opus"): frozenset({"webm", "matroska"}),
}
"""(demuxer, codec) -> muxers that keep such packets together with their run-up, and so in time."""


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """What sound is: rate in samples a second, and the sample format as the decoder gives it, packed."""

    codec: str
    rate: int
    layout: str
    sample_format: str

    @property
    def lossless(self) -> bool:
        """Whether decoding gives back the very samples that were encoded."""
        return self.codec.startswith("pcm_") or self.codec in ("flac", "alac")

    @property
    def channels(self) -> int:
        """How many channels the layout has."""
        return next((count for count, name in LAYOUTS.items() if name == self.layout), 2)


@dataclass(frozen=True, slots=True)
class SoundPlan:
    """The sound of a join: `pieces` one after the other, cut at `samples` of `rate`. `encoder` None: the one piece's packets
    are copied."""

    pieces: tuple[Piece, ...]
    source: SoundFormat
    encoder: str | None
    rate: int
    samples: int
    bitrate: int

    @property
    def lossless(self) -> bool:
        """Whether the samples in the output are those of the source."""
        whole = self.source.sample_format not in ("flt", "dbl")
        exact = self.encoder is not None and (self.encoder.startswith("pcm_f" if not whole else "pcm_"))
        return (exact or (whole and self.encoder == "flac")) and self.rate == self.source.rate


def samples_at(frame: int, fps: Fraction, rate: int) -> int:
    """The sample at which a frame begins, halves rounded up. Borders rounded from the beginning never drift."""
    return floor(frame * rate / fps + Fraction(1, 2))


def sound_of_file(piece: Piece, muxer: str, frames: int, fps: Fraction, settings: JoinSettings) -> SoundPlan:
    """The plan for one file over the whole video; what goes beyond the last frame is cut off, what is missing stays silent.

    Raises StitchError.
    """
    demuxer = demuxer_for(piece.path, piece.file)
    with opened(piece) as container:
        stream = sound_stream(piece, container)
        source = format_of(stream)
        held = _length(stream, demuxer)
    wanted = samples_at(frames, fps, source.rate)
    fits = held is None or held <= wanted or demuxer == "mov"
    copied = settings.audio_codec is None and fits and muxer in _COPIED.get((demuxer, source.codec), ())
    default = _encoder_for_file(source, muxer)
    encoder = None if copied else settings.audio_codec or default
    rate = OPUS_RATE if encoder == "libopus" else source.rate
    samples = samples_at(frames, fps, rate)
    if held is not None:
        samples = min(samples, held * rate // source.rate)
    bitrate = settings.audio_bitrate or _BITS_A_CHANNEL * source.channels
    return SoundPlan((piece,), source, encoder, rate, samples, bitrate)


def sound_of_chunks(
    pieces: Sequence[Piece], counts: Sequence[int], muxer: str, fps: Fraction, settings: JoinSettings
) -> SoundPlan:
    """The plan for sound inside the chunks, which hold `counts` frames each: kept as it is, or encoded once, over the whole,
    where the settings name a codec. Raises StitchError where it is lossy, differs from chunk to chunk, or is not cut where
    the frames are."""
    formats = [_chunk_format(piece) for piece in pieces]
    source = formats[0]
    for piece, found in zip(pieces, formats, strict=True):
        _same_format(piece, found, source, pieces[0])
    frame, sample = 0, 0
    for piece, count in zip(pieces, counts, strict=True):
        held = sum(block.samples for block in decoded(piece))
        due = (frame + count) * source.rate / fps - sample
        # A border on half a sample may be rounded either way.
        if abs(held - due) > Fraction(1, 2):
            what = f"sound has {held} samples, expected {floor(due + Fraction(1, 2))} (from round(k/fps·rate) at its borders)"
            refuse(piece, what, f"Cut it at the samples that the frames' borders round to. Or: {_APART}.")
        frame, sample = frame + count, sample + held
    encoder = settings.audio_codec or _encoder_for_chunks(pieces[0], source, muxer)
    rate = OPUS_RATE if encoder == "libopus" else source.rate
    bitrate = settings.audio_bitrate or _BITS_A_CHANNEL * source.channels
    return SoundPlan(tuple(pieces), source, encoder, rate, sample * rate // source.rate, bitrate)


def sound_stream(piece: Piece, container: InputContainer) -> AudioStream:
    """The container's one sound stream. Raises StitchError."""
    streams = container.streams.audio
    if len(streams) != 1 or streams[0].codec_context is None:
        refuse(piece, f"{len(streams)} sound streams, expected one that can be decoded")
    return streams[0]


def format_of(stream: AudioStream) -> SoundFormat:
    """What the stream's sound is."""
    context = stream.codec_context
    layout = context.layout.name
    if layout not in LAYOUTS.values():
        layout = LAYOUTS.get(context.layout.nb_channels, "stereo")
    return SoundFormat(context.codec.canonical_name, context.sample_rate, layout, context.format.packed.name)


def decoded(piece: Piece) -> Iterator[AudioFrame]:
    """The piece's sound, decoded, block by block."""
    with opened(piece) as container:
        yield from container.decode(sound_stream(piece, container))


def _length(stream: AudioStream, demuxer: str) -> int | None:
    """How many samples the file says that it holds, without the encoder's padding; None where it does not."""
    if stream.duration is None or demuxer not in ("mov", "ogg"):
        return None
    assert stream.time_base is not None
    begin = min(stream.start_time or 0, 0)
    return round((stream.duration + begin) * stream.time_base * stream.codec_context.sample_rate)


def _chunk_format(piece: Piece) -> SoundFormat:
    with opened(piece) as container:
        found = format_of(sound_stream(piece, container))
    if not found.codec.startswith("pcm_") and found.codec != "flac":
        refuse(
            piece,
            f"sound is {found.codec}, which cannot be joined by copying; expected PCM or FLAC",
            f"{_APART}, or encode it losslessly (-c:a pcm_s16le or -c:a flac).",
        )
    return found


def _same_format(piece: Piece, found: SoundFormat, source: SoundFormat, first: Piece) -> None:
    rows = (
        ("sound codec", found.codec, source.codec),
        ("sound rate", found.rate, source.rate),
        ("sound layout", found.layout, source.layout),
        ("sample format", found.sample_format, source.sample_format),
    )
    for name, here, there in rows:
        if here != there:
            refuse(piece, f"{name} is {here}, but {there} in {first.name}", "Make every chunk's sound the same way.")


def _encoder_for_file(source: SoundFormat, muxer: str) -> str:
    if source.codec.startswith("pcm_") and muxer in _KEEPS_PCM:
        return _pcm(source)
    if source.lossless and muxer == "mov":
        return _pcm(source)
    if muxer not in _LOSSY_DEFAULT:
        raise StitchError(f"sound is not written to {muxer}", hint="Use .mp4, .mov, .mkv, .webm or .ts.")
    return _LOSSY_DEFAULT[muxer]


def _encoder_for_chunks(piece: Piece, source: SoundFormat, muxer: str) -> str:
    if source.codec == "flac" and muxer in _CHUNK_FLAC:
        return "flac"
    if muxer in _CHUNK_PCM:
        return _pcm(source)
    raise StitchError(
        f"{piece.name}: {source.codec} sound does not fit {muxer}", hint=f"{_APART}; or use .mov or .mkv."
    )


def _pcm(source: SoundFormat) -> str:
    """The PCM codec that holds the source's samples as they are."""
    if source.codec.startswith("pcm_") and source.codec.endswith(("le", "be", "u8", "s8")):
        return source.codec.replace("be", "le")
    return {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s24le", "flt": "pcm_f32le", "dbl": "pcm_f64le"}[
        source.sample_format
    ]
