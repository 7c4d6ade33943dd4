"""A contact sheet of one node: its first, middle and last frame, out of the cache. Renders nothing."""

from __future__ import annotations

from pathlib import Path

from helios_pipe.cache.results import Result
from helios_pipe.engine.work import Task
from helios_pipe.errors import OutputError, UsageError
from helios_pipe.media.images import frame_number
from helios_pipe.media.names import is_image, is_video
from helios_pipe.media.probe import count_frames
from helios_pipe.media.sheet import Shot, chosen, draw_sheet, need_pillow, still_image, video_images
from helios_pipe.pipeline.explaining import explain
from helios_pipe.pipeline.session import Session


def write_sheet(session: Session, name: str, target: Path) -> list[str]:
    """Write the sheet of the node `name` to `target`, and return its captions. Raises UsageError where there is no such node
    or nothing that it made, OutputError where that is no picture, ToolError without Pillow."""
    need_pillow()
    task = session.task(name)
    explain(session, name)
    row = session.results.find([task.key]).get(task.key) if task.key else None
    if row is None:
        raise UsageError(
            f"there is no result of {name}: it was not made yet, or its frames are parts of other chunks",
            hint=f"helios-pipe run {session.request.manifest}",
        )
    shots = _images(session, row, name) if row.folder else _video(session, row, task)
    draw_sheet(f"{name}  {row.digest[:12]}", shots, target)
    return [shot.caption for shot in shots]


def _images(session: Session, row: Result, name: str) -> list[Shot]:
    entries = [entry for entry in session.blobs.tree(row.digest).entries if is_image(entry.path)]
    if not entries:
        raise OutputError(f"{name} left a folder without images")
    entries.sort(key=lambda entry: (frame_number(entry.path) or 0, entry.path))
    picked = [entries[at] for at in chosen(len(entries))]
    return [
        Shot(entry.path.rpartition("/")[2], still_image(session.blobs.locate(entry.digest), entry.path))
        for entry in picked
    ]


def _video(session: Session, row: Result, task: Task) -> list[Shot]:
    name, path = _file_name(task), session.blobs.locate(row.digest)
    if is_image(name):
        return [Shot(name, still_image(path, name))]
    if not is_video(name):
        raise OutputError(f"{task.name} left {name}, which is neither a video nor an image")
    ordinals = chosen(count_frames(path))
    start, step = _numbering(task)
    images = video_images(path, name, ordinals)
    return [Shot(f"frame {start + at * step}", image) for at, image in zip(ordinals, images, strict=True)]


def _numbering(task: Task) -> tuple[int, int]:
    """The number of the first frame, and the distance from one to the next."""
    spans = task.work.nodes.spans
    first = task.span or (spans[0] if spans else None)
    return (first.start, first.step) if first is not None else (0, 1)


def _file_name(task: Task) -> str:
    job = task.work.nodes.job
    if task.kind == "chunk":
        rule = job.chunk or job.chunks[task.index]
        return rule.output
    path = job.stitch.output if task.kind == "stitch" and job.stitch is not None else job.output
    return (path or "").rpartition("/")[2]
