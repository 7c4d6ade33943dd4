"""Where a submitted job stands, as a value, to and from Helios' JSON. Knows nothing of where it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from helios_pipe.errors import HeliosPipeError, UsageError
from helios_pipe.manifest.helios import JobSpec, JobSpecError
from helios_pipe.regex import regex

_ID = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


def check_job_id(job_id: str) -> str:
    """The id, where it is one: it names files, rows and objects in stores. Raises UsageError."""
    if not isinstance(job_id, str) or not _ID.match(job_id):
        raise UsageError(
            f"{job_id!r:.80} is no job id, expected letters, digits, '.', '_' and '-', at most 128, beginning with one of the "
            "first two"
        )
    return job_id


class CorruptRecordError(HeliosPipeError):
    """A job's record that cannot be read. `list` leaves such a one out, with a warning."""

    exit_code = 3


class JobState(StrEnum):
    """Where a job stands. `interrupted`: its process died."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def over(self) -> bool:
        """Whether nothing is at it any more."""
        return self not in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class ChunkLog:
    """What one chunk's last attempt printed (the ends of both streams), and how long its command took."""

    stdout: str = ""
    stderr: str = ""
    duration_ms: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As Helios writes it."""
        return {"stdout": self.stdout, "stderr": self.stderr, "durationMs": self.duration_ms}


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job. Times are milliseconds since 1970; `progress` is from 0 to 1; `result` are its outputs (`path`, `sha256`,
    `size`); `options` are those that can be written down, so that another process can go on with the job; `job_spec_url` is
    where a storage keeps its spec; `extra` are keys that we do not know, kept."""

    id: str
    spec: JobSpec
    state: JobState = JobState.PENDING
    created_at: int = 0
    updated_at: int = 0
    completed_chunks: int = 0
    total_chunks: int = 0
    progress: float = 0.0
    error: str | None = None
    result: tuple[Mapping[str, Any], ...] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    chunk_logs: Mapping[int, ChunkLog] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    job_spec_url: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def replace(self, **changes: Any) -> JobStatus:
        """The same with other values."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """As Helios writes it: its names, what is not set left out."""
        found: dict[str, Any] = {
            "id": self.id,
            "spec": self.spec.to_dict(),
            "state": str(self.state),
            **{theirs: getattr(self, ours) for theirs, ours in _NUMBERS.items()},
            "error": self.error,
            "result": None if self.result is None else [dict(output) for output in self.result],
            "metrics": dict(self.metrics),
            "chunkLogs": {str(chunk): log.to_dict() for chunk, log in self.chunk_logs.items()},
            "options": dict(self.options),
            "jobSpecUrl": self.job_spec_url,
        }
        return {**{key: value for key, value in found.items() if value is not None}, **self.extra}

    @classmethod
    def from_dict(cls, data: object) -> JobStatus:
        """The status that `data` holds, unknown keys kept. Raises CorruptRecordError saying what is wrong with it."""
        if not isinstance(data, Mapping):
            raise CorruptRecordError(f"a job's record is {type(data).__name__}, expected a mapping")
        try:
            return cls(
                id=check_job_id(data.get("id", "")),
                spec=JobSpec.from_dict(data["spec"]),
                state=JobState(data["state"]),
                **{ours: _number(data, theirs) for theirs, ours in _NUMBERS.items()},
                error=_optional_text(data, "error"),
                result=_result(data.get("result")),
                metrics=_mapping(data, "metrics"),
                chunk_logs={int(chunk): _log(log) for chunk, log in _mapping(data, "chunkLogs").items()},
                options=_mapping(data, "options"),
                job_spec_url=_optional_text(data, "jobSpecUrl"),
                extra={key: value for key, value in data.items() if key not in _KNOWN},
            )
        except (KeyError, ValueError, TypeError, AttributeError, UsageError, JobSpecError) as error:
            text = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise CorruptRecordError(f"a job's record is not in order: {text}") from error


_NUMBERS = {
    "createdAt": "created_at", "updatedAt": "updated_at", "completedChunks": "completed_chunks",
    "totalChunks": "total_chunks", "progress": "progress",
}  # fmt: skip
_KNOWN = frozenset(
    {"id", "spec", "state", "error", "result", "metrics", "chunkLogs", "options", "jobSpecUrl", *_NUMBERS}
)


def _number(data: Mapping[str, Any], key: str) -> Any:
    value = data.get(key, 0)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value != value or value < 0:
        raise ValueError(f"{key} is {value!r:.40}, expected a number from 0 on")
    return value if key == "progress" else int(value)


def _optional_text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} is {value!r:.40}, expected a text")
    return value


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise TypeError(f"{key} is {value!r:.40}, expected a mapping")
    return value


def _log(data: Any) -> ChunkLog:
    log = ChunkLog(data.get("stdout", ""), data.get("stderr", ""), data.get("durationMs", 0))
    if not isinstance(log.stdout, str) or not isinstance(log.stderr, str) or not isinstance(log.duration_ms, int):
        raise TypeError("chunkLogs holds what is no log")
    return log


def _result(data: Any) -> tuple[Mapping[str, Any], ...] | None:
    if data is None:
        return None
    if not isinstance(data, Sequence) or isinstance(data, str) or not all(isinstance(one, Mapping) for one in data):
        raise ValueError("result is not a list of outputs")
    return tuple(data)
