"""Draws a title over a moving sky at any size, and hands the pictures to ffmpeg, which encodes as ENCODE says."""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import subprocess
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FPS = 30
BITS, ROW = 16, 8
SKIES = {
    "whole": ((24, 28, 70), (240, 130, 80)),
    "opening": ((20, 40, 90), (250, 200, 120)),
    "chase": ((60, 10, 30), (250, 90, 60)),
    "ending": ((10, 40, 60), (120, 200, 220)),
}


def picture(frame: int, shot: str, title: str, height: int) -> Image.Image:
    """The frame of that number, drawn for the size that is wanted rather than scaled to it."""
    width = height * 16 // 9
    top, low = SKIES[shot]
    sky = Image.linear_gradient("L").resize((width, height))
    image = Image.composite(Image.new("RGB", sky.size, low), Image.new("RGB", sky.size, top), sky)
    draw = ImageDraw.Draw(image)
    for star in range(40):  # where a star stands follows from its number
        x = (star * 7919 % 1000 / 1000 * width + frame * (1 + star % 3) * height / 360) % width
        y = star * 104729 % 1000 / 1000 * height * 0.6
        radius = height / 360 * (1 + (1 + math.sin(star + frame / 6)) / 2)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), (255, 255, 230))
    font = ImageFont.load_default(height / 7)  # the font that Pillow brings along: no font of the machine's is read
    draw.text((width / 2, height * 0.5), title, "white", font, anchor="mm")
    draw.text((height / 24, height / 24), f"{frame:03d}", "white", ImageFont.load_default(height / 16))
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
    parser.add_argument("--shot", choices=SKIES, required=True)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("output")
    options = parser.parse_args()
    title = json.loads(Path("titles.json").read_text())[options.lang][options.shot]
    size = f"{options.height * 16 // 9}x{options.height}"
    words = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FPS), "-i", "-"]
    words += [*shlex.split(os.environ["ENCODE"]), "-pix_fmt", "yuv420p", "-fflags", "+bitexact", options.output]
    encoder = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert encoder.stdin is not None
    for frame in range(options.start, options.start + options.count):
        encoder.stdin.write(picture(frame, options.shot, title, options.height).tobytes())
    encoder.stdin.close()
    raise SystemExit(encoder.wait())


if __name__ == "__main__":
    main()
