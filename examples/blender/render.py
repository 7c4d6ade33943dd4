"""Renders frames of a scene with Cycles: marbles that circle a mirror ball. Needs `bpy`, which is Blender as a Python package.

Blender's PNGs carry the time and place of their making, so equal pictures would be other bytes. The pixels are taken out of
them and written again, with the frame number below, and nothing else.
"""

from __future__ import annotations

import argparse
import math
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import bpy
import numpy as np

warnings.simplefilter("ignore", DeprecationWarning)  # `use_nodes` is needed before Blender 5 and refused from 6 on

FPS = 24
BITS, ROW = 16, 8


def build(width: int, height: int, samples: int) -> None:
    """The scene, and how it is rendered: everything that could follow from the machine is set."""
    bpy.ops.wm.read_factory_settings(use_empty=True)  # no start-up file, no preferences, no add-ons
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"  # graphics cards round each in their own way
    scene.cycles.samples = samples
    scene.cycles.seed = 0
    scene.cycles.use_animated_seed = (
        False  # the grain stands still; with True it follows from the frame, which is as well
    )
    scene.cycles.use_adaptive_sampling = (
        False  # it stops when it is clean enough: by frame, but other with each version
    )
    scene.cycles.use_denoising = False  # the denoiser takes other routines on other processors
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.use_persistent_data = False  # nothing is handed from one frame to the next
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.render.fps, scene.render.film_transparent = FPS, False
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGB"
    scene.view_settings.view_transform = "Standard"
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.02, 0.03, 0.08, 1)
    scene.world = world
    bpy.ops.mesh.primitive_plane_add(size=30)
    paint(bpy.context.object, (0.15, 0.17, 0.25), 0.6, 0)
    bpy.ops.mesh.primitive_uv_sphere_add(radius=1, location=(0, 0, 1), segments=64, ring_count=32)
    bpy.ops.object.shade_smooth()
    paint(bpy.context.object, (0.9, 0.9, 0.95), 0.02, 1)
    for index, colour in enumerate([(0.9, 0.15, 0.1), (0.95, 0.7, 0.1), (0.15, 0.6, 0.9), (0.3, 0.8, 0.25)]):
        bpy.ops.mesh.primitive_uv_sphere_add(radius=0.45, segments=48, ring_count=24)
        bpy.ops.object.shade_smooth()
        bpy.context.object.name = f"marble{index}"
        paint(bpy.context.object, colour, 0.2, 0)
    bpy.ops.object.light_add(type="AREA", location=(4, -4, 7), rotation=(0.6, 0.4, 0.6))
    bpy.context.object.data.energy, bpy.context.object.data.size = 900, 4
    bpy.ops.object.camera_add(location=(0, -9, 4.2), rotation=(math.radians(70), 0, 0))
    scene.camera = bpy.context.object


def paint(thing: bpy.types.Object, colour: tuple[float, float, float], rough: float, metal: float) -> None:
    material = bpy.data.materials.new(thing.name)
    material.use_nodes = True
    surface = material.node_tree.nodes["Principled BSDF"]
    surface.inputs["Base Color"].default_value = (*colour, 1)
    surface.inputs["Roughness"].default_value = rough
    surface.inputs["Metallic"].default_value = metal
    thing.data.materials.append(material)


def pose(frame: int) -> None:
    """Put everything where it is in that frame: from the number alone, not from where it was before."""
    for index in range(4):
        angle = math.tau * (index / 4 + frame / (2 * FPS))
        height = 0.45 + abs(math.sin(math.tau * frame / FPS + index)) * 0.8
        bpy.data.objects[f"marble{index}"].location = (2.4 * math.cos(angle), 2.4 * math.sin(angle), height)
    bpy.context.scene.frame_set(frame)


def pixels(scratch: Path) -> np.ndarray:
    """The frame as rows of RGB bytes, from the top."""
    scene = bpy.context.scene
    scene.render.filepath = str(scratch)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(scratch))
    image.colorspace_settings.name = "Non-Color"  # the bytes as they stand in the file
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    width, height = image.size
    bpy.data.images.remove(image)
    return np.rint(flat.reshape(height, width, -1)[::-1, :, :3] * 255).astype(np.uint8)


def strip(picture: np.ndarray, frame: int) -> None:
    """The number for machines: 16 blocks along the bottom, and below them the same inverted."""
    height, width, _ = picture.shape
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        lit = 255 * (frame >> (BITS - 1 - bit) & 1)
        picture[height - 2 * ROW : height - ROW, left:right] = lit
        picture[height - ROW :, left:right] = 255 - lit


def save_png(picture: np.ndarray, path: Path) -> None:
    """A PNG of the pixels and nothing else."""
    height, width, _ = picture.shape
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 6)),
        (b"IEND", b""),
    ]
    data = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    build(width, height, options.samples)
    options.output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for frame in range(options.start, options.start + options.count):
            pose(frame)
            picture = pixels(Path(scratch, "frame.png"))
            strip(picture, frame)
            save_png(picture, options.output / f"{frame:05d}.png")


if __name__ == "__main__":
    main()
