"""Whether an adapter works, looked at the way a run would use it: its store, its worker's tools, one canary chunk."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Event

from helios_pipe.action.model import Action, Entry, Output, Tree
from helios_pipe.digest import digest_bytes
from helios_pipe.engine.slot import Message
from helios_pipe.errors import HeliosPipeError
from helios_pipe.manifest.model import AdapterConfig
from helios_pipe.pipeline.pools import Pools
from helios_pipe.pipeline.session import Session
from helios_pipe.stores.registry import open_store
from helios_pipe.tuples import NamedTuple

_CANARY = "canary.txt"
_PROBE = "jobs/doctor"
_ADVICE = "Is the worker up, of this version, and may it read and write the store? See docs/cloud.md."


class Look(NamedTuple):
    """One thing that was looked at: whether it works, what was found, and what to do."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def look_at(session: Session, config: AdapterConfig) -> Iterator[Look]:
    """The adapter's store, then its worker with a canary. Stops at the first thing that does not work: what comes after
    needs it."""
    if config.type != "local":
        found = _store(config)
        yield found
        if not found.ok:
            return
    yield _canary(session, config)


def _store(config: AdapterConfig) -> Look:
    """Credentials and bucket: a small object goes there, comes back, and is taken away."""
    name, url = f"store of {config.name}", config.options.get("storage")
    if not isinstance(url, str):
        return Look(name, False, "the adapter has no `storage`", "Say where inputs and outputs travel: `storage: URL`.")
    data = os.urandom(32)
    probe = f"{_PROBE}/{data.hex()[:16]}"
    began = time.monotonic()
    try:
        store = open_store(url)
        store.put_object(probe, data)
        back = store.get_object(probe)
        store.delete_object(probe)
    except HeliosPipeError as error:
        return Look(name, False, f"{url}: {error.message}", error.hint or "Are the credentials those of this project?")
    if back != data:
        return Look(name, False, f"{url}: what was written did not come back", "Is something in between rewriting it?")
    return Look(name, True, f"{url}: written, read and deleted in {time.monotonic() - began:.2f} s")


def _canary(session: Session, config: AdapterConfig) -> Look:
    """A chunk of one line, with the manifest's tools: the worker compares them with its own before it runs anything."""
    name = f"worker of {config.name}"
    word = os.urandom(8).hex()
    place = session.blobs.put_bytes(f"{word}\n".encode())
    began = time.monotonic()
    try:
        marks = session.tools.marks(session.manifest.tools)
        action = Action(
            "doctor/canary", "command", ("cp", "word.txt", _CANARY), Output(_CANARY), tools=marks,
            shared=Tree.of([Entry("word.txt", place.digest, place.mark.size)]),
        )  # fmt: skip
        pools = Pools(session, SimpleQueue[Message](), lambda: 0, announce=False)
        runner, _ = pools.runner(config.name)
        try:
            outcome = runner.run(action, 1, Event())
        finally:
            runner.close()
    except HeliosPipeError as error:
        return Look(name, False, error.message, error.hint)
    if outcome.digest != digest_bytes(f"{word}\n".encode()):
        reason, _, advice = outcome.reason.partition("\n")
        return Look(name, False, reason or "the canary came back with other bytes", advice.strip() or _ADVICE)
    told = "; ".join(f"{tool} is {line!r}" for tool, line in outcome.tools.items())
    took = f"a canary chunk came back in {time.monotonic() - began:.2f} s"
    return Look(name, True, f"{took}; its tools are those of the manifest{': ' + told if told else ''}")
