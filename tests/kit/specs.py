"""Helios job specs whose chunks are texts: they cost a few milliseconds, and what the whole must be is known."""

from __future__ import annotations

import shlex

from helios_pipe.manifest.helios import JobChunk, JobMetadata, JobSpec


def text_spec(
    chunks: int = 4, *, size: int = 5, script: str = "", job_id: str | None = None, merge: str | None = None
) -> JobSpec:
    """A spec of that many chunks, whose commands write `frame N` for each frame into `part_<id>.txt`; `script` is run before,
    with `$n` the chunk's id. Chunk ids are not their places: they count down from 100."""
    return JobSpec(
        JobMetadata(total_frames=chunks * size, fps=30),
        tuple(chunk(100 - index, index * size, size, script) for index in range(chunks)),
        merge_command=merge or "helios merge out/film.txt " + " ".join(f"part_{100 - n}.txt" for n in range(chunks)),
        id=job_id,
    )


def chunk(chunk_id: int, start: int, size: int, script: str = "") -> JobChunk:
    output = f"part_{chunk_id}.txt"
    body = (
        f"n={chunk_id}; {script or ':'}; i={start}; : > {output}; "
        f"while [ $i -lt {start + size} ]; do echo frame $i >> {output}; i=$((i+1)); done"
    )
    return JobChunk(chunk_id, start, size, output, f"sh -c {shlex.quote(body)}")


def whole(chunks: int = 4, size: int = 5) -> str:
    """What the chunks are, one after the other."""
    return "".join(f"frame {n}\n" for n in range(chunks * size))
