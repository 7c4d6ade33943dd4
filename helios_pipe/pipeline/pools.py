"""The slots of one run: which runner serves which task, made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue

from helios_pipe import settings
from helios_pipe.adapters.local_logs import LogFolder, remove_empty
from helios_pipe.engine.cost import Prices
from helios_pipe.engine.pool import Pool
from helios_pipe.engine.slot import Message
from helios_pipe.engine.work import JobWork, Task
from helios_pipe.errors import UnusableError, UsageError
from helios_pipe.jobs.journal import log_folder
from helios_pipe.manifest.model import AdapterConfig, Manifest
from helios_pipe.pipeline.session import Session
from helios_pipe.pipeline.workplace import standing_folder, work_folder
from helios_pipe.ports import ActionRunner, BlobStore, WorkerAdapter
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helios_pipe.adapters.local_runner import LocalRunner
    from helios_pipe.adapters.remote import RemoteActionRunner
    from helios_pipe.stitch.runner import JoinRunner

_JOINS = {"concat": "(join)", "collect": "(join)", "encode": "(encode)"}
"""Pools of our own process, by names that no adapter can have."""
_REMOTE_CONCURRENCY = 16


class Given(NamedTuple):
    """An adapter that a program has handed over, and the store that its workers reach where they share no files with us."""

    adapter: WorkerAdapter
    store: BlobStore | None = None


def _nothing() -> None:
    """What there is to end of an adapter that is somebody else's, or holds nothing."""


def prices_of(manifest: Manifest) -> dict[str, Prices]:
    """What each adapter's calls cost, as its configuration says."""
    found = {}
    for name, config in manifest.adapters.items():
        given = config.options.get("prices")
        if isinstance(given, Mapping):
            found[name] = Prices(**{key: float(value) for key, value in given.items()})
    return found


class Pools:
    """The slots of one run. `run` is asked for the run's number, which is known when the first task comes; `ours` says that
    the process is this run's alone."""

    def __init__(
        self,
        session: Session,
        told: SimpleQueue[Message],
        run: Callable[[], int],
        *,
        announce: bool,
        given: Mapping[str, Given] | None = None,
        ours: bool = False,
    ) -> None:
        self._session = session
        self._told = told
        self._run = run
        self._announce = announce
        self._given = given or {}
        self._ours = ours
        self._pools: dict[str, Pool] = {}
        self._serving: dict[tuple[JobWork, str], Pool] = {}
        self._hedged: set[str] = set()
        self._far: dict[str, RemoteActionRunner] = {}

    def __iter__(self) -> Iterator[Pool]:
        return iter(list(self._pools.values()))

    def of(self, task: Task) -> Pool:
        """The slots that a task runs on."""
        pool = self._serving.get((task.work, task.kind))
        if pool is None:
            pool = self._serving[task.work, task.kind] = self._pool(self._name(task))
        return pool

    def _pool(self, name: str) -> Pool:
        pool = self._pools.get(name)
        if pool is None:
            runner, size = self._make(name)
            hedges = name in self._hedged
            pool = self._pools[name] = Pool(runner, size, self._told, announce=self._announce, hedges=hedges)
        return pool

    def runner_of(self, task: Task) -> tuple[ActionRunner, int]:
        """A runner for tasks like this one, for whoever has slots of his own, and how many it serves at once."""
        return self._make(self._name(task))

    def runner(self, adapter: str) -> tuple[ActionRunner, int]:
        """The same for an adapter by its name."""
        return self._make(adapter)

    def _name(self, task: Task) -> str:
        job = task.work.nodes.job
        if task.kind == "stitch" and job.stitch is not None:
            return _JOINS.get(job.stitch.method, job.stitch.adapter)
        return self._session.request.adapter or job.adapter

    def _make(self, name: str) -> tuple[ActionRunner, int]:
        if name == "(join)":
            return self._joins(), 1
        if name == "(encode)":
            from helios_pipe.stitch.encoding import EncodeRunner

            return EncodeRunner(self._local(name, 1), self._joins(), self._session.blobs), 1
        if name in self._given:
            return self._by_hand(name, self._given[name])
        config = self._session.manifest.adapters.get(name)
        asked = self._session.request.concurrency
        if config is None or config.type == "local":
            given = config.options.get("concurrency") if config is not None else None
            size = asked or (given if isinstance(given, int) else settings.default_concurrency())
            return self._local(name, size), size
        return self._remote(config, asked)

    def _by_hand(self, name: str, given: Given) -> tuple[ActionRunner, int]:
        """For an adapter that a program has handed over."""
        known = given.adapter.capabilities.concurrency
        asked = self._session.request.concurrency
        if not given.adapter.capabilities.remote:
            return self._local(name, given.adapter), asked or known or settings.default_concurrency()
        if given.store is None:
            raise UsageError(
                "the adapter's workers share no files with us, and no storage was given",
                hint="Give one that they reach: JobExecutor(adapter, storage=...) or JobManager(..., storage).",
            )
        return self._elsewhere(name, given.adapter, given.store), asked or known or _REMOTE_CONCURRENCY

    def _joins(self) -> JoinRunner:
        from helios_pipe.stitch.runner import JoinRunner

        session = self._session
        paths = {f"{work.name}/stitch": session.output_path(work) for work in session.works}
        places = {node: session.placer.ahead(str(path)) for node, path in paths.items() if path is not None}
        return JoinRunner(session.blobs, session.inputs.locate, places)

    def _local(self, name: str, adapter: WorkerAdapter | int) -> LocalRunner:
        """For this adapter, or for one of our own with so many slots. A run that only joins, or whose commands run elsewhere,
        loads nothing of it."""
        from helios_pipe.adapters.local_runner import LocalRunner
        from helios_pipe.worker.workspaces import Workspaces

        if isinstance(adapter, int):
            from helios_pipe.adapters.local import LocalWorkerAdapter

            adapter = LocalWorkerAdapter(adapter)
        session = self._session
        workspaces = Workspaces(
            self._work / name, session.inputs.place_of, project=session.root, deserted=self._deserted,
            standing=standing_folder(session.cache, session.job_id), ahead=session.ahead,
        )  # fmt: skip
        return LocalRunner(
            workspaces, adapter, session.blobs, session.inputs.locate, settings.environment(), session.path,
            self.logs.path, session.cache / "failed" / session.job_id,
        )  # fmt: skip

    def _remote(self, config: AdapterConfig, asked: int | None) -> tuple[ActionRunner, int]:
        from helios_pipe.adapters.registry import make_adapter
        from helios_pipe.stores.registry import open_store

        storage = config.options.get("storage")
        if not isinstance(storage, str):
            raise UsageError(f"adapter {config.name} needs `storage`: a store's URL that its workers reach")
        adapter = make_adapter(config)
        region = config.options.get("region")
        options = {"region": region} if storage.startswith("s3://") and region is not None else {}
        store = open_store(storage, **options)
        size = asked or adapter.capabilities.concurrency or _REMOTE_CONCURRENCY
        return self._elsewhere(config.name, adapter, store, getattr(adapter, "close", _nothing)), size

    def _elsewhere(
        self, name: str, adapter: WorkerAdapter, store: BlobStore, close: Callable[[], None] = _nothing
    ) -> ActionRunner:
        from helios_pipe.adapters.remote import RemoteActionRunner

        if not adapter.capabilities.costs_money:
            self._hedged.add(name)
        runner = self._far[name] = RemoteActionRunner(
            adapter, store, self._session.blobs, self._session.inputs.locate, self.logs.path, name=name,
            signing_key=settings.signing_key(), close=close,
        )  # fmt: skip
        return runner

    def out_of_reach(self, names: Iterable[str]) -> UnusableError | None:
        """What is wrong with the first of these adapters that has taken no call at all, as nobody could be reached there."""
        for name in names:
            if name in self._far and (why := self._far[name].unreached):
                return UnusableError(
                    f"adapter {name} is unusable, no call of this run got through: {why}",
                    hint="Is it up, is its address in the manifest right, may this machine reach it? "
                    f"`helios-pipe doctor MANIFEST --adapter {name}` tries it.",
                )
        return None

    @cached_property
    def _deserted(self) -> Callable[[], bool] | None:
        from helios_pipe.worker.adopted import adopt_orphans

        return adopt_orphans(lambda: self._session.ahead.process) if self._ours else None

    @cached_property
    def _work(self) -> Path:
        return work_folder(self._session.cache, self._session.blobs, self._session.job_id, self._run())

    def tidy(self) -> None:
        """Remove this run's folders where nothing is in them. Nothing may run any more."""
        if "logs" in self.__dict__:
            self.logs.tidy()
        if "_work" in self.__dict__:
            remove_empty(str(self._work), self._work)

    @cached_property
    def logs(self) -> LogFolder:
        """Where the output of attempts goes."""
        return LogFolder(log_folder(self._session.cache, self._session.job_id, self._run()))
