"""What all repositories have in common: the order of records, their text, and that a change keeps the id."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable

from helios_pipe.errors import HeliosPipeError, UsageError
from helios_pipe.job_status import CorruptRecordError, JobStatus


def newest_first(records: Iterable[JobStatus]) -> list[JobStatus]:
    """By the time when they were made, then by id."""
    return sorted(sorted(records, key=lambda status: status.id), key=lambda status: status.created_at, reverse=True)


def same_job(before: JobStatus, after: JobStatus) -> JobStatus:
    """The changed record. Raises UsageError where it is another job's."""
    if after.id != before.id:
        raise UsageError(f"the record of job {before.id} cannot become that of job {after.id}")
    return after


def to_text(status: JobStatus) -> str:
    """A record as JSON. Lone surrogates (of file names) have no UTF-8: they are escaped."""
    text = json.dumps(status.to_dict(), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()


def from_text(text: str | bytes, job_id: str, place: str) -> JobStatus:
    """The record of that job. Raises CorruptRecordError naming the place."""
    try:
        status = JobStatus.from_dict(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise CorruptRecordError(f"{place}: no JSON: {error}") from error
    except CorruptRecordError as error:
        raise CorruptRecordError(f"{place}: {error.message}") from error
    if status.id != job_id:
        raise CorruptRecordError(f"{place}: it is the record of job {status.id}, not of {job_id}")
    return status


def warn_of(error: HeliosPipeError) -> None:
    """Say that a record was left out."""
    warnings.warn(f"a job's record was left out: {error.message}", RuntimeWarning, stacklevel=3)
