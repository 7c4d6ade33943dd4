"""Ripples on water, one image a frame. A frame is made from its number alone, so chunks can be made anywhere, in any order."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image


def frame(number: int, width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width] / height
    waves = sum(np.sin(40 * np.hypot(x - cx, y - cy) - number / 5) for cx, cy in ((0.3, 0.2), (1.2, 0.8), (0.8, 0.5)))
    level = np.clip((waves + 3) / 6, 0, 1)
    return Image.fromarray(np.stack([30 * level, 90 + 110 * level, 130 + 120 * level], axis=-1).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", required=True)
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    options.output.mkdir()
    for number in range(options.start, options.start + options.count):
        frame(number, width, height).save(options.output / f"{number:05d}.png")


main()
