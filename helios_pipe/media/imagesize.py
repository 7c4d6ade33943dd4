"""How large an image is, from its header alone. Knows nothing of sequences."""

from __future__ import annotations

import os
import struct
from pathlib import Path, PurePath

from helios_pipe.errors import OutputError

_HEAD_BYTES = 1 << 16
_PNG = b"\x89PNG\r\n\x1a\n"
_EXR = b"\x76\x2f\x31\x01"
_JPEG = b"\xff\xd8\xff"
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def image_size(path: Path, name: str = "") -> tuple[int, int]:
    """Width and height in pixels. PNG, JPEG, OpenEXR and TGA are read here, others by the media library, by the suffix of `name`.

    Raises OutputError where the file cannot be read, or is none of these.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error
    try:
        size = _from_header(head, PurePath(name or path.name).suffix.lower())
    except (struct.error, IndexError, ValueError) as error:
        raise OutputError(f"{path}: its header is damaged ({error})") from error
    return size or _by_library(path, name)


def _from_header(head: bytes, suffix: str) -> tuple[int, int] | None:
    if suffix == ".tga":  # begins with nothing to know it by
        return struct.unpack_from("<HH", head, 12)
    if head.startswith(_PNG):
        return struct.unpack_from(">II", head, 16)
    if head.startswith(_JPEG):
        return _jpeg(head)
    if head.startswith(_EXR):
        at = head.index(b"dataWindow\0box2i\0") + 17 + 4
        left, top, right, bottom = struct.unpack_from("<iiii", head, at)
        return right - left + 1, bottom - top + 1
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at < len(head) and head[at] == 0xFF:
        if head[at + 1] in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        at += 2 + struct.unpack_from(">H", head, at + 2)[0]
    return None


def _by_library(path: Path, name: str) -> tuple[int, int]:
    import av

    suffix = PurePath(name or path.name).suffix.lower()
    decoder = _PIPES.get(suffix)
    if decoder is None:
        raise OutputError(f"{path}: {suffix or 'no suffix'} is no known kind of image")
    try:
        with av.open(
            "file:" + os.path.abspath(path), format=decoder, container_options={"protocol_whitelist": "file"}
        ) as container:
            context = container.streams.video[0].codec_context
            return context.width, context.height
    except (av.FFmpegError, IndexError) as error:
        raise OutputError(f"{path}: not readable as {suffix}") from error


_PIPES = {
    ".png": "png_pipe",
    ".jpg": "jpeg_pipe",
    ".jpeg": "jpeg_pipe",
    ".exr": "exr_pipe",
    ".tif": "tiff_pipe",
    ".tiff": "tiff_pipe",
    ".dpx": "dpx_pipe",
    ".bmp": "bmp_pipe",
    ".webp": "webp_pipe",
    ".ppm": "ppm_pipe",
    ".pgm": "pgm_pipe",
    ".hdr": "hdr_pipe",
    ".jxl": "jpegxl_pipe",
}
"""The library's forced demuxer for one image of a kind."""
