"""A manifest as frozen values: checked, matrix and vars expanded. Knows nothing of YAML, of files or of keys.

Templates in here hold only what is known later: `chunk.*`, `output`, `inputs`, `inputs_list`. Everything else (`vars.*`,
`matrix.*`, `job`, `fps`) was filled in when the manifest was loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from helios_pipe.manifest.template import Template
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction
    from typing import Literal, TypeAlias

Scalar = str | int | float | bool | None
MarkPath = tuple[str | int, ...]
"""Where a value stands in the document: ("jobs", "zoom", "chunk", "command")."""
Marks = Mapping[MarkPath, tuple[int, int]]
"""Line and column, both from 1, of a value by its place. A mapping's entry is marked at its key."""

StitchMethod: TypeAlias = "Literal['concat', 'collect', 'encode', 'command']"


class Frames(NamedTuple):
    """A range of frame numbers: `start`, `start + step`, … not beyond `end`. Both ends are rendered; `end` is normalised
    to the last number that is."""

    start: int
    end: int
    step: int = 1

    @property
    def count(self) -> int:  # type: ignore[override] # not the method of a tuple
        """How many frames are rendered."""
        return (self.end - self.start) // self.step + 1


class JobInput(NamedTuple):
    """Another job's output as an input. `path` is where it appears in the workspace; None: `jobs/NAME/<base name>`."""

    job: str
    path: str | None = None


class ChunkRule(NamedTuple):
    """How a frame range is cut and rendered. `size` is in rendered frames."""

    size: int
    command: tuple[Template, ...]
    output: str
    inputs: tuple[Template, ...] = ()


class ExplicitChunk(NamedTuple):
    """One chunk that stands in the manifest by itself."""

    command: tuple[Template, ...]
    output: str
    inputs: tuple[Template, ...] = ()
    frames: Frames | None = None
    env: Mapping[str, str] = MappingProxyType({})
    timeout_s: float | None = None


class Encode(NamedTuple):
    """How an image sequence becomes one video."""

    codec: str = "libx264"
    crf: int | None = None
    pix_fmt: str | None = None
    preset: str | None = None
    args: tuple[str, ...] = ()


class Stitch(NamedTuple):
    """How chunks (or the jobs in `sources`) become one output. `output` is relative to the manifest's folder; a folder's
    ends in `/`. `audio_codec`: sound that the chunks themselves hold is encoded once, over the whole, with it (None: copied)."""

    method: StitchMethod
    output: str
    sources: tuple[str, ...] = ()
    numbering: Literal["absolute", "chunk"] = "absolute"
    audio: str | JobInput | None = None
    command: tuple[Template, ...] = ()
    inputs: tuple[str, ...] = ()
    encode: Encode = Encode()
    adapter: str = "local"
    proof: bool = True
    audio_codec: str | None = None


class Job(NamedTuple):
    """One job of one matrix combination. Exactly one of `chunk`, `chunks`, `command`, or `stitch` with sources is its shape.

    `where` is its place in the document; `name` is unique (`main[de,540]` for a combination).
    """

    name: str
    where: MarkPath
    inputs: tuple[str, ...] = ()
    job_inputs: tuple[JobInput, ...] = ()
    frames: Frames | None = None
    fps: Fraction | None = None
    chunk: ChunkRule | None = None
    chunks: tuple[ExplicitChunk, ...] = ()
    command: tuple[Template, ...] = ()
    output: str | None = None
    stitch: Stitch | None = None
    env: Mapping[str, str] = MappingProxyType({})
    timeout_s: float | None = None
    stall_timeout_s: float | None = None
    retries: int = 0
    retry_delay_s: float = 1.0
    adapter: str = "local"
    workspace: Literal["isolated", "project"] = "isolated"
    hedge: bool | None = None
    takes_what_is_there: bool = False
    """Whether `inputs` may mean no file at all: then there are none, until one appears."""


class Tool(NamedTuple):
    """A program whose version is part of every key. `pin` is keyed as it stands; `digest` keys the executable's bytes;
    `argv` is what prints the version (empty: `NAME -version`, then `NAME --version`)."""

    name: str
    pin: str | None = None
    argv: tuple[str, ...] = ()
    digest: bool = False


class AdapterConfig(NamedTuple):
    """A named way to run: its type and that type's own options, as they stand in the manifest."""

    name: str
    type: str
    options: Mapping[str, object] = MappingProxyType({})


class CacheConfig(NamedTuple):
    """The remote cache. `push` allows writing to it."""

    remote: str | None = None
    push: bool = False


class Manifest(NamedTuple):
    """What was asked. `jobs` are in the order of the document, matrix combinations expanded in order; `root` is the folder
    that all paths are relative to; `warnings` are rendered problems that do not stop a run; `shown` is the file as the
    request named it; `origin` is the digest of what decided what its text was read as, `document` that, and `shape` what the
    schema can tell of it, unless all this was known. `beside` are other files below the root that had a say in it."""

    path: Path
    root: Path
    name: str
    jobs: tuple[Job, ...]
    vars: Mapping[str, Scalar] = MappingProxyType({})
    tools: tuple[Tool, ...] = ()
    env: Mapping[str, str] = MappingProxyType({})
    pass_env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    adapters: Mapping[str, AdapterConfig] = MappingProxyType({})
    cache: CacheConfig = CacheConfig()
    marks: Marks = MappingProxyType({})
    warnings: tuple[str, ...] = ()
    shown: str = ""
    origin: str = ""
    document: object | None = None
    shape: str = ""
    beside: tuple[str, ...] = ()

    def job(self, name: str) -> Job:
        """The job of that name. Raises KeyError."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise KeyError(name)
