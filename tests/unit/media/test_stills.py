"""Single pictures, and how they get small."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import av
import pytest
from PIL import Image

from helios_pipe.errors import OutputError
from helios_pipe.media.stills import first_frame, jpeg, video_frames


def picture(width: int, height: int, pix_fmt: str) -> av.VideoFrame:
    """A picture, the left half red, the right half blue."""
    image = Image.new("RGB", (width, height), (200, 0, 0))
    image.paste((0, 0, 200), (width // 2, 0, width, height))
    frame: Any = av.VideoFrame(width, height, "rgb24")
    plane = frame.planes[0]
    rows = [image.tobytes()[y * width * 3 : (y + 1) * width * 3] for y in range(height)]
    plane.update(b"".join(row.ljust(plane.line_size, b"\0") for row in rows))
    return cast(av.VideoFrame, frame.reformat(format=pix_fmt))


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuv422p10le", "rgb24", "rgba", "gbrpf32le", "rgba64le", "yuva444p", "gray16le"]
)
def test_a_picture_of_any_format_gets_small_and_keeps_its_looks(pix_fmt: str) -> None:
    with Image.open(io.BytesIO(jpeg(picture(1280, 720, pix_fmt), 240))) as image:
        assert (image.format, image.size) == ("JPEG", (240, 136))
        left, right = image.getpixel((60, 68)), image.getpixel((180, 68))
    if not pix_fmt.startswith("gray"):
        assert left == pytest.approx((200, 0, 0), abs=12)
        assert right == pytest.approx((0, 0, 200), abs=12)


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((64, 36), (64, 36)),
        ((1, 1), (2, 2)),
        ((1080, 1920), (240, 426)),
        ((100, 5000), (10, 480)),
        ((4000, 3), (240, 2)),
    ],
)
def test_a_picture_is_never_made_larger_and_a_tall_one_stays_on_the_page(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    with Image.open(io.BytesIO(jpeg(picture(*size, "rgb24"), 240))) as image:
        assert image.size == small


def test_what_is_no_picture_by_its_name_or_its_bytes_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no picture")
    with pytest.raises(OutputError, match=r"notes\.txt: \.txt cannot be shown"):
        first_frame(text, "notes.txt")
    with pytest.raises(OutputError, match=r"a\.png: does not decode as png"):
        first_frame(text, "a.png")
    with pytest.raises(OutputError, match="not readable as mov"):
        first_frame(text, "a.mp4")


def test_a_frame_behind_the_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.gif"
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert len(list(video_frames(path, "two.gif", [0, 1]))) == 2
    with pytest.raises(OutputError, match=r"two\.gif: no frame 2 in it"):
        list(video_frames(path, "two.gif", [0, 2]))
