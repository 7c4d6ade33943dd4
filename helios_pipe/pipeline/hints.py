"""What a failed command may have missed: files that are in the project, are named in its output, and were not declared, or are
another job's and lie elsewhere; room on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import chain, product
from pathlib import Path
from posixpath import dirname, normpath
from types import MappingProxyType

from helios_pipe.manifest.model import Job, JobInput, Manifest
from helios_pipe.manifest.workspace import input_place
from helios_pipe.regex import regex
from helios_pipe.transfer import MAKE_ROOM, free_bytes, room_of
from helios_pipe.tuples import NamedTuple

_WORD = regex(r"[^\s'\"`:,;()\[\]{}<>|=]+")
_WORKSPACE = regex("/w/")
"""How the path of every workspace ends."""
_MODULE = regex(r"No module named '([\w.]+)'|Cannot find module '(\.{0,2}/?[^'\n]+)'")
_PYTHON = (".py", "/__init__.py")
_NODE = ("", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".json", "/index.js", "/index.ts")
_MOST_MODULES, _MOST_FOLDERS = 10, 50
_MOST_WORDS = 4000
_MOST_HINTS = 3
_NOBODY: Mapping[str, Elsewhere] = MappingProxyType({})
NO_ROOM = "No space left on device"
"""What every program says of a full disk that tells why it failed."""
_LEAST_ROOM = 64 << 10
"""With less room than this, no command can be expected to do its work."""


def undeclared_inputs(
    tail: str, root: Path, declared: set[str], others: Mapping[str, Elsewhere] = _NOBODY
) -> tuple[str, ...]:
    """A sentence for each such file, the first few. `others` are what other jobs make, by its path."""
    found: list[str] = []
    words = list(dict.fromkeys(_WORD.findall(tail)))[-_MOST_WORDS:]
    for name in chain(_modules(tail, declared), chain.from_iterable(map(_names, words))):
        if not name or name in declared or name.startswith(("/", "..")) or len(name) > 255:
            continue
        maker = _maker(name, others)
        if maker is not None:
            found.append(maker.told(name))
        elif os.path.isfile(root / name):
            found.append(
                f"{name} is in the project but not declared, so the command cannot see it: declare it under inputs"
            )
    return tuple(dict.fromkeys(found))[:_MOST_HINTS]


def _names(word: str) -> Iterator[str]:
    """What a word may be called in the project. Many programs make the path absolute before they complain of it."""
    yield word.strip("./").rstrip(".") if word.startswith("./") else word.rstrip(".")
    if word.startswith("/"):
        for match in _WORKSPACE.finditer(word):
            yield word[match.end() :].rstrip(".")


def _modules(tail: str, declared: set[str]) -> Iterator[str]:
    """The files that a module may be which Python or Node has not found: beside those that are declared, or at the top."""
    missing = list(dict.fromkeys(_MODULE.findall(tail)))[-_MOST_MODULES:]
    if not missing:
        return
    folders = ["", *(f"{folder}/" for folder in sorted(set(map(dirname, declared)) - {""})[:_MOST_FOLDERS])]
    for python, node in missing:
        stem, endings = (python.replace(".", "/"), _PYTHON) if python else (node.removeprefix("./"), _NODE)
        for folder, ending in product(folders, endings):
            yield normpath(f"{folder}{stem}{ending}")


def _maker(name: str, others: Mapping[str, Elsewhere]) -> Elsewhere | None:
    """Whose output it is, or lies in."""
    found = others.get(name)
    while found is None and (name := name.rpartition("/")[0]):
        folder = others.get(name)
        found = folder if folder is not None and folder.output.endswith("/") else None
    return found


class Elsewhere(NamedTuple):
    """What another job puts out, and where it is in the workspace of this one: if it is `given`, or once it will be."""

    output: str
    job: str
    place: str
    given: bool

    def told(self, name: str) -> str:
        """What somebody has to know who looked for it under its name in the project."""
        place = self.place + name[len(self.output.rstrip("/")) :]
        spelled = f'"{self.job}"' if "[" in self.job else self.job  # as YAML has it
        wanted = "" if self.given else f"declare {{job: {spelled}}} under inputs, then "
        return f"{name} is what the job {self.job} makes: {wanted}the command finds it as {place}"


def made_by_others(manifest: Manifest, job: Job) -> dict[str, Elsewhere]:
    """What all other jobs put out, by its path."""
    by_name = {other.name: other for other in manifest.jobs}
    given = {reference.job: reference for reference in job.job_inputs}
    found = {}
    for other in manifest.jobs:
        output = other.output or (other.stitch.output if other.stitch else None)
        if output is not None and other.name != job.name:
            place = input_place(given.get(other.name, JobInput(other.name)), by_name)
            found[output.rstrip("/")] = Elsewhere(output, other.name, place, other.name in given)
    return found


def full_disk(
    cache: Path, job: str, made: tuple[int, int], open_chunks: int, complained: bool, room: int | None
) -> str | None:
    """A sentence for a disk that has no room for one more chunk; None where there is room, as far as anybody knows, and the
    command has not complained. `made` are chunks of the job and their bytes together, `open_chunks` are still to be made,
    `room` the bytes that the failed command left (None: what is free now)."""
    free = free_bytes(cache) if room is None else room
    count, size = made
    usual = size // count if count else 0
    if free >= max(usual, _LEAST_ROOM) and not complained:
        return None
    text = f"the disk that holds {cache} is full: {free:,} bytes free"
    if count and open_chunks:
        each = room_of(usual, cache)
        text += (
            f"; {open_chunks} chunk{'s' if open_chunks != 1 else ''} of {job} are still to be made, about {usual:,} bytes each: "
            f"about {max(each * open_chunks - free, 1):,} bytes are missing"
        )
    return f"{text}. {MAKE_ROOM}"
