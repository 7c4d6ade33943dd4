"""A job submitted from Python: watched, paused when two chunks are there, resumed, and done.

Run it with the project's Python: `python examples/python-api/submit.py [FOLDER]`. Run it again: nothing is rendered.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from helios_pipe import (
    JobChunk,
    JobExecutionOptions,
    JobExecutor,
    JobManager,
    JobMetadata,
    JobProgress,
    JobSpec,
    LocalWorkerAdapter,
    WorkerResult,
)

FPS, SECONDS, CHUNKS = 30, 4, 8
FRAMES = FPS * SECONDS // CHUNKS


def chunk(number: int) -> JobChunk:
    """One eighth of the film: a test card, with the frame's time running in it."""
    start, output = number * FRAMES, f"part_{number}.mp4"
    source = f"testsrc2=size=320x180:rate={FPS},trim=start_frame={start},setpts=PTS-STARTPTS"
    command = (
        f"ffmpeg -v error -f lavfi -i {source} -frames:v {FRAMES} "
        f"-c:v libx264 -g {FRAMES} -threads 1 -pix_fmt yuv420p {output}"
    )
    return JobChunk(number, start, FRAMES, output, command)


def spec() -> JobSpec:
    """The whole job. Without an id, it is given one."""
    chunks = tuple(chunk(number) for number in range(CHUNKS))
    merge = " ".join(["helios merge out/card.mp4", *(c.output_file for c in chunks)])
    return JobSpec(JobMetadata(FRAMES * CHUNKS, FPS, 320, 180), chunks, merge_command=merge)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    begun = threading.Event()

    def on_progress(progress: JobProgress) -> None:
        if progress.completed >= 2:
            begun.set()

    def on_chunk_complete(chunk_id: int, result: WorkerResult) -> None:
        print(f"chunk {chunk_id}: {result.reason or f'rendered in {result.duration_ms} ms'}")

    options = JobExecutionOptions(
        job_dir=folder,
        concurrency=2,
        retries=1,
        on_progress=on_progress,
        on_chunk_complete=on_chunk_complete,
        on_chunk_stderr=lambda chunk_id, text: print(f"chunk {chunk_id} says: {text}", end=""),
    )
    with JobManager(None, JobExecutor(LocalWorkerAdapter(), cache_dir=folder / ".helios")) as manager:
        job_id = manager.submit_job(spec(), options)
        print(f"submitted {job_id}; from a terminal: helios-pipe show {job_id} --cache-dir {folder / '.helios'}")
        begun.wait()
        if not manager.wait(job_id, timeout=0).state.over:
            manager.pause_job(job_id)
        paused = manager.wait(job_id)
        print(f"{paused.state}: {paused.completed_chunks} of {paused.total_chunks} chunks")
        manager.resume_job(job_id)
        done = manager.wait(job_id)
    print(f"{done.state}: {done.result[0]['path'] if done.result else done.error}")


if __name__ == "__main__":
    main()
