"""A file beside its place, until it is what it has to be. Knows nothing of what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from helios_pipe.errors import StitchError


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A new name beside `output` to write to; renamed over it when the block ends well, removed otherwise."""
    try:
        scratch = _scratch_name(output)
        try:
            yield scratch
            os.replace(scratch, output)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise StitchError(f"{output}: {error.strerror or error}") from error


def _scratch_name(output: Path) -> Path:
    """A name of our own in the output's folder, taken by creating it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    for attempt in count():
        scratch = output.parent / f".helios-{os.getpid()}-{attempt}.part"
        try:
            os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        return scratch
    raise AssertionError("count() has no end")
