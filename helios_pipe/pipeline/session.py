"""One manifest opened with its cache: everything that `plan`, `run` and `explain` have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path

from helios_pipe import settings
from helios_pipe.ahead import Ahead
from helios_pipe.cache.backlog import open_database
from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.memory import Memory
from helios_pipe.cache.memos import Memos, recorded
from helios_pipe.cache.placing import Placer
from helios_pipe.cache.readings import Reading
from helios_pipe.cache.results import Result, Results
from helios_pipe.cache.sources import Sources
from helios_pipe.cache.stamp import Signature, signature
from helios_pipe.engine.inputs import Inputs
from helios_pipe.engine.reasons import Reasons
from helios_pipe.engine.recall import Recall
from helios_pipe.engine.recipe import Common
from helios_pipe.engine.resolve import Resolver, forced_by
from helios_pipe.engine.work import JobWork, Task, make_works
from helios_pipe.errors import HeliosPipeError, UsageError
from helios_pipe.graph.build import build_graph
from helios_pipe.graph.nodes import Graph
from helios_pipe.jobs.journal import job_id
from helios_pipe.manifest.load import Before, load_manifest
from helios_pipe.manifest.model import Manifest, Tool
from helios_pipe.manifest.problems import ManifestError
from helios_pipe.pipeline.checking import check_inputs, find_missing, in_full
from helios_pipe.pipeline.request import Request
from helios_pipe.pipeline.tools import Tools
from helios_pipe.stitch.naming import STITCH_VERSION
from helios_pipe.tuples import NamedTuple
from helios_pipe.version import __version__
from helios_pipe.worker.environment import tool_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helios_pipe.engine.plan import PlannedNode
    from helios_pipe.stores.shared import SharedCache


class Opened(NamedTuple):
    """A manifest, its graph, the id that its runs are recorded under, how its file looked before it was read, and what is to be
    said of the request."""

    manifest: Manifest
    graph: Graph
    job_id: str
    seen: Signature | None = None
    warnings: tuple[str, ...] = ()


def open_manifest(request: Request) -> Opened:
    """Read, check and lay out what was asked. Raises ManifestError, UsageError; touches nothing.

    Inputs are looked for here only where it would be too late later: before there is a cache folder, and for jobs that
    begin when others have run."""
    seen = signature(os.path.abspath(request.manifest))  # before it is read: whatever comes between shows
    root = Path(os.path.abspath(request.manifest)).parent
    _check_name("folder", str(root))
    _check_name("manifest", str(request.manifest))
    reading = Reading(settings.cache_dir(root, request.cache_dir), request.manifest)
    before = Before(reading.document, reading.had_shape)
    manifest = load_manifest(
        request.manifest, request.overrides, look_if_wrong=find_missing, keep_merge=request.keep_merge, before=before
    )
    if request.strict and manifest.warnings:
        raise UsageError("\n".join(manifest.warnings), hint="With --strict, warnings are errors.")
    graph, warnings = _select(build_graph(manifest), manifest, request)
    _check_forced(graph, request)
    first = not settings.cache_dir(manifest.root, request.cache_dir).is_dir()
    check_inputs(manifest, [nodes for nodes in graph.jobs if first or nodes.job.job_inputs])
    return Opened(manifest, graph, job_id(manifest.name, manifest.path), seen, warnings)


_NAMED = 12
"""How many names a message lists."""
_COMPARED = 2000
"""Among how many the nearest is looked for."""


def _check_name(kind: str, path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the {kind} {os.fsencode(path)!r} has a name that is not UTF-8",
            hint="Rename it, or the folder above it that has the name: what is recorded of a project is text.",
        ) from error


def _select(graph: Graph, manifest: Manifest, request: Request) -> tuple[Graph, tuple[str, ...]]:
    known = [job.name for job in manifest.jobs]
    names: list[str] = []
    for asked in request.jobs:
        found = [name for name in known if name == asked] or [name for name in known if name.startswith(f"{asked}[")]
        if not found:
            raise UsageError(f"there is no job {asked!r}{_nearest(asked, known)}")
        names += found
    selected = graph.select(tuple(names))
    if request.adapter is not None and request.adapter != "local" and request.adapter not in manifest.adapters:
        adapters = list(dict.fromkeys(("local", *manifest.adapters)))
        raise UsageError(f"there is no adapter {request.adapter!r}{_nearest(request.adapter, adapters)}")
    if request.stitch:
        return selected, ()
    from helios_pipe.pipeline.unstitched import without_stitches

    return without_stitches(selected, names)


def _check_forced(graph: Graph, request: Request) -> None:
    if not request.force_nodes:
        return
    names = [node.name for node in graph.nodes()]
    for glob in request.force_nodes:
        fits = forced_by(False, (glob,))
        if fits is None or not any(map(fits, names)):
            raise UsageError(f"--force-node {glob!r} fits no node{_nearest(glob, names)}")


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known[:_COMPARED], n=1, cutoff=0.5)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known[:_NAMED])}{more}"


class Session:
    """A manifest opened with its cache. For one thread; close it when done."""

    def __init__(self, request: Request, opened: Opened, ahead: Ahead | None = None) -> None:
        """`ahead` is what was found out before this was loaded."""
        self.ahead = ahead or Ahead()
        self.request = request
        self.manifest, self.graph, self.job_id = opened.manifest, opened.graph, opened.job_id
        self.root = opened.manifest.root
        self.manifest_seen = opened.seen
        """How the manifest's file looked before it was read."""
        self.warnings = opened.warnings
        """What is to be said of the request, in every run of it."""
        self.cache = settings.cache_dir(self.root, request.cache_dir)
        self.database = open_database(self.cache, durable=request.durable)
        self.blobs = Blobs(self.cache, durable=request.durable)
        self.results = Results(self.database, self.blobs)
        self.memory = Memory(self.database)
        self.sources = Sources(self.database, str(self.root))
        self.inputs = Inputs(self.manifest, self.sources, self.blobs)
        self.path = tool_path(settings.environment().get("PATH", os.defpath), self.cache / "bin")
        self.fetches = False
        """Whether results from a remote cache are brought here. A plan only asks for them."""
        self.warn: Callable[[str], None] = lambda _: None
        self.tools = Tools(self.memory, self.sources, self.path)

    @cached_property
    def works(self) -> list[JobWork]:
        """The state of every selected node."""
        return make_works(self.graph.jobs)

    @cached_property
    def resolver(self) -> Resolver:
        """Keys and hits."""
        common = Common.of(self.manifest, self.tools.marks(self.manifest.tools))
        asked, made = forced_by(self.request.force, self.request.force_nodes), self.request.made
        forced = (lambda name: name not in made and asked(name)) if made and asked is not None else asked
        return Resolver(
            common, self.inputs, self.results, forced, STITCH_VERSION, self._encoder, self.recall, self._elsewhere()
        )

    @cached_property
    def recall(self) -> Recall:
        """What is known from the last run of this job."""
        memos, known = Memos(self.database, self.job_id), partial(recorded, self.database)
        return Recall(memos, self.inputs, self.results, known, __version__, self.ahead)

    @cached_property
    def shared(self) -> SharedCache | None:
        """The remote cache, where the manifest names one."""
        if self.manifest.cache.remote is None:
            return None
        from helios_pipe.stores.registry import open_store
        from helios_pipe.stores.shared import SharedCache

        return SharedCache(
            open_store(self.manifest.cache.remote), self.blobs, self.results, lambda text: self.warn(text)
        )

    def _elsewhere(self) -> Callable[[Sequence[str]], Mapping[str, Result]] | None:
        shared = self.shared
        return None if shared is None else lambda keys: shared.find(keys, fetch=self.fetches)

    def _encoder(self) -> str:
        """What is keyed of ffmpeg where images are encoded: the manifest's word, or the line that it prints."""
        declared = [tool for tool in self.manifest.tools if tool.name == "ffmpeg"]
        return self.tools.marks(declared or [Tool("ffmpeg")])[0].text

    @cached_property
    def reasons(self) -> Reasons:
        """Why a node must be made."""
        return Reasons(self.job_id, self.results, self.resolver)

    @cached_property
    def placer(self) -> Placer:
        """Puts results in place."""
        return Placer(self.memory, self.blobs)

    def plan(self) -> list[PlannedNode]:
        """What a run would do, and why."""
        from helios_pipe.engine.plan import plan

        try:
            rows = plan(self.works, self.resolver, self.reasons)
        except ManifestError as error:
            raise self.in_full(error) from None
        self.sources.save()
        return rows

    def in_full(self, error: HeliosPipeError) -> HeliosPipeError:
        """Of an error about an input that is not there: all that are not there. Of any other: the same."""
        return in_full(error, self.manifest, self.graph.jobs)

    def task(self, name: str) -> Task:
        """The node of that name. Raises UsageError naming the nearest."""
        tasks = {task.name: task for work in self.works for task in work.tasks()}
        if name not in tasks:
            raise UsageError(f"there is no node {name!r}{_nearest(name, list(tasks))}")
        return tasks[name]

    def output_path(self, work: JobWork) -> Path | None:
        """Where the manifest wants the job's output; None where it stays in the cache."""
        job = work.nodes.job
        name = job.stitch.output if job.stitch is not None else job.output
        return None if name is None else self.root / name

    def keep_reading(self) -> None:
        """Remember what the manifest's text was read as, where that is news."""
        manifest = self.manifest
        if manifest.document is not None:
            Reading(self.cache, self.request.manifest).keep(manifest.origin, manifest.shape, manifest.document)

    def close(self) -> None:
        """Give the cache back. Idempotent."""
        try:
            self.results.close()
        finally:
            self.database.close()
