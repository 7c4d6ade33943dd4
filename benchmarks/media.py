"""Videos for benchmarks: made by ffmpeg, and looked into picture by picture. Knows nothing of measuring."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchmarks.place import MissingError, Place
from benchmarks.timing import WrongOutcomeError


@dataclass(frozen=True, slots=True)
class Chunks:
    """Files that can be joined: how many, of how many frames each. `noisy` ones are as large as pictures get: 0.5 MB a frame."""

    count: int
    frames: int
    noisy: bool

    @property
    def total(self) -> int:
        """Frames of all of them."""
        return self.count * self.frames


def ffmpeg_of(place: Place) -> str:
    """The ffmpeg program. Raises MissingError."""
    if place.ffmpeg is None:
        raise MissingError("this one needs ffmpeg: install it, or pip install 'helios-pipe[ffmpeg]'")
    return place.ffmpeg


def make_chunks(place: Place, folder: Path, chunks: Chunks) -> list[Path]:
    """Encode them into the folder: 30 frames a second, H.264, each with another content."""
    paths = [folder / f"{number:04d}.mp4" for number in range(chunks.count)]
    for number, path in enumerate(paths):
        if chunks.noisy:
            source, quality = f"color=gray:size=640x360:rate=30,noise=alls=100:allf=t:all_seed={number + 1}", "4"
        else:
            first = number * chunks.frames
            source, quality = f"testsrc2=size=320x180:rate=30,trim=start_frame={first},setpts=PTS-STARTPTS", "23"
        argv = [
            *(
                ffmpeg_of(place),
                "-v",
                "error",
                "-nostdin",
                "-f",
                "lavfi",
                "-i",
                source,
                "-frames:v",
                str(chunks.frames),
            ),
            *("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-qp", quality, "-pix_fmt", "yuv420p"),
            *("-fflags", "+bitexact", "-flags:v", "+bitexact", str(path)),
        ]
        subprocess.run(argv, check=True, env=dict(place.env), stdin=subprocess.DEVNULL)
    return paths


def concat_argv(place: Place, paths: Sequence[str], list_file: Path, output: str) -> list[str]:
    """ffmpeg's own join of these files, by a list that is written here."""
    list_file.write_text("".join(f"file '{path}'\n" for path in paths))
    words = ["-v", "error", "-nostdin", "-y", "-f", "concat", "-safe", "0", "-i", str(list_file), "-c", "copy"]
    return [ffmpeg_of(place), *words, "-movflags", "+faststart", output]


def pictures_of(paths: Sequence[Path]) -> tuple[int, str]:
    """How many frames these H.264 files hold, and the digest of their pictures' units in decode order. Parameter sets are left
    out: ffmpeg's concat puts them in front of each chunk's pictures, ours does not."""
    import av

    hasher, count = sha256(), 0
    for path in paths:
        with av.open(str(path)) as container:
            for packet in container.demux(container.streams.video[0]):
                for unit in _units(bytes(packet)):
                    if 1 <= unit[0] & 0x1F <= 5:  # slices of a picture
                        hasher.update(unit)
                count += packet.size > 0
    return count, hasher.hexdigest()


def check_film(path: Path, frames: int, digest: str | None = None) -> str:
    """The digest of the pictures. Raises WrongOutcomeError where it is not the given one, or there are not so many frames."""
    count, found = pictures_of([path])
    if count != frames:
        raise WrongOutcomeError(f"{path.name} has {count} frames, expected {frames}")
    if digest is not None and found != digest:
        raise WrongOutcomeError(f"{path.name} has other pictures than it should have")
    return found


def _units(packet: bytes) -> Iterator[bytes]:
    """A packet's units, each behind four bytes that tell its length, as x264 in MP4 has them."""
    at = 0
    while at + 4 < len(packet):
        end = at + 4 + int.from_bytes(packet[at : at + 4], "big")
        yield packet[at + 4 : end]
        at = end
