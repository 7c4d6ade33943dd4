"""Pictures of a video or of a folder of images, side by side in one PNG. Knows nothing of chunks or caches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helios_pipe.errors import OutputError, ToolError
from helios_pipe.media.stills import image_frame, video_frames

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from PIL.Image import Image

_WIDTH, _GAP, _STRIP = 480, 12, 30
_PAPER, _INK, _FAINT = (24, 24, 27), (244, 244, 245), (161, 161, 170)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a sheet and what stands below it."""

    caption: str
    image: Image


def need_pillow() -> None:
    """Raises ToolError, with how to install it, where Pillow is not there."""
    try:
        import PIL.Image  # noqa: F401 - that it can be imported is what is asked
    except ImportError as error:
        raise ToolError(
            "a contact sheet needs Pillow, which is not installed", hint="pip install 'helios-pipe[ui]'"
        ) from error


def chosen(count: int) -> list[int]:
    """The first, the middle and the last of `count`, each once."""
    return sorted({0, (count - 1) // 2, count - 1}) if count > 0 else []


def video_images(path: Path, name: str, numbers: Sequence[int]) -> list[Image]:
    """The frames of a video with these ordinals, which rise, as `media.stills` finds them. Raises OutputError."""
    return [_picture(frame) for frame in video_frames(path, name, numbers)]


def still_image(path: Path, name: str) -> Image:
    """An image file's picture. Raises OutputError."""
    return _picture(image_frame(path, name))


def draw_sheet(title: str, shots: Sequence[Shot], target: Path) -> None:
    """Write the shots side by side, each at most 480 pixels wide, with their captions and a title. Raises OutputError where
    `target` cannot be written."""
    from PIL import Image, ImageDraw, ImageFont

    small = [_shrunk(shot.image) for shot in shots]
    height = max(image.height for image in small)
    width = sum(image.width + _GAP for image in small) + _GAP
    sheet = Image.new("RGB", (width, height + 2 * _STRIP + _GAP), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    draw.text((_GAP, 7), title, _INK, font)
    left = _GAP
    for shot, image in zip(shots, small, strict=True):
        sheet.paste(image, (left, _STRIP + (height - image.height) // 2))
        draw.text((left, _STRIP + height + 7), shot.caption, _FAINT, font)
        left += image.width + _GAP
    try:
        sheet.save(target, format="PNG")
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error


def _picture(frame: VideoFrame) -> Image:
    from PIL import Image

    rgb = frame.reformat(format="rgb24")
    plane = rgb.planes[0]
    return Image.frombytes("RGB", (rgb.width, rgb.height), bytes(plane), "raw", "RGB", plane.line_size)


def _shrunk(image: Image) -> Image:
    if image.width <= _WIDTH:
        return image
    return image.resize((_WIDTH, max(1, round(image.height * _WIDTH / image.width))))
