"""A stand-in for the `helios` program: `render`, `render --emit-job`, `merge` and `job run`, as the real one answers.

As a script it is what a job file's commands run. Its pictures have their frame number burnt in and are coloured by the
composition's bytes; its sound is a tone, PCM, cut at cumulative boundaries. Like the real one it gives an emit's parts
random names, and fails to merge PCM into an MP4: an empty file stays behind.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import stat
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
RATE = 48_000


def install(folder: Path) -> Path:
    """Put a `helios` that runs this file into the folder, for PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "helios"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def tone(sample: int) -> int:
    """The tone's value at a sample, the same wherever one begins to listen."""
    return round(8000 * math.sin(2 * math.pi * 440 * sample / RATE) * (0.5 + 0.5 * math.sin(sample / RATE)))


def render(options: argparse.Namespace) -> None:
    import av

    from tests.kit import burnin

    if log := os.environ.get("KIT_LOG"):
        with open(log, "ab", buffering=0) as file:
            file.write(f"start {options.start_frame}+{options.frame_count}\n".encode())
    tint = burnin.tint_of(Path(options.composition), noise=False)
    rate = Fraction(options.fps).limit_denominator(1001)
    with av.open(options.output, "w", options={"fflags": "+bitexact"}) as container:
        video: Any = container.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt, video.thread_count = options.width, options.height, "yuv420p", 1
        video.options = {**burnin.OPTIONS["libx264"], "g": str(options.frame_count), "flags": "+bitexact"}
        sound: Any = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for index in range(options.frame_count):
            picture = burnin.picture(options.start_frame + index, options.width, options.height, tint, "yuv420p")
            picture.pts = index
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        first, last = (
            round(at / rate * RATE) for at in (options.start_frame, options.start_frame + options.frame_count)
        )
        samples = array("h", map(tone, range(first, last)))
        piece = av.AudioFrame("s16", "mono", len(samples))
        piece.sample_rate, piece.pts = RATE, 0
        piece.planes[0].update(samples.tobytes())
        container.mux(sound.encode(piece))
        container.mux(sound.encode(None))


def emit(options: argparse.Namespace) -> None:
    stem = f"temp_{int(time.time() * 1000)}_{secrets.token_hex(3)}"
    size = math.ceil(options.total_frames / options.concurrency)
    chunks = []
    for number, start in enumerate(range(0, options.total_frames, size)):
        count, part = min(size, options.total_frames - start), f"{stem}_part_{number}.mov"
        command = (
            f"helios render {options.composition} -o {part} --start-frame {start} --frame-count {count} --width "
            f"{options.width} --height {options.height} --fps {options.fps} --mode canvas --audio-codec pcm_s16le"
        )
        chunks.append({"id": number, "startFrame": start, "frameCount": count, "outputFile": part, "command": command})
    fps = int(options.fps) if options.fps.isdigit() else float(options.fps)
    job = {
        "metadata": {
            "totalFrames": options.total_frames, "fps": fps, "width": options.width, "height": options.height,
            "duration": options.total_frames / fps,
        },
        "chunks": chunks,
        "mergeCommand": f"helios merge {options.output} " + " ".join(chunk["outputFile"] for chunk in chunks),
    }  # fmt: skip
    Path(options.emit_job).write_text(json.dumps(job, indent=2))


def merge(output: str, parts: Sequence[str]) -> None:
    from imageio_ffmpeg import get_ffmpeg_exe

    if output.endswith(".mp4"):
        Path(output).write_bytes(b"")
        sys.exit("Could not find tag for codec pcm_s16le in stream #1, codec not currently supported in container")
    listing = Path(output + ".txt")
    listing.write_text("".join(f"file '{os.path.abspath(part)}'\n" for part in parts))
    words = [
        "-v",
        "error",
        "-y",
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        str(listing),
        "-c",
        "copy",
        "-fflags",
        "+bitexact",
    ]
    subprocess.run([get_ffmpeg_exe(), *words, output], check=True)
    listing.unlink()


def run_job(path: Path) -> None:
    """What `helios job run` does with a job file: each command in the file's folder, then the merge."""
    from helios_pipe.manifest.words import parse_command

    job = json.loads(path.read_text())
    for text in (*(chunk["command"] for chunk in job["chunks"]), job["mergeCommand"]):
        program, words = parse_command(text)
        subprocess.run([program, *words], cwd=path.parent, check=True)


def main(words: list[str]) -> None:
    if words == ["--version"]:
        print("0.9.1-stand-in")
    elif words[0] == "merge":
        merge(words[1], words[2:])
    elif words[:2] == ["job", "run"]:
        run_job(Path(words[2]).resolve())
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("verb", choices=["render"])
        parser.add_argument("composition")
        parser.add_argument("-o", "--output", required=True)
        for name, default in (("start-frame", 0), ("frame-count", 0), ("total-frames", 0), ("concurrency", 4)):
            parser.add_argument(f"--{name}", type=int, default=default)
        for name, default in (("width", 320), ("height", 180)):
            parser.add_argument(f"--{name}", type=int, default=default)
        for name in ("fps", "mode", "audio-codec", "emit-job"):
            parser.add_argument(f"--{name}", default="30" if name == "fps" else None)
        options = parser.parse_args(words)
        (emit if options.emit_job else render)(options)


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    main(sys.argv[1:])
