"""Actions for workers that share no files with us, and what they need: a store, inputs in it, specs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from helios_pipe.action.model import Action, Entry, Output, Tree
from helios_pipe.digest import Digest, canonical, digest_bytes
from helios_pipe.ports import BlobStore, Capabilities, WorkerJob, WorkerResult
from helios_pipe.worker.aws import AwsHandler
from helios_pipe.worker.signing import sign
from helios_pipe.worker.spec import write_spec
from helios_pipe.worker.wire import chunk_of, read_lambda_reply, request_body


def python(code: str, *words: str) -> tuple[str, ...]:
    """A command that runs some Python."""
    return (sys.executable, "-c", code, *words)


def action(argv: Sequence[str], output: str = "out.txt", **options: Any) -> Action:
    """An action that leaves a file, or a folder where its name ends in `/`."""
    made = Output(output.rstrip("/"), output.endswith("/"), options.pop("frames", None))
    return Action(options.pop("node", "job/0000"), options.pop("kind", "chunk"), tuple(argv), made, **options)


class Shelf:
    """Contents by digest, in a folder: what an orchestrator has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, data: bytes) -> Digest:
        digest = digest_bytes(data)
        (self.folder / digest).write_bytes(data)
        return digest

    def locate(self, digest: Digest) -> Path:
        return self.folder / digest

    def tree(self, **files: bytes) -> Tree:
        """A tree of these files; `__` in a name is a `/`, `_x` at its end makes it executable."""
        entries = []
        for name, data in files.items():
            path = name.removesuffix("_x").replace("__", "/").replace("_", ".")
            entries.append(Entry(path, self.add(data), len(data), name.endswith("_x")))
        return Tree.of(entries)

    def upload(self, store: BlobStore, *trees: Tree) -> None:
        """Put trees and what they name into the store."""
        for tree in trees:
            self.add(tree.data)
            for digest in (tree.digest, *(entry.digest for entry in tree.entries)):
                store.put(digest, self.locate(digest))


def submit(store: BlobStore, *actions: Action, key: bytes | None = None, **changes: Any) -> str:
    """Store a spec of these actions, and return its URL. `changes` are made in its own part."""
    spec = write_spec(actions, lambda digest: f"{store.url}/cas/{digest}")
    spec["heliosPipe"].update(changes)
    return submit_spec(store, sign(spec, key) if key else spec)


def submit_spec(store: BlobStore, spec: Any) -> str:
    """Store any spec under its digest."""
    data = canonical(spec)
    name = f"jobs/{digest_bytes(data)}.json"
    store.put_object(name, data)
    return f"{store.url}/{name}"


class HandlerAdapter:
    """A WorkerAdapter that hands each job to a Lambda handler in this process: the wire, without a network. `before` may raise
    or give an answer in its place; `under_way` and `most` count calls at the same time."""

    def __init__(self, handler: AwsHandler, concurrency: int = 4) -> None:
        self.capabilities = Capabilities(remote=True, costs_money=True, concurrency=concurrency)
        self.jobs: list[WorkerJob] = []
        self.events: list[dict[str, Any]] = []
        self.before: Callable[[], WorkerResult | None] = lambda: None
        self.under_way = 0
        self.most = 0
        self._handler = handler
        self._lock = Lock()

    def execute(self, job: WorkerJob) -> WorkerResult:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            return self.before() or self._call(job)
        finally:
            with self._lock:
                self.under_way -= 1

    def _call(self, job: WorkerJob) -> WorkerResult:
        self.jobs.append(job)
        event = json.loads(request_body(*chunk_of(job, None)))
        self.events.append(event)
        return read_lambda_reply(json.dumps(self._handler(event, None)).encode())
