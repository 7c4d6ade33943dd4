"""The remote cache: results that others made, and ours for others. Knows nothing of what is run.

Layout: `cas/<sha256>` as in every store, and `ac/<key>`, the record of one result, which is written after its blobs. A store
that fails is told of once and left alone for the rest of the run: it is a help, never a need. A result whose blobs are damaged
or lost there is told of and not taken, and written anew when it is pushed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from helios_pipe.action.model import Tree
from helios_pipe.action.tree import read_tree
from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.results import Commit, Result, Results, proof_key
from helios_pipe.digest import Digest, canonical, is_digest, read_canonical
from helios_pipe.errors import BlobDamagedError, BlobError, StoreError
from helios_pipe.ports import BlobStore
from helios_pipe.stores.parallel import each

_VERSION = 1
_COPIED = (
    "node",
    "kind",
    "digest",
    "folder",
    "size",
    "family",
    "start",
    "frames",
    "step",
    "exit_code",
    "worker",
    "tools",
)


class SharedCache:
    """A remote store of results behind the local ones. For the thread that opened the database."""

    def __init__(self, store: BlobStore, blobs: Blobs, results: Results, warn: Callable[[str], None]) -> None:
        self._store = store
        self._blobs = blobs
        self._results = results
        self._warn = warn
        self._unusable: set[str] = set()
        """Keys of results whose blobs are not there as they should be."""
        self.failed = False
        """Whether the store is left alone from here on."""

    def find(self, keys: Sequence[str], *, fetch: bool) -> dict[str, Result]:
        """The results under `keys` that others made. With `fetch`, their blobs are brought in and checked, and the results
        recorded here; without, only what a plan needs is."""
        if self.failed or not keys:
            return {}
        try:
            records = dict(zip(keys, each(lambda key: self._store.get_object(f"ac/{key}"), keys), strict=True))
            found = {key: record for key, data in records.items() if data and (record := _read(data)) is not None}
            wanted = list(found.items())
            wrong = each(lambda pair: self._bring(pair[1], fetch=fetch), wanted)
        except StoreError as error:
            self._give_up(error)
            return {}
        rows: dict[str, Result] = {}
        for (key, record), fault in zip(wanted, wrong, strict=True):
            if fault is None:
                rows[key] = _result(key, record, self._blobs)
            else:
                self._unusable.add(key)
                self._warn(f"{record['node']} is not taken from the remote cache: {fault}")
        if fetch:
            self._record({key: found[key] for key in rows}, rows)
        return rows

    def push(self, results: Sequence[Result]) -> int:
        """Give these results to others, blobs first. Returns how many were new there."""
        if self.failed:
            return 0
        records = [(row, self._written(row)) for row in results]  # here, for the database belongs to this thread
        try:
            return sum(each(lambda pair: self._push(*pair), records))
        except StoreError as error:
            self._give_up(error)
            return 0

    def _written(self, row: Result) -> bytes:
        record: dict[str, Any] = {name: getattr(row, name) for name in _COPIED}
        record |= {"version": _VERSION, "duration_us": round(row.duration_s * 1e6), "time": round(row.time)}
        record["record"] = self._preimage(row.key)
        record["proof"] = self._preimage(proof_key(row.key, row.digest))
        recipe = json.loads(record["record"]).get("recipe") if record["record"] else None
        record["recipe"] = self._preimage(recipe) if recipe else None
        return canonical(record)

    def _preimage(self, key: str) -> str | None:
        data = self._results.preimage(key)
        return data.decode("utf-8", "surrogateescape") if data is not None else None

    def _push(self, row: Result, record: bytes) -> int:
        digests = {row.digest}
        if row.folder:
            digests |= {entry.digest for entry in self._blobs.tree(row.digest).entries}
        for digest in self._store.missing(digests):
            self._store.put(digest, self._blobs.locate(digest))
        return int(self._store.put_object(f"ac/{row.key}", record, if_absent=row.key not in self._unusable))

    def _bring(self, record: dict[str, Any], *, fetch: bool) -> BlobError | None:
        """Have the blobs of a result here; a tree's own blob even for a plan. Returns what is wrong with one of them in the
        store."""
        digest = Digest(record["digest"])
        try:
            if record["folder"]:
                self._fetch(digest)
                for entry in _tree(digest, Path(self._blobs.path(digest))).entries if fetch else ():
                    self._fetch(entry.digest)
            elif fetch:
                self._fetch(digest)
        except BlobError as error:
            return error
        return None

    def _fetch(self, digest: Digest) -> None:
        if self._blobs.mark(digest) is not None:
            return
        temp = Path(self._blobs.temp_path())
        try:
            self._store.get(digest, temp)
            self._blobs.adopt(temp, digest)
        finally:
            temp.unlink(missing_ok=True)

    def _record(self, records: dict[str, dict[str, Any]], rows: dict[str, Result]) -> None:
        preimages: dict[str, bytes] = {}
        for key, record in records.items():
            named = {key: record["record"], proof_key(key, record["digest"]): record["proof"]}
            if record["recipe"] and record["record"]:
                named[json.loads(record["record"])["recipe"]] = record["recipe"]
            preimages |= {name: text.encode("utf-8", "surrogateescape") for name, text in named.items() if text}
        self._results.commit(Commit(list(rows.values()), preimages))

    def _give_up(self, error: StoreError) -> None:
        self.failed = True
        self._warn(f"the remote cache {self._store.url} is left alone from here on: {error}")


def _tree(digest: Digest, path: Path) -> Tree:
    try:
        return read_tree(path.read_bytes())
    except StoreError as error:
        raise BlobDamagedError(f"blob {digest}: {error.message}", digest=digest) from error


def _read(data: bytes) -> dict[str, Any] | None:
    """A record that we can read; whoever else writes under `ac/` is left alone."""
    try:
        record = read_canonical(data)
        good = record["version"] == _VERSION and is_digest(record["digest"]) and set(_COPIED) <= set(record)
    except (ValueError, KeyError, TypeError):
        return None
    return record if good else None


def _result(key: str, record: dict[str, Any], blobs: Blobs) -> Result:
    mark = blobs.mark(record["digest"])
    size, mtime_ns, inode = mark if mark is not None else (record["size"], 0, 0)
    values = {name: record[name] for name in _COPIED} | {"size": size, "folder": bool(record["folder"])}
    return Result(
        key=key, mtime_ns=mtime_ns, inode=inode, duration_s=record["duration_us"] / 1e6, log=None, time=float(record["time"]),
        **values,
    )  # fmt: skip
