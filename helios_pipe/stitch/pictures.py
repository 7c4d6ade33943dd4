"""After the join: the written file must be read as its chunks are. Looks at what its header says and at the first frame.

Packets that came through byte by byte may still show something else: some codecs need what only the container tells.
"""

from __future__ import annotations

from pathlib import Path, PurePath

from helios_pipe.errors import OutputError
from helios_pipe.media.container import DEMUXERS, demuxer_for, open_media
from helios_pipe.media.frames import RawFrame, open_frames
from helios_pipe.media.probe import video_stream
from helios_pipe.media.turning import turning
from helios_pipe.stitch.muxers import MUXERS, SUFFIXES
from helios_pipe.stitch.remux import UnwritableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helios_pipe.stitch.layout import Layout
    from helios_pipe.stitch.model import Piece
    from helios_pipe.stitch.preflight import Plan

_TELL_ALL = frozenset({"h264", "hevc", "av1", "vp9", "vp8"})
"""Codecs whose header and packets say it all, so that in the chunks' own container there is nothing to look for."""


def check_pictures(path: Path, muxer: str, plan: Plan) -> None:
    """The written stream must be of the chunks' codec, size, pixel format, profile and rotation, and its first frame the first
    chunk's.
    Looks only where it may not be: in another container, or with a codec that needs its own. Raises UnwritableError."""
    own = DEMUXERS[SUFFIXES[muxer]] == plan.demuxer
    if own and plan.layout.codec in _TELL_ALL:
        return
    piece = plan.chunks[0].piece
    found = _difference(path, f"output{SUFFIXES[muxer]}", piece, plan.layout)
    if found is not None:
        shown = f"{plan.layout.codec} {plan.layout.pix_fmt}".strip()
        raise UnwritableError(f"{shown} does not come through as {muxer}: {found}", hint=_advice(piece, own=own))


def _difference(path: Path, name: str, piece: Piece, layout: Layout) -> str | None:
    """What is not the first chunk's, in words."""
    try:
        with open_media(path, name=name) as container:
            kinds = [stream.type for stream in container.streams]
            if kinds.count("video") != 1:
                return f"it is read as {', '.join(kinds) or 'nothing'}, expected one video stream"
            stream = video_stream(path, container)
            context = stream.codec_context
            rows = (
                ("codec", context.codec.canonical_name, layout.codec),
                ("size", f"{context.width}x{context.height}", f"{layout.width}x{layout.height}"),
                ("pixel format", context.pix_fmt, layout.pix_fmt),
                ("profile", stream.profile, layout.profile),
                (
                    "rotation",
                    turning(path, demuxer_for(path, name)),
                    turning(piece.path, demuxer_for(piece.path, piece.file)),
                ),
            )
    except OutputError as error:
        return f"it cannot be read back ({error.message})"
    for what, here, there in rows:
        if here and there and here != there:
            return f"{what} is {here}, but {there} in {piece.name}"
    return _other_frame(_first(path, name), _first(piece.path, piece.file), piece)


def _other_frame(here: RawFrame | None, there: RawFrame | None, piece: Piece) -> str | None:
    """A chunk that does not decode here says nothing of the joined file."""
    if there is None or here == there:
        return None
    if here is None:
        return f"the first frame does not decode, as it does in {piece.name}"
    if here.shown != there.shown:
        return f"the first frame is {here.shown}, but {there.shown} in {piece.name}"
    return f"the first frame has other samples than in {piece.name}"


def _first(path: Path, name: str) -> RawFrame | None:
    try:
        with open_frames(path, name) as decoder:
            return next((decoder.raw(frame) for _, frame in decoder.frames()), None)
    except OutputError:
        return None


def _advice(piece: Piece, *, own: bool) -> str:
    suffix = PurePath(piece.file or piece.path.name).suffix.lower()
    if not own and suffix in MUXERS:
        return f"Join it as {suffix}, which is what the chunks are."
    return "Encode the chunks with a codec that the container holds whole, as .mkv does FFV1."
