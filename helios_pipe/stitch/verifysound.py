"""The sound of a joined file held against its proof and its source. Writes nothing."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from helios_pipe.digest import Digest
from helios_pipe.media.container import open_media
from helios_pipe.stitch.lag import lag
from helios_pipe.stitch.model import JoinedSound, Piece
from helios_pipe.stitch.muxers import muxer_for
from helios_pipe.stitch.soundcheck import packets_digest, samples_digest
from helios_pipe.stitch.track import samples_of

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

_PADDING = 4096
"""Samples that a lossy decoder may give beyond the end: the rest of its last frame, and its run-up where nothing says so."""
_LISTEN_S = 30


def sound_problems(path: Path, proved: JoinedSound | None, source: Piece | None) -> tuple[int | None, list[str]]:
    """How many samples the sound decodes to, and what is wrong with it. Raises OutputError where it cannot be read."""
    with open_media(path) as container:
        count = len(container.streams.audio)
        if count != (proved is not None):
            return None, [f"{count} sound streams, proved were {int(proved is not None)}"]
        if proved is None:
            return None, []
        packets = packets_digest(container, muxer_for(path))
    problems = [] if packets == proved.packets else ["the packets are not those that were proved"]
    with open_media(path) as container:
        samples, digest = samples_digest(container)
    if proved.pcm is not None:
        if samples != proved.samples:
            problems.append(f"{samples} samples, proved were {proved.samples}")
        elif digest != proved.pcm:
            problems.append("the samples are not those that were proved")
    elif not 0 <= samples - proved.samples <= _PADDING:
        problems.append(f"{samples} samples, proved were {proved.samples}")
    if source is not None:
        problems += _against_source(path, source, proved)
    return samples, problems


def _against_source(path: Path, source: Piece, proved: JoinedSound) -> list[str]:
    with open_media(source.path, name=source.file) as theirs, open_media(path) as ours:
        if proved.pcm is not None and _sample_format(theirs) == _sample_format(ours):
            same = _cut_digest(theirs, proved.samples) == proved.pcm
            return [] if same else ["the samples are not those of the sound file"]
    shift = _shift(path, source, proved)
    return [f"it comes {abs(shift)} samples {'late' if shift > 0 else 'early'}"] if shift else []


def _sample_format(container: InputContainer) -> tuple[str, int, int]:
    context = container.streams.audio[0].codec_context
    return context.format.name, context.sample_rate, context.layout.nb_channels


def _cut_digest(container: InputContainer, samples: int) -> Digest:
    """The digest of the first samples, of a packed format."""
    hasher = sha256()
    for frame in container.decode(audio=0):
        count = min(samples, frame.samples)
        hasher.update(memoryview(samples_of(frame))[: len(samples_of(frame)) * count // frame.samples])
        samples -= count
        if not samples:
            break
    return Digest(hasher.hexdigest())


def _shift(path: Path, source: Piece, proved: JoinedSound) -> int | None:
    with open_media(source.path, name=source.file) as container:
        reference = _listen(container, proved.rate)
    with open_media(path) as container:
        heard = _listen(container, proved.rate)
    with open_media(path) as container:
        # MPEG-TS has the encoder's run-up sound before the first frame shows, and says so in its times alone.
        video, sound = container.streams.video[0], container.streams.audio[0]
        begins = [(stream.start_time or 0) * (stream.time_base or 0) for stream in (video, sound)]
    lead = max(0, round((begins[0] - begins[1]) * proved.rate))
    return lag(reference, heard[lead:])


def _listen(container: InputContainer, rate: int) -> array[int]:
    """The first half minute, as one channel of 16-bit samples."""
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    heard = array("h")
    for frame in _with_end(container):
        for piece in resampler.resample(frame):
            heard.frombytes(samples_of(piece))
        if len(heard) >= rate * _LISTEN_S:
            break
    return heard


def _with_end(container: InputContainer) -> Iterator[AudioFrame | None]:
    for frame in container.decode(audio=0):
        frame.pts = None
        yield frame
    yield None
