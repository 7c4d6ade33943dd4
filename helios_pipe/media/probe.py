"""What a video file holds: whether it is one, how many frames, and how they look. Knows nothing of chunks or joins."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from helios_pipe.errors import OutputError
from helios_pipe.media.container import demuxer_for, open_media
from helios_pipe.media.mp4index import count_samples
from helios_pipe.media.rates import snap
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


class VideoInfo(NamedTuple):
    """What the one video stream is. Sizes in pixels, `frames` counted from packets, `fps` None where the file names none;
    colour properties are ITU-T H.273 code points (2: unspecified), `audio` the number of audio streams."""

    codec: str
    profile: str
    pix_fmt: str
    width: int
    height: int
    fps: Fraction | None
    frames: int
    sar: Fraction
    color_range: int
    color_primaries: int
    color_trc: int
    color_space: int
    audio: int


def count_frames(path: Path) -> int:
    """How many frames the file's one video stream holds, without decoding: by the index of a plain MP4, else from packets.

    Raises OutputError where the file is missing, empty, not what its name says, cut off, or has not exactly one video
    stream.
    """
    _require_file(path)
    # The library takes a tenth of a second to load, which is more than many a chunk takes to render.
    if demuxer_for(path) == "mov" and (frames := count_samples(path)) is not None:
        return frames
    with open_media(path, quick=True) as container:
        return _count(path, container, video_stream(path, container))


def probe(path: Path) -> VideoInfo:
    """What the file's one video stream is. Raises OutputError as `count_frames` does."""
    _require_file(path)
    with open_media(path) as container:
        stream = video_stream(path, container)
        context = stream.codec_context
        return VideoInfo(
            codec=context.name,
            profile=stream.profile or "",
            pix_fmt=context.pix_fmt or "",
            width=context.width,
            height=context.height,
            fps=snap(stream.average_rate or stream.guessed_rate),
            sar=stream.sample_aspect_ratio or Fraction(1),
            color_range=context.color_range,
            color_primaries=context.color_primaries,
            color_trc=context.color_trc,
            color_space=context.colorspace,
            audio=len(container.streams.audio),
            frames=_count(path, container, stream),
        )


def video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The container's one video stream. Raises OutputError where there is none, more than one, or no decoder for it."""
    streams = container.streams.video
    if len(streams) != 1:
        raise OutputError(f"{path}: {len(streams)} video streams, expected one")
    if streams[0].codec_context is None:
        raise OutputError(f"{path}: its codec is unknown to the media library")
    return streams[0]


def _count(path: Path, container: InputContainer, stream: VideoStream) -> int:
    frames = 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise OutputError(f"{path}: frame {frames} is cut off or damaged")
        if packet.size:
            frames += 1
    if stream.frames and stream.frames != frames:
        raise OutputError(f"{path}: holds {frames} frames where its header promises {stream.frames}")
    if not frames:
        raise OutputError(f"{path}: no frames")
    return frames


def _require_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    if not size:
        raise OutputError(f"{path}: empty")
