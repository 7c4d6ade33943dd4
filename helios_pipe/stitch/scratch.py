"""A file beside its place, until it is what it has to be. Knows nothing of what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helios_pipe.errors import StitchError


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A new file beside `output` to write to; renamed over it when the block ends well, removed otherwise."""
    # Nobody else has this name, so that it can be taken away whether it was created by then or not.
    scratch = output.parent / f".helios-{os.getpid()}-{os.urandom(8).hex()}.part"
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield scratch
            os.replace(scratch, output)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise StitchError(f"{output}: {error.strerror or error}") from error
