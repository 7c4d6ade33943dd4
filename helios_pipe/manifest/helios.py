"""Helios' job spec as frozen values, to and from its JSON. Knows nothing of how it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helios_pipe.errors import UsageError
from helios_pipe.manifest.model import MarkPath
from helios_pipe.manifest.problems import spell_path
from helios_pipe.manifest.schema import describe


class JobSpecError(UsageError):
    """Data that is no job spec; the text names every value that is wrong."""


@dataclass(frozen=True, slots=True)
class JobMetadata:
    """What the whole video is. `fps` and `duration` (seconds) are numbers as they were given; `extra` are keys that we do
    not know, kept."""

    total_frames: int
    fps: int | float
    width: int | None = None
    height: int | None = None
    duration: int | float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobMetadata:
        """The metadata that `data` holds. Raises JobSpecError."""
        _refuse(_metadata_problems(data, ()))
        return cls(**_known(data, _METADATA), extra=_extra(data, _METADATA))

    def to_dict(self) -> dict[str, Any]:
        """As Helios writes it."""
        return {**_spelled(self, _METADATA), **self.extra}


@dataclass(frozen=True, slots=True)
class JobChunk:
    """One command and the frames that it renders, `start_frame` and on. `output_file` is what it leaves."""

    id: int
    start_frame: int
    frame_count: int
    output_file: str
    command: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobChunk:
        """The chunk that `data` holds. Raises JobSpecError."""
        _refuse(_chunk_problems(data, ()))
        return cls(**_known(data, _CHUNK), extra=_extra(data, _CHUNK))

    def to_dict(self) -> dict[str, Any]:
        """As Helios writes it."""
        return {**_spelled(self, _CHUNK), **self.extra}


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A whole job. `id` and `assets_url` are only there once it was submitted."""

    metadata: JobMetadata
    chunks: tuple[JobChunk, ...]
    merge_command: str | None = None
    id: str | None = None
    assets_url: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JobSpec:
        """The job spec that `data` holds, unknown keys kept. Raises JobSpecError with all that is wrong."""
        _refuse(job_problems(data))
        return cls(
            metadata=JobMetadata.from_dict(data["metadata"]),
            chunks=tuple(JobChunk(**_known(chunk, _CHUNK), extra=_extra(chunk, _CHUNK)) for chunk in data["chunks"]),
            **_known(data, _JOB),
            extra=_extra(data, {**_JOB, "metadata": "", "chunks": ""}),
        )

    def to_dict(self) -> dict[str, Any]:
        """As Helios writes it: its names, what is not set left out."""
        head, tail = _spelled(self, {"id": "id", "assetsUrl": "assets_url"}), _spelled(self, _MERGE)
        chunks = [chunk.to_dict() for chunk in self.chunks]
        return {**head, "metadata": self.metadata.to_dict(), "chunks": chunks, **tail, **self.extra}

    def chunk(self, chunk_id: int) -> JobChunk:
        """The chunk of that id. Raises UsageError."""
        for chunk in self.chunks:
            if chunk.id == chunk_id:
                return chunk
        raise UsageError(f"Chunk with ID {chunk_id} not found in job spec")


def is_job(data: object) -> bool:
    """Whether data is meant as a job spec, rather than as a manifest."""
    return isinstance(data, dict) and {"chunks", "metadata"} <= data.keys() and not {"version", "jobs"} & data.keys()


def job_problems(data: object) -> Iterator[tuple[MarkPath, str]]:
    """All that keeps data from being a job spec: places and messages."""
    if not isinstance(data, Mapping):
        yield (), f"is {describe(data)}, expected a mapping with 'metadata', 'chunks' and 'mergeCommand'"
        return
    for key in ("id", "assetsUrl", "mergeCommand"):
        if data.get(key) is not None and not isinstance(data[key], str):
            yield (key,), f"is {describe(data[key])}, expected a text"
    yield from _metadata_problems(data.get("metadata"), ("metadata",))
    chunks = data.get("chunks")
    if not isinstance(chunks, Sequence) or isinstance(chunks, str):
        yield ("chunks",), f"is {describe(chunks)}, expected a list"
        return
    seen: dict[int, int] = {}
    for index, chunk in enumerate(chunks):
        problems = list(_chunk_problems(chunk, ("chunks", index)))
        yield from problems
        if not problems and seen.setdefault(chunk["id"], index) != index:
            yield ("chunks", index, "id"), f"{chunk['id']} is the id of chunk {seen[chunk['id']]} too, expected another"


_METADATA = {
    "totalFrames": "total_frames", "fps": "fps", "width": "width", "height": "height", "duration": "duration"
}  # fmt: skip
_CHUNK = {
    "id": "id", "startFrame": "start_frame", "frameCount": "frame_count", "outputFile": "output_file", "command": "command"
}  # fmt: skip
_MERGE = {"mergeCommand": "merge_command"}
_JOB = {"id": "id", "assetsUrl": "assets_url", **_MERGE}


def _metadata_problems(data: object, where: MarkPath) -> Iterator[tuple[MarkPath, str]]:
    if not isinstance(data, Mapping):
        yield where, f"is {describe(data)}, expected a mapping with 'totalFrames' and 'fps'"
        return
    yield from _number(data, where, "totalFrames", least=0)
    yield from _number(data, where, "fps", least=0, whole=False)
    if data.get("fps") == 0:
        yield (*where, "fps"), "is 0, expected more than 0"
    for key in ("width", "height", "duration"):
        if data.get(key) is not None:
            yield from _number(data, where, key, least=0, whole=key != "duration")


def _chunk_problems(data: object, where: MarkPath) -> Iterator[tuple[MarkPath, str]]:
    if not isinstance(data, Mapping):
        yield where, f"is {describe(data)}, expected a mapping with 'id', 'startFrame', 'frameCount', ..."
        return
    yield from _number(data, where, "id", least=0)
    yield from _number(data, where, "startFrame", least=0)
    yield from _number(data, where, "frameCount", least=1)
    for key in ("outputFile", "command"):
        value = data.get(key)
        if not isinstance(value, str) or not value.strip():
            yield (*where, key), _expected(value, key in data, "a text that is not empty")


def _number(
    data: Mapping[str, Any], where: MarkPath, key: str, *, least: int, whole: bool = True
) -> Iterator[tuple[MarkPath, str]]:
    value = data.get(key)
    what = "a whole number" if whole else "a number"
    if not isinstance(value, int if whole else (int, float)) or isinstance(value, bool) or value != value:
        yield (*where, key), _expected(value, key in data, what)
    elif not least <= value < float("inf"):
        yield (*where, key), f"is {value}, expected {least} or more"


def _expected(value: object, given: bool, what: str) -> str:
    return f"is {describe(value)}, expected {what}" if given else f"is missing, expected {what}"


def _refuse(problems: Iterator[tuple[MarkPath, str]]) -> None:
    lines = [f"{spell_path(where) or 'job spec'}: {message}" for where, message in problems]
    if lines:
        raise JobSpecError("not a Helios job spec: " + "\n".join(lines))


def _known(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: data[theirs] for theirs, ours in names.items() if theirs in data}


def _extra(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in names}


def _spelled(value: object, names: Mapping[str, str]) -> dict[str, Any]:
    return {theirs: found for theirs, ours in names.items() if (found := getattr(value, ours)) is not None}
