"""A renderer that burns each frame's number into the picture, and the reader that gets it back.

As a script it is what a chunk runs: it stands alone (PyAV only), so that a project declares it as an input. It misbehaves
on demand, by `--misbehave` (which is a part of the key) or by the variable KIT_MISBEHAVE (which is not).

The picture: 16 blocks side by side hold the number, most significant bit first, white for 1; below them the same blocks
inverted, as a check; below those a gradient whose brightness follows the frame and whose colour follows `--look`'s bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

BITS = 16
WHITE, BLACK, THRESHOLD, MARGIN = 235, 16, 126, 40

KEYFRAME_ONLY = frozenset({"mjpeg", "png", "prores_ks", "rawvideo", "ffv1"})
OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"qp": "20", "preset": "ultrafast", "x264-params": "stitchable=1:scenecut=0"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=error:pools=none:frame-threads=1:scenecut=0"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"},
}
"""What each encoder is told beside the GOP; one thread always, so that equal frames give equal bytes."""

MISBEHAVIOURS = """\
drop:N             leave out the frame that is N-th in the chunk, from 0
ignore-start       render as if the chunk began at frame 0
no-output          exit 0 and leave nothing
empty-output       exit 0 and leave an empty file
truncate           exit 0 and leave the first half of the file
garbage            exit 0 and leave a text in place of the video
noise              render other bytes each time (the numbers still right)
fail-on-frame:N    exit 3 with a message when frame N is to be rendered
exit:N             exit N after all was well
sleep:SECONDS      wait before the first frame
progress           print carriage-return progress for each frame, as ffmpeg does
chatty:N           print N lines to stdout and to stderr
hang               never end, and ignore SIGTERM
orphan             leave a sleeping child behind, holding stdout open; its pid goes to the log
touch-look         append a line to the look file (its copy in the workspace)
hold-on-frame:N    when frame N is to be rendered, wait until the file KIT_GATE exists
"""


class UnreadableFrameError(AssertionError):
    """A picture whose blocks do not agree: nothing that this renderer made."""


# -- rendering


def luma(number: int, width: int, height: int) -> bytes:
    """The Y plane, rows one after the other without padding."""
    if not 0 <= number < 1 << BITS:
        raise ValueError(f"frame {number} does not fit {BITS} bits")
    cell, band = width // BITS, height // 4
    bits = [(number >> (BITS - 1 - i)) & 1 for i in range(BITS)]
    pad = bytes([BLACK]) * (width - cell * BITS)
    plain = b"".join(bytes([WHITE if bit else BLACK]) * cell for bit in bits) + pad
    inverse = b"".join(bytes([BLACK if bit else WHITE]) * cell for bit in bits) + pad
    ramp = bytes(BLACK + (x * 2 + number * 3) % (WHITE - BLACK) for x in range(width))
    return plain * band + inverse * band + ramp * (height - 2 * band)


def picture(number: int, width: int, height: int, tint: tuple[int, int], pixels: str) -> Any:
    """The av.VideoFrame of a frame number, in the pixel format that the encoder wants."""
    import av

    frame = av.VideoFrame(width, height, "yuv420p")
    chroma = (width // 2) * (height // 2)
    for plane, data in zip(
        frame.planes, (luma(number, width, height), bytes([tint[0]]) * chroma, bytes([tint[1]]) * chroma), strict=True
    ):
        plane.update(_padded(data, plane.width, plane.line_size))
    return frame if pixels == "yuv420p" else frame.reformat(format=pixels)


def _padded(data: bytes, width: int, stride: int) -> bytes:
    if width == stride:
        return data
    tail = bytes(stride - width)
    return b"".join(data[at : at + width] + tail for at in range(0, len(data), width))


def tint_of(look: Path | None, noise: bool) -> tuple[int, int]:
    """The colour that a look file's bytes stand for."""
    if noise:
        return os.urandom(1)[0] // 2 + 64, os.urandom(1)[0] // 2 + 64
    seed = hashlib.sha256(look.read_bytes() if look else b"").digest()
    return 64 + seed[0] // 2, 64 + seed[1] // 2


def encode(frames: Iterator[Any], output: Path, options: argparse.Namespace) -> None:
    """Write the frames as one video with a closed GOP of the whole chunk (or of `--gop` frames)."""
    import av

    with av.open(str(output), "w", format=options.format, options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(options.codec, rate=options.rate)
        stream.width, stream.height, stream.pix_fmt = options.width, options.height, options.pixels
        stream.thread_count = 1
        settings = dict(OPTIONS.get(options.codec, {}), flags="+bitexact")
        if options.codec not in KEYFRAME_ONLY:
            settings["g"] = str(options.gop or max(options.count, 1))
        settings |= dict(item.split("=", 1) for item in options.option)
        stream.options = settings
        for index, frame in enumerate(frames):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def save_images(frames: Iterator[Any], numbers: list[int], folder: Path, options: argparse.Namespace) -> None:
    """Write one PNG a frame, named by frame number (or by its place in the chunk)."""
    import av

    folder.mkdir(parents=True, exist_ok=True)
    for index, (number, frame) in enumerate(zip(numbers, frames, strict=True)):
        name = f"{index if options.numbering == 'chunk' else number:05d}.png"
        codec = av.CodecContext.create("png", "w")
        codec.width, codec.height, codec.pix_fmt = options.width, options.height, "rgb24"
        codec.time_base = Fraction(1, options.rate)
        packets = codec.encode(frame.reformat(format="rgb24")) + codec.encode(None)
        (folder / name).write_bytes(b"".join(bytes(packet) for packet in packets))


# -- misbehaving


class Mischief:
    """The wrong behaviours that were asked for: name -> argument."""

    def __init__(self, asked: list[str]) -> None:
        known = {line.split()[0].partition(":")[0] for line in MISBEHAVIOURS.splitlines()}
        self._asked = dict(item.partition(":")[::2] for item in asked if item)
        if unknown := self._asked.keys() - known:
            raise SystemExit(f"unknown misbehaviour {sorted(unknown)}; known:\n{MISBEHAVIOURS}")

    def __contains__(self, name: str) -> bool:
        return name in self._asked

    def number(self, name: str) -> int | None:
        return int(self._asked[name]) if name in self._asked else None

    def before(self, look: Path | None) -> None:
        """What happens before the first frame."""
        if "sleep" in self:
            time.sleep(float(self._asked["sleep"]))
        for line in range(self.number("chatty") or 0):
            print(f"out {line}", flush=True)
            print(f"err {line}", file=sys.stderr, flush=True)
        if "touch-look" in self and look:
            look.chmod(0o644)
            look.write_bytes(look.read_bytes() + b"\nwritten by the renderer\n")
        if "orphan" in self:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            record(f"orphan {child.pid}")
        if "hang" in self:
            import signal

            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            record(f"hang {os.getpid()}")
            time.sleep(600)

    def frame(self, number: int, index: int, count: int) -> None:
        """What happens when a frame is to be rendered."""
        if number == self.number("fail-on-frame"):
            sys.stdout.flush()
            print(f"cannot render frame {number}: the lamp is broken", file=sys.stderr, flush=True)
            sys.exit(3)
        if number == self.number("hold-on-frame"):
            record(f"hold {os.getpid()}")
            while not Path(os.environ["KIT_GATE"]).exists():
                time.sleep(0.01)
        if "progress" in self:
            print(f"frame={index + 1:5d} of {count} fps=30\r", end="", file=sys.stderr, flush=True)

    def after(self, output: Path) -> None:
        """What happens to the file when all was rendered."""
        if "no-output" in self:
            output.unlink()
        elif "empty-output" in self:
            output.write_bytes(b"")
        elif "truncate" in self:
            os.truncate(output, output.stat().st_size // 2)
        elif "garbage" in self:
            output.write_text("this is no video\n")
        sys.exit(self.number("exit") or 0)


def record(line: str) -> None:
    """Append a line to the file KIT_LOG, if there is one, in one write: several renderers share it."""
    if path := os.environ.get("KIT_LOG"):
        with open(path, "ab", buffering=0) as log:
            log.write(line.encode() + b"\n")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--output", required=True, help="a file, or a folder (ends in /) for images")
    parser.add_argument("--look", type=Path)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--height", type=int, default=72)
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--codec", default="libx264")
    parser.add_argument("--format", help="the container, by default from the file's name")
    parser.add_argument("--pixels", default="yuv420p")
    parser.add_argument("--gop", type=int, help="frames between key frames, by default the whole chunk")
    parser.add_argument("--option", action="append", default=[], metavar="K=V", help="an encoder option")
    parser.add_argument("--numbering", choices=["absolute", "chunk"], default="absolute")
    parser.add_argument("--misbehave", action="append", default=[], help=MISBEHAVIOURS)
    return parser.parse_args(argv)


def main() -> None:
    options = arguments()
    mischief = Mischief([*options.misbehave, *os.environ.get("KIT_MISBEHAVE", "").split()])
    start = 0 if "ignore-start" in mischief else options.start
    numbers = [start + i * options.step for i in range(options.count)]
    record(f"start {options.start}+{options.count}")
    mischief.before(options.look)
    tint = tint_of(options.look, "noise" in mischief)
    kept = [n for i, n in enumerate(numbers) if i != mischief.number("drop")]
    pixels = "yuv420p" if options.output.endswith("/") else options.pixels

    def frames() -> Iterator[Any]:
        for index, number in enumerate(kept):
            mischief.frame(number, index, len(kept))
            yield picture(number, options.width, options.height, tint, pixels)

    if options.output.endswith("/"):
        save_images(frames(), kept, Path(options.output), options)
    else:
        encode(frames(), Path(options.output), options)
    record(f"end {options.start}+{options.count}")
    mischief.after(Path(options.output))


# -- reading


def number_in(rows: Callable[[int], bytes], width: int, height: int) -> int:
    """The number burnt into a luma plane; `rows(y)` gives a row. Raises UnreadableFrameError."""
    cell, band = width // BITS, height // 4
    plain, inverse = rows(band // 2), rows(band + band // 2)
    number = 0
    for bit in range(BITS):
        x = bit * cell + cell // 2
        level, check = (sum(row[x - 1 : x + 2]) // 3 for row in (plain, inverse))
        if abs(level - check) < MARGIN or (level > THRESHOLD) == (check > THRESHOLD):
            raise UnreadableFrameError(f"bit {bit}: {level} above {check}, expected one light and one dark")
        number = number << 1 | (level > THRESHOLD)
    return number


def read_frame_numbers(path: Path) -> list[int]:
    """The numbers burnt into the frames of a video in presentation order, or of a folder of images in the order of names."""
    import av

    if path.is_dir():
        return [number for image in sorted(path.iterdir()) for number in read_frame_numbers(image)]
    with av.open(str(path)) as container:
        return [_number_of(frame) for frame in container.decode(video=0)]


def _number_of(frame: Any) -> int:
    gray = frame.reformat(format="yuv420p", dst_color_range="MPEG")
    plane = gray.planes[0]
    data, stride = bytes(plane), plane.line_size
    return number_in(lambda y: data[y * stride : y * stride + gray.width], gray.width, gray.height)


if __name__ == "__main__":
    main()
