"""A mark that moves when results are taken away or replaced. Whoever stands on results without looking at them looks at it."""

from __future__ import annotations

import os


def generation_file(folder: str | os.PathLike[str]) -> str:
    """The file whose signature is the mark; it is not there before the first such change."""
    return os.path.join(folder, "generation")


def new_generation(folder: str | os.PathLike[str]) -> None:
    """Move the mark: to be done before the change is made. Raises OSError."""
    temp = f"{generation_file(folder)}.{os.getpid()}"
    with open(temp, "wb") as file:
        file.write(os.urandom(16))
    os.replace(temp, generation_file(folder))
