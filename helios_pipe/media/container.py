"""Opening media files without being led astray. Knows nothing of chunks or joins.

A file is only ever opened by the demuxer that its name (or, where that says nothing, its first bytes) stands for. The
demuxers that follow what a text says (concat, HLS, DASH, image2) are not among them, so no content can make us read
another file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helios_pipe.errors import OutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from av.container import InputContainer

DEMUXERS = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
    ".nut": "nut",
    ".avi": "avi",
    ".mxf": "mxf",
    ".ivf": "ivf",
    ".y4m": "yuv4mpegpipe",
    ".h264": "h264",
    ".264": "h264",
    ".h265": "hevc",
    ".hevc": "hevc",
    ".265": "hevc",
    ".obu": "obu",
    ".gif": "gif",
}
SOUND_DEMUXERS = {
    ".wav": "wav",
    ".w64": "w64",
    ".flac": "flac",
    ".mp3": "mp3",
    ".m4a": "mov",
    ".mka": "matroska",
    ".aac": "aac",
    ".ogg": "ogg",
    ".opus": "ogg",
    ".aif": "aiff",
    ".aiff": "aiff",
    ".caf": "caf",
    ".ac3": "ac3",
    ".eac3": "eac3",
}
HEADED = frozenset({"mov", "matroska"})
"""Demuxers whose header holds all that a stream is, so that no packet needs decoding to know it."""

_HEAD_BYTES = 200
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp")


def demuxer_for(path: Path, name: str = "") -> str:
    """The one demuxer that may open the file: by the suffix of `name` (default: the path's), else by its first bytes.

    Raises OutputError where neither says.
    """
    suffix = os.path.splitext(name or path.name)[1].lower()
    known = DEMUXERS.get(suffix) or SOUND_DEMUXERS.get(suffix)
    if known is not None:
        return known
    demuxer = sniffed(path)
    if demuxer is None:
        raise OutputError(f"{path}: not a known media format; it begins with {first_bytes(path, 16)!r}")
    return demuxer


def sniffed(path: Path) -> str | None:
    """The demuxer that the file's first bytes stand for, None where they stand for none."""
    return _sniff(first_bytes(path))


def first_bytes(path: Path, count: int = _HEAD_BYTES) -> bytes:
    """The file's first bytes, at most `count`; none where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(count)
    except OSError:
        return b""


def _sniff(head: bytes) -> str | None:
    if head[4:8] in _BOXES:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"nut/multimedia container"):
        return "nut"
    if head.startswith(b"RIFF"):
        return {b"AVI ": "avi", b"WAVE": "wav"}.get(head[8:12])
    # A packet each 188 bytes, or, in .m2ts, each 192, behind the time of its arrival.
    if head[:1] == head[188:189] == b"\x47" or head[4:5] == head[196:197] == b"\x47":
        return "mpegts"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


_MAGIC = (
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
    (b"DKIF", "ivf"),
    (b"YUV4MPEG2 ", "yuv4mpegpipe"),
    (b"GIF8", "gif"),
    (b"ID3", "mp3"),
    (b"\x06\x0e\x2b\x34", "mxf"),
)


@contextmanager
def open_media(path: Path, *, name: str = "", quick: bool = False) -> Iterator[InputContainer]:
    """The file, opened for demuxing. `quick` asks no decoder: nine tenths of the time saved, but only the container's own
    header is known then (no pixel format); it is for `HEADED` demuxers and ignored for others.

    Raises OutputError where the file cannot be opened or, from within the block, read.
    """
    import av

    demuxer = demuxer_for(path, name)
    options = {"protocol_whitelist": "file"}
    if quick and demuxer in HEADED:
        options |= {"codec_whitelist": "none", "probesize": "32"}
    try:
        with av.open(
            "file:" + os.path.abspath(path),
            format=demuxer,
            container_options=options,
            metadata_errors="surrogateescape",
        ) as container:
            yield container
    except av.FFmpegError as error:
        raise OutputError(f"{path}: not readable as {demuxer} ({error.strerror}){_glimpse(path)}") from error


def _glimpse(path: Path) -> str:
    """What the file is instead, where its first bytes tell."""
    head = first_bytes(path, 16)
    if not head:
        return "; it is empty"
    return f"; it begins with {head!r}" if _sniff(head) is None else ""
