"""What a file's name says that it holds. Looks at no file."""

from __future__ import annotations

import os
from functools import lru_cache

from helios_pipe.media.container import DEMUXERS

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".exr", ".tif", ".tiff", ".dpx", ".bmp", ".webp", ".tga", ".ppm", ".pgm", ".hdr", ".jxl"}
)


@lru_cache(maxsize=16)
def is_video(name: str) -> bool:
    """Whether a file of that name holds a video, by its suffix. Mostly it is the name of the chunk before."""
    return os.path.splitext(name)[1].lower() in DEMUXERS


def is_image(name: str) -> bool:
    """Whether a file of that name holds one image, by its suffix."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
