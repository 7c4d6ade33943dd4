"""The four letters by which a container names a codec: which of them a joined file gets. Writes nothing that stays.

Some codecs are nothing without them: the tag of raw video is its pixel format, that of ProRes its profile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.stream import VideoStream

NO_TAG = "\0\0\0\0"
"""The muxer finds one by the codec."""


def fitting_tag(template: VideoStream, muxer: str) -> str:
    """The chunks' own tag where the muxer takes it for this codec; for raw video else that of its pixel format; else NO_TAG."""
    return next((tag for tag in _candidates(template) if _taken(template, muxer, tag)), NO_TAG)


def _candidates(template: VideoStream) -> Iterator[str]:
    context = template.codec_context
    if context.codec_tag != NO_TAG:
        yield context.codec_tag
    if context.codec.canonical_name == "rawvideo" and context.pix_fmt:
        yield _of_pixels(context.pix_fmt)


def _of_pixels(pix_fmt: str) -> str:
    """The tag that the library's own encoder of raw video chooses."""
    import av

    encoder = av.CodecContext.create("rawvideo", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 16, 16, pix_fmt, Fraction(1, 25)
    encoder.open()
    return encoder.codec_tag


def _taken(template: VideoStream, muxer: str, tag: str) -> bool:
    """Whether the muxer begins a file with the tag: it refuses one that stands for another codec, or that it does not know."""
    import av

    try:
        with av.open(os.devnull, "w", format=muxer) as trial:
            stream = trial.add_stream_from_template(template, opaque=True)
            stream.codec_context.codec_tag = tag
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True
