"""The worker: from a job's URL and a chunk's number to what the command left in the store. Knows nothing of Lambda or HTTP.

Our specs name their inputs by digest and run in a clean workspace each. Plain Helios specs bring a bundle of assets and a
command line; they run in a folder of their own too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Lock
from typing import Any

from helios_pipe import settings
from helios_pipe.errors import AdapterError, UsageError
from helios_pipe.manifest.helios import JobChunk, JobSpec
from helios_pipe.manifest.words import parse_command
from helios_pipe.ports import ArtifactStorage, WorkerJob, WorkerResult
from helios_pipe.worker.access import JobPrefixes, shown, without_own
from helios_pipe.worker.deadline import Deadline
from helios_pipe.worker.environment import tool_path
from helios_pipe.worker.fetch import Library
from helios_pipe.worker.guard import guard
from helios_pipe.worker.home import Home
from helios_pipe.worker.leave import leave_file
from helios_pipe.worker.orders import TAIL_BYTES, OrderRunner
from helios_pipe.worker.process import run_process
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.signing import check_key
from helios_pipe.worker.spec import read_order


class RenderExecutor:
    """Runs chunks of Helios' job specs in a folder that holds what they need. Thread-safe as the folder's use is."""

    def __init__(self, workspace_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = workspace_dir
        self._environment = environment

    def execute_chunk(
        self, spec: JobSpec, chunk_id: int, deadline: Deadline | None = None, cancel: Event | None = None
    ) -> WorkerResult:
        """Run the chunk's command to its end, or until there is just time to report. Raises UsageError where the spec has
        no such chunk or its command is none."""
        chunk = spec.chunk(chunk_id)
        words = parse_command(chunk.command, dialect="helios")
        limit = deadline or Deadline()
        environment = settings.environment() if self._environment is None else self._environment
        job = WorkerJob(
            words.command,
            tuple(words.args),
            without_own(environment),
            self._folder,
            timeout_s=limit.for_command_s(),
            cancel=cancel,
        )
        return run_process(job, grace_s=limit.grace_s, tail_bytes=TAIL_BYTES)


class WorkerRuntime:
    """Runs chunks below `workspace_dir`, each in a workspace of its own. Thread-safe. Without `prefixes`, jobs are read from
    the storage's own; with `signing_key`, unsigned ones are refused. `guarded`: what still runs here when this process is gone is
    ended."""

    def __init__(
        self,
        workspace_dir: Path,
        storage: ArtifactStorage,
        *,
        prefixes: JobPrefixes | None = None,
        signing_key: bytes | None = None,
        limit_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        guarded: bool = False,
    ) -> None:
        self._folder = workspace_dir
        self._storage = storage
        self._limit = limit_bytes
        self._guarded = guarded
        self._environment = settings.environment() if environment is None else environment
        rules = prefixes or JobPrefixes(storage.blobs.url)
        self._library = Library(storage.blobs, rules, check_key(signing_key))
        self._lock = Lock()
        self._home: Home | None = None
        self._orders: OrderRunner | None = None

    def run(
        self, job_path: str, chunk_id: int, *, deadline: Deadline | None = None, cancel: Event | None = None
    ) -> WorkerResult:
        """Run one chunk of the job at `job_path`, and leave its output in the store: the result names it.

        A command's failure is a result. Raises AdapterError, ToolError or UsageError where this worker cannot or must not
        run it, StoreError and TransientAdapterError where content cannot be had or left."""
        spec = self._library.spec(job_path)
        order = read_order(spec, chunk_id, shown(job_path))
        if order is not None:
            return self._runner().run(order, deadline or Deadline(), cancel)
        return self._run_plain(spec, chunk_id, deadline or Deadline(), cancel)

    def close(self) -> None:
        """Let another process have what is kept warm here. Nothing may run any more."""
        with self._lock:
            if self._orders is not None:
                self._orders.close()
            if self._home is not None:
                self._home.leave()
            self._orders = self._home = None

    def _runner(self) -> OrderRunner:
        with self._lock:
            if self._orders is None:
                home = self._home_here()
                path = tool_path(self._environment.get("PATH", os.defpath), home.folder / "bin")
                self._orders = OrderRunner(
                    home.folder, self._storage.blobs, self._library, self._environment, path, self._limit
                )
            return self._orders

    def _own_folder(self) -> Path:
        """A new folder for one request."""
        with self._lock:
            return Path(tempfile.mkdtemp(prefix="helios-", dir=self._home_here().folder))

    def _home_here(self) -> Home:
        """To be called with the lock held."""
        if self._home is None:
            home = Home(self._folder)
            if self._guarded:
                guard(home.folder, home.lock)
            self._home = home
        return self._home

    def _run_plain(
        self, data: Mapping[str, Any], chunk_id: int, deadline: Deadline, cancel: Event | None
    ) -> WorkerResult:
        spec = JobSpec.from_dict(data)
        folder = self._own_folder()
        try:
            if spec.assets_url is not None:
                if spec.id is None:
                    raise UsageError("the job spec has an assetsUrl but no id")
                self._storage.download_asset_bundle(spec.id, spec.assets_url, folder)
            result = RenderExecutor(folder, self._environment).execute_chunk(spec, chunk_id, deadline, cancel)
            return self._leave(spec.chunk(chunk_id), folder, result)
        finally:
            remove_tree(str(folder))

    def _leave(self, chunk: JobChunk, folder: Path, result: WorkerResult) -> WorkerResult:
        """Their commands may upload by themselves, so a file that is not there is no failure."""
        output = folder / chunk.output_file
        if result.failure is not None or output.is_symlink() or not output.is_file():
            return result
        if not output.resolve().is_relative_to(folder.resolve()):
            raise AdapterError(f"the chunk's outputFile {chunk.output_file!r} is not in its workspace")
        return result._replace(artifacts=(leave_file(output, chunk.output_file, self._storage.blobs),))
