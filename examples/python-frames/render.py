"""Draws frames with numpy and writes them with Pillow: two waves that run through each other.

A frame is a function of its number and of nothing else: no state is carried from one to the next, no clock, no randomness.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FPS = 30
BITS, ROW = 16, 8


def picture(frame: int, width: int, height: int) -> Image.Image:
    """The frame of that number."""
    time = frame / FPS
    y, x = np.mgrid[0:height, 0:width] / height
    left = np.sin(40 * np.hypot(x - 0.45, y - 0.5 - 0.2 * np.sin(time)) - 6 * time)
    right = np.sin(40 * np.hypot(x - 1.35, y - 0.5 + 0.2 * np.sin(time)) - 6 * time)
    level = (left + right + 2) / 4
    colours = np.stack([level**2 * 0.9, level * 0.75, 0.35 + level * 0.6], axis=-1)
    image = Image.fromarray((colours * 255 + 0.5).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.text((16, 12), f"{frame:04d}", "white", ImageFont.load_default(28))  # the font that Pillow brings along
    strip(draw, frame, width, height)
    return image


def strip(draw: ImageDraw.ImageDraw, frame: int, width: int, height: int) -> None:
    """The number for machines: 16 blocks along the bottom, and below them the same inverted."""
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS - 1
        lit = bool(frame >> (BITS - 1 - bit) & 1)
        draw.rectangle((left, height - 2 * ROW, right, height - ROW - 1), "white" if lit else "black")
        draw.rectangle((left, height - ROW, right, height - 1), "black" if lit else "white")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    options.output.mkdir(exist_ok=True)
    for frame in range(options.start, options.start + options.count):
        picture(frame, width, height).save(options.output / f"{frame:05d}.png", compress_level=1)


if __name__ == "__main__":
    main()
