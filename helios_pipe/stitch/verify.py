"""Proving a joined file against its proof, its chunks and its sound, at any time after the join. Writes nothing.

Always: the file's digest, its frames and their times, each chunk's packets. With the chunks: the frames on both sides of every
seam, decoded in the joined file and in the chunk alone. `full`: every frame. Sound: its packets, its length in samples, the
samples themselves where it is lossless, and, with the sound file, that it comes neither late nor early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING

from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import HeliosPipeError, OutputError
from helios_pipe.media.container import open_media
from helios_pipe.media.probe import video_stream
from helios_pipe.stitch.certificate import Proof
from helios_pipe.stitch.model import Piece
from helios_pipe.stitch.muxers import STARTS_AT_ZERO, muxer_for
from helios_pipe.stitch.packets import RunDigest
from helios_pipe.stitch.seams import compare_frames, decode_all
from helios_pipe.stitch.timeline import FrameWalk, OffGridError
from helios_pipe.stitch.verifysound import sound_problems

if TYPE_CHECKING:
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was proved. `kind` is file, frames, time, packets, seam, frame or sound; `chunk` and `frame`
    count from 0, the frame in the whole file."""

    kind: str
    text: str
    chunk: int | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, and what was found. `compared` is how many decoded frames were held against a chunk's own."""

    problems: tuple[Problem, ...]
    frames: int
    chunks: int
    seams: int
    compared: int
    samples: int | None

    @property
    def ok(self) -> bool:
        """Whether all is as it was proved."""
        return not self.problems


def verify_file(
    path: Path, proof: Proof, *, chunks: Sequence[Piece] = (), sound: Piece | None = None, full: bool = False
) -> Verification:
    """Look at the joined file, and at its `chunks` and its `sound` file where they are given. Raises nothing for a bad file:
    what is wrong is in the result."""
    problems = _file_problems(path, proof)
    frames = 0
    try:
        frames, found = _packet_problems(path, proof)
        problems += found
        compared, found = _picture_problems(path, proof, chunks, full)
        problems += found
        samples, texts = sound_problems(path, proof.sound, sound)
        problems += [Problem("sound", text) for text in texts]
    except HeliosPipeError as error:
        return Verification((*problems, Problem("file", error.message)), frames, len(proof.chunks), 0, 0, None)
    seams = len(proof.chunks) - 1 if chunks else 0
    return Verification(tuple(problems), frames, len(proof.chunks), seams, compared, samples)


def _file_problems(path: Path, proof: Proof) -> list[Problem]:
    try:
        digest, size = digest_file(path), path.stat().st_size
    except OSError as error:
        return [Problem("file", f"{path}: {error.strerror}")]
    if (digest, size) == (proof.sha256, proof.size):
        return []
    return [Problem("file", f"{size} bytes, sha256 {digest}; proved were {proof.size} bytes, sha256 {proof.sha256}")]


def _packet_problems(path: Path, proof: Proof) -> tuple[int, list[Problem]]:
    """Frames, times and packets: how many frames, and what is wrong."""
    with open_media(path) as container:
        stream = video_stream(path, container)
        times = _Times(stream, proof, starts_at_zero=muxer_for(path) in STARTS_AT_ZERO)
        digests = [RunDigest() for _ in proof.chunks]
        owners = chain.from_iterable([number] * chunk.frames for number, chunk in enumerate(proof.chunks))
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            times.take(packet.pts)
            owner = next(owners, None)
            if owner is not None:
                digests[owner].add(packet)
    wrong = [
        Problem("packets", f"the packets of chunk {number} are not those that were proved", chunk=number)
        for number, (run, chunk) in enumerate(zip(digests, proof.chunks, strict=True))
        if run.value() != chunk.packets
    ]
    return times.count, times.problems() + wrong


class _Times:
    """The times of the packets as they come by."""

    def __init__(self, stream: VideoStream, proof: Proof, *, starts_at_zero: bool) -> None:
        self._stream, self._proof = stream, proof
        self._base = 0 if starts_at_zero else None
        self._walk: FrameWalk | None = None
        self._first: Problem | None = None
        self.count = 0

    def take(self, pts: int) -> None:
        if self._walk is None:
            assert self._stream.time_base is not None
            base = pts if self._base is None else self._base
            self._walk = FrameWalk(self._stream.time_base, self._proof.fps, base=base, half_tick=True)
        self.count += 1
        if self._first is not None:
            return
        try:
            self._walk.place(pts)
        except OffGridError as error:
            self._first = Problem("time", f"{error}; expected one each 1/{self._proof.fps} s", frame=self.count - 1)

    def problems(self) -> list[Problem]:
        found = [] if self._first is None else [self._first]
        if self.count != self._proof.frames:
            found.append(Problem("frames", f"{self.count} frames, proved were {self._proof.frames}"))
        elif self._first is None and self._walk is not None and (hole := self._walk.hole()) is not None:
            found.append(Problem("time", f"frame {hole} is missing", frame=hole))
        return found


def _picture_problems(path: Path, proof: Proof, chunks: Sequence[Piece], full: bool) -> tuple[int, list[Problem]]:
    """How many decoded frames were compared, and which were not the chunk's."""
    problems = _other_chunks(proof, chunks)
    if problems or not (chunks or full):
        return 0, problems
    try:
        if not chunks:
            frames = decode_all(path)
            return 0, [] if frames == proof.frames else [
                Problem("frames", f"{frames} frames decode, of {proof.frames}")
            ]
        compared, wrong = compare_frames(path, proof, chunks, full=full)
    except OutputError as error:
        return 0, [Problem("frame", error.message)]
    ends = list(accumulate(chunk.frames for chunk in proof.chunks))
    for frame, text in wrong:
        owner = next((number for number, end in enumerate(ends) if frame < end), None)
        problems.append(Problem("frame" if full else "seam", f"frame {frame} {text}", chunk=owner, frame=frame))
    return compared, problems


def _other_chunks(proof: Proof, chunks: Sequence[Piece]) -> list[Problem]:
    """The chunks that were given must be the proved ones, or comparing says nothing."""
    if chunks and len(chunks) != len(proof.chunks):
        return [Problem("file", f"{len(chunks)} chunks were given, proved were {len(proof.chunks)}")]
    found = []
    for number, (piece, chunk) in enumerate(zip(chunks, proof.chunks, strict=False)):
        if chunk.digest is not None and (digest := _digest_of(piece)) != chunk.digest:
            text = f"{piece.name} has sha256 {digest}, proved was {chunk.digest}"
            found.append(Problem("file", text, chunk=number))
    return found


def _digest_of(piece: Piece) -> Digest | None:
    try:
        return digest_file(piece.path)
    except OSError as error:
        raise OutputError(f"{piece.name}: {error.strerror}") from error
