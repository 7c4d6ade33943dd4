"""Renders frames of a manim scene by their numbers: a circle unrolls into the wave that its point draws.

`manim render` plays a scene from its beginning, so a chunk would have to play all that comes before it. This program does
not play: it puts the scene's one tracker at the frame's time, lets the updaters follow, and takes the picture.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from manim import (
    BLUE,
    PI,
    RIGHT,
    TAU,
    WHITE,
    YELLOW,
    Circle,
    Dot,
    Line,
    Mobject,
    NumberPlane,
    ParametricFunction,
    ValueTracker,
    VGroup,
    always_redraw,
    config,
    tempconfig,
)  # fmt: skip
from manim.camera.camera import Camera
from PIL import Image, ImageDraw, ImageFont

FPS = 30
BITS, ROW = 16, 8
CENTRE = np.array([-4.5, 0.0, 0.0])


def scene(time: ValueTracker) -> list[Mobject]:
    """Everything that is shown, each thing a function of the time in seconds."""

    def point() -> np.ndarray:
        angle = TAU * time.get_value() / 3
        return CENTRE + 1.5 * np.array([np.cos(angle), np.sin(angle), 0])

    def wave() -> ParametricFunction:
        end = max(time.get_value() / 3 * 2 * PI, 1e-3)
        return ParametricFunction(
            lambda t: np.array([-2.2 + t, 1.5 * np.sin(t), 0]), t_range=(0, end, end / 100), color=YELLOW
        )

    def reach() -> VGroup:
        tip = np.array([-2.2 + time.get_value() / 3 * 2 * PI, point()[1], 0])
        return VGroup(Line(CENTRE, point(), color=BLUE), Line(point(), tip, color=WHITE, stroke_width=2), Dot(tip))

    plane = NumberPlane(background_line_style={"stroke_opacity": 0.25})
    return [
        plane,
        Circle(1.5, color=BLUE).move_to(CENTRE),
        always_redraw(wave),
        always_redraw(reach),
        Dot(CENTRE + RIGHT * 0),
    ]


def picture(frame: int, time: ValueTracker, things: list[Mobject], camera: Camera) -> Image.Image:
    time.set_value(frame / FPS)
    for thing in things:
        thing.update(0)  # updaters get no time step: they look at the tracker
    camera.reset()
    camera.capture_mobjects(things)
    image = Image.fromarray(camera.pixel_array).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.text(
        (16, 12), f"{frame:04d}", "white", ImageFont.load_default(28)
    )  # manim's own texts need the machine's fonts
    for bit in range(BITS):
        left, right = bit * image.width // BITS, (bit + 1) * image.width // BITS - 1
        lit = bool(frame >> (BITS - 1 - bit) & 1)
        draw.rectangle((left, image.height - 2 * ROW, right, image.height - ROW - 1), "white" if lit else "black")
        draw.rectangle((left, image.height - ROW, right, image.height - 1), "black" if lit else "white")
    return image


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    options.output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, tempconfig({
        "pixel_width": width, "pixel_height": height, "frame_rate": FPS, "media_dir": scratch,
        "renderer": "cairo",  # by the processor; the OpenGL one follows the driver
        "disable_caching": True,  # what is made is kept by helios-pipe, and under a key that is known
        "seed": 0,
    }):  # fmt: skip
        config.frame_width = config.frame_height * width / height
        time = ValueTracker(0)
        things, camera = scene(time), Camera()
        for frame in range(options.start, options.start + options.count):
            picture(frame, time, things, camera).save(options.output / f"{frame:05d}.png")


if __name__ == "__main__":
    main()
