"""The strip of blocks along the bottom of the examples' pictures: the frame number, for machines.

Two rows of 16 blocks, each row 8 pixels high and as wide as the picture: the number, most significant bit first, white for
1, and below it the same inverted, as a check.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kit.burnin import BITS, MARGIN, THRESHOLD, UnreadableFrameError

ROW = 8


def strip_numbers(path: Path) -> list[int]:
    """The numbers in a video's frames in the order of showing, or in a folder's images in the order of their names."""
    import av

    if path.is_dir():
        return [number for image in sorted(path.iterdir()) for number in strip_numbers(image)]
    with av.open(str(path)) as container:
        return [strip_number(frame) for frame in container.decode(video=0)]


def strip_number(frame: Any) -> int:
    """The number in one decoded frame. Raises UnreadableFrameError."""
    gray = frame.reformat(format="gray")
    data, stride = bytes(gray.planes[0]), gray.planes[0].line_size
    plain, check = ((gray.height - ROW * rows + ROW // 2) * stride for rows in (2, 1))
    number = 0
    for bit in range(BITS):
        x = bit * gray.width // BITS + gray.width // BITS // 2
        light, dark = data[plain + x], data[check + x]
        if abs(light - dark) < MARGIN or (light > THRESHOLD) == (dark > THRESHOLD):
            raise UnreadableFrameError(f"bit {bit}: {light} above {dark}, expected one light and one dark")
        number = number << 1 | (light > THRESHOLD)
    return number
