"""The Protocols, and what whoever implements one promises. One contract suite runs against every implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from threading import Event

from helios_pipe.action.model import Step
from helios_pipe.digest import Digest
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object


class FailureClass(StrEnum):
    """Why an attempt gave no result, by what can be done about it."""

    COMMAND = "command"
    """The command failed: non-zero, out of time or memory, a wrong output. Counted as the manifest's `retries` say."""
    INFRASTRUCTURE = "infrastructure"
    """The machinery failed: a throttle, a reset, a lost worker. Retried with backoff up to its own limit."""
    PREEMPTED = "preempted"
    """The worker was taken away. Burns no retry."""
    FATAL = "fatal"
    """No retry can help, for this node or any other on this adapter: a tool mismatch, refused credentials."""
    CANCELLED = "cancelled"
    """We stopped it ourselves."""


class Nothing(Mapping[str, "Any"]):
    """An empty mapping that stays so: what a value has where none was given. It can be pickled."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"


NOTHING = Nothing()


class WorkerJob(NamedTuple):
    """One command to run. `env` is the whole environment it gets. `log` receives stdout and stderr, interleaved as written;
    without one they are only kept as tails. `cancel` is looked at while the command runs, and `on_tick` called, some twenty
    times a second; it must not raise. `mask` are texts that appear nowhere. `meta` names the chunk for workers that fetch
    their own spec (`chunkId`, `jobSpecUrl`). `log_opened` is a descriptor of the log, empty as yet, where the caller has one to
    read and append with: nobody needs it, nobody may close it. `on_start` is called once, in the calling thread, as soon as
    the command runs (Capabilities.tells_start): until it returns nobody looks after the command. It must not raise. `grace_s` is
    how long after `timeout_s` a remote worker, which ends the command itself, may take to answer."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = NOTHING
    cwd: str | Path | None = None
    timeout_s: float | None = None
    stall_timeout_s: float | None = None
    log: str | Path | None = None
    on_stdout: Callable[[str], None] | None = None
    on_stderr: Callable[[str], None] | None = None
    cancel: Event | None = None
    on_tick: Callable[[], None] | None = None
    mask: tuple[str, ...] = ()
    meta: Mapping[str, Any] = NOTHING
    log_opened: int | None = None
    on_start: Callable[[], None] | None = None
    grace_s: float = 30.0


class Artifact(NamedTuple):
    """A file that a worker left in the store: logical path, content digest, size in bytes."""

    path: str
    sha256: Digest
    size: int


class WorkerResult(NamedTuple):
    """How a command ended. stdout and stderr are tails; a remote worker leaves the whole in the store as `log` where they
    are cut, and names inputs that it did not find there whole (`lacking`). `failure` is set whenever `exit_code` is not 0,
    and may be set when the command itself was fine (a timeout that it survived with exit 0 is a failure still)."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""
    duration_ms: int = 0
    failure: FailureClass | None = None
    reason: str = ""
    artifacts: tuple[Artifact, ...] = ()
    log: Artifact | None = None
    lacking: tuple[Digest, ...] = ()
    tools: Mapping[str, str] = NOTHING
    billed_ms: int | None = None
    memory_mb: int | None = None


class Capabilities(NamedTuple):
    """What an adapter can do. `costs_money` turns off what would run a thing twice; `remote` workers share no files with us;
    `tells_start` says that it calls `WorkerJob.on_start`."""

    remote: bool = False
    costs_money: bool = False
    concurrency: int | None = None
    tells_start: bool = False


class WorkerAdapter(Protocol):
    """Runs one command somewhere and waits for it.

    Blocking; safe to call from several threads at once; sees nothing of the caller's environment but what the job carries.
    A command's failure is a result; AdapterError (retryable or not) means that the adapter could not do its work.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def execute(self, job: WorkerJob) -> WorkerResult:
        """Run it to its end, or to its time limit, or until `job.cancel` is set; then nothing of it runs any more."""


LOCAL = "local"
"""The worker that is this machine."""


class Outcome(NamedTuple):
    """What an attempt at an action came to. With `digest` it succeeded and the content is in the local cache; otherwise
    `failure` and `reason` say why not. `mark` is the blob's file as it was stored (size, mtime_ns, inode). `damaged` are
    blobs among the inputs that were missing or not what their names promise; `stale`: an input changed meanwhile. `proof`
    is what a join can be proved with afterwards. `kept` is the failed workspace, `repeat` the command line that runs it
    again there, `room` the bytes that were free on its disk before anything of it was removed (None: not known). Durations
    are of the command alone."""

    digest: Digest | None = None
    folder: bool = False
    mark: tuple[int, int, int] = (0, 0, 0)
    damaged: tuple[Digest, ...] = ()
    exit_code: int | None = None
    failure: FailureClass | None = None
    reason: str = ""
    tail: str = ""
    log: Path | None = None
    kept: Path | None = None
    repeat: str = ""
    room: int | None = None
    stale: bool = False
    proof: bytes = b""
    duration_s: float = 0.0
    worker: str = LOCAL
    tools: Mapping[str, str] = NOTHING
    billed_ms: int | None = None
    memory_mb: int | None = None


class ActionRunner(Protocol):
    """Makes one attempt at an action and brings its output into the local cache, checked. Blocking, thread-safe; raises
    only where the machinery is broken for good (HeliosPipeError that is not retryable)."""

    @property
    def prepares(self) -> bool:
        """Whether it is worth while to call `prepare`."""

    @property
    def relay(self) -> RelayRunner | None:
        """Itself, where it can begin with the next command before it takes in what the last one left."""

    def prepare(self, steps: Iterable[Step]) -> None:
        """Say which steps may come next: what can be done for many in one go is done. Never needed. Raises StoreError."""

    def run(self, step: Step, attempt: int, cancel: Event) -> Outcome: ...

    def close(self) -> None:
        """Give back what the run held (staged inputs, connections). Idempotent."""


Rest = Callable[[], Outcome]
"""What is left to do of an attempt whose command has ended well. To be called once; says what the attempt came to, and raises
as it does."""


class RelayRunner(ActionRunner, Protocol):
    """One that makes attempts in two parts."""

    def begin(self, step: Step, attempt: int, cancel: Event, running: Callable[[], None]) -> Outcome | Rest:
        """The same as `run`, but what is left to do when the command has ended is for the caller, soon. `running` is called
        as soon as the command runs; it must not raise."""


class BlobStore(Protocol):
    """Where blobs live by digest, and small named objects beside them (job specs, action results).

    Every implementation promises: what `put` returned from is wholly there and has the digest it was put under; a reader
    never sees half an object; putting what is there already is no error and moves no bytes; `get` checks the digest and
    leaves nothing at `target` when it fails; the next `put` heals what it found damaged. A blob may be read, listed and
    deleted as the object `cas/<digest>`, never written as one. Thread-safe. Names are relative, with `/`; `..`, absolute
    and empty ones are refused with StoreError. Failures that time may mend raise TransientStoreError, after the store's
    own retries.
    """

    url: str

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Those of `digests` that the store lacks. Looked up in parallel where the store is remote."""

    def put(self, digest: Digest, source: Path) -> None:
        """Store the file's bytes under `digest`. Raises BlobDamagedError where they have another one, and stores nothing."""

    def get(self, digest: Digest, target: Path) -> None:
        """Write the blob to `target` (a new file) by way of a temporary name beside it. Raises BlobMissingError,
        BlobDamagedError."""

    def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Store a small object whole under `name`. With `if_absent`, False and no change where one is there."""

    def get_object(self, name: str) -> bytes | None:
        """The object's bytes, None where there is none."""

    def delete_object(self, name: str) -> None:
        """Remove it; no error where there is none."""

    def list_objects(self, prefix: str) -> list[str]:
        """The names that begin with `prefix`, sorted."""


class ArtifactStorage(Protocol):
    """Where a job's assets and its spec live while workers need them. URLs are the store's own, and never expire.

    Thread-safe. A URL of another job or another store, a job id that is no plain name, a bundle's path that leaves its folder
    are refused with StoreError.
    """

    @property
    def blobs(self) -> BlobStore:
        """The store underneath, where workers leave what they made."""

    def upload_asset_bundle(self, job_id: str, local_dir: Path) -> str:
        """Store the files below `local_dir`, only those that the store lacks, and return the bundle's URL."""

    def download_asset_bundle(self, job_id: str, url: str, target_dir: Path) -> None:
        """Write the bundle's files below `target_dir`, each one checked."""

    def delete_asset_bundle(self, job_id: str, url: str) -> None:
        """Remove the bundle, and of its files those that it brought and no other bundle has. Idempotent."""

    def upload_job_spec(self, job_id: str, spec: Mapping[str, Any]) -> str:
        """Store the spec and return its URL; the same spec has the same URL."""

    def delete_job_spec(self, job_id: str, url: str) -> None:
        """Remove the spec. Idempotent."""


class VideoStitcher(Protocol):
    """Joins videos in order into one, without re-encoding. `output` appears whole and checked, or not at all (StitchError)."""

    def stitch(self, inputs: Sequence[Path], output: Path) -> None: ...
