"""Single pictures of a video or an image file, and how one becomes a small JPEG. Knows nothing of chunks or caches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path, PurePath

from helios_pipe.errors import OutputError
from helios_pipe.media.container import open_media
from helios_pipe.media.frames import open_frames
from helios_pipe.media.names import is_video
from helios_pipe.media.probe import video_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_DECODERS = {
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".exr": "exr", ".tif": "tiff", ".tiff": "tiff", ".dpx": "dpx",
    ".bmp": "bmp", ".webp": "webp", ".ppm": "ppm", ".pgm": "pgm", ".hdr": "hdr", ".jxl": "jpegxl",
}  # fmt: skip
_QUALITY = 4
"""JPEG's quantiser, 1 to 31: what is that small shows every blemish."""


def video_frames(path: Path, name: str, numbers: Sequence[int]) -> Iterator[VideoFrame]:
    """The frames of a video with these ordinals, which rise, as they are shown. `name` says by its suffix what the file is.
    Raises OutputError where it does not decode, or ends before."""
    found = 0
    with open_frames(path, name) as decoder:
        for ordinal, (_, frame) in enumerate(decoder.frames()):
            if ordinal == numbers[found]:
                found += 1
                yield frame
                if found == len(numbers):
                    return
    raise OutputError(f"{name}: no frame {numbers[found]} in it, it ends before")


def image_frame(path: Path, name: str) -> VideoFrame:
    """An image file's picture. `name` says by its suffix what the file is. Raises OutputError."""
    import av

    suffix = PurePath(name).suffix.lower()
    if suffix not in _DECODERS:
        raise OutputError(f"{name}: {suffix or 'a file without a suffix'} cannot be shown")
    try:
        with av.open(str(path), format=f"{_DECODERS[suffix]}_pipe") as container:
            return next(container.decode(video=0))
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise OutputError(f"{name}: does not decode as {suffix[1:]}") from error


def first_frame(path: Path, name: str) -> VideoFrame:
    """What a video or an image shows first. Raises OutputError, also for what is neither by its name."""
    if not is_video(name):
        return image_frame(path, name)
    import av

    with open_media(path, name=name) as container:
        stream = video_stream(path, container)
        try:
            return next(container.decode(stream))  # whenever it shows: bare streams do not say
        except (av.FFmpegError, StopIteration) as error:
            raise OutputError(f"{name}: the first frame does not decode") from error


def jpeg(frame: VideoFrame, width: int) -> bytes:
    """The picture as a JPEG, at most `width` pixels wide and twice as high. Raises OutputError where it cannot become one."""
    import av

    scale = min(1.0, width / frame.width, 2 * width / frame.height)
    columns, rows = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    try:
        small = frame.reformat(
            columns, rows, "yuv420p", dst_colorspace="ITU601", interpolation="AREA", dst_color_range="JPEG"
        )
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = columns, rows, "yuv420p", Fraction(1, 25)
        encoder.color_range, encoder.qmin, encoder.qmax = 2, _QUALITY, _QUALITY
        encoder.options = {"strict": "unofficial"}  # the full range, without a deprecated pixel format
        small.pts = 0
        small.pict_type = 0
        return b"".join(bytes(packet) for packet in (*encoder.encode(small), *encoder.encode(None)))
    except (av.FFmpegError, ValueError) as error:
        raise OutputError(
            f"the picture ({frame.format.name}, {frame.width}x{frame.height}) cannot be made small"
        ) from error
