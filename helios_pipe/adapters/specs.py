"""Job specs in the store, and which chunk of which one an action is. Knows nothing of who runs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from threading import Lock

from helios_pipe.action.model import Action
from helios_pipe.digest import canonical, digest_bytes
from helios_pipe.errors import StoreError
from helios_pipe.ports import BlobStore
from helios_pipe.tuples import NamedTuple
from helios_pipe.worker.signing import check_key, sign
from helios_pipe.worker.spec import CHUNKS_PER_SPEC, common_of, write_spec


class Place(NamedTuple):
    """Where an action stands: a spec's URL, and the chunk in it."""

    url: str
    chunk_id: int


class Specs:
    """The specs of one run. Thread-safe. With a key they are signed.

    Which actions stand together in a spec depends on what was announced, never on when it is asked for: a later run of the
    same actions makes the same specs, and finds them there."""

    def __init__(self, store: BlobStore, signing_key: bytes | None) -> None:
        self._store = store
        self._key = check_key(signing_key)
        self._lock = Lock()
        self._groups: dict[str, _Group] = {}
        self._places: dict[str, tuple[Action, Place]] = {}

    def announce(self, actions: Iterable[Action]) -> None:
        """These may come: in their order, those with the same tools, environment and shared inputs will stand together."""
        groups: dict[tuple[object, ...], list[Action]] = {}
        for action in actions:
            groups.setdefault(common_of(action), []).append(action)
        for group in groups.values():
            for at in range(0, len(group), CHUNKS_PER_SPEC):
                part = _Group(group[at : at + CHUNKS_PER_SPEC])
                self._groups.update((action.node, part) for action in part.actions)

    def place(self, action: Action) -> Place:
        """Where the action stands; the spec is stored where it was not yet. One that was not announced, or as another one,
        has a spec of its own."""
        place = self._known(action)
        if place is not None:
            return place
        group = self._groups.get(action.node)
        if group is None or not any(_same(other, action) for other in group.actions):
            group = _Group([action])
        with group.lock:  # whoever waited here finds it written
            place = self._known(action)
            if place is None:
                self._write(group.actions)
                place = self._places[action.node][1]
        return place

    def forget(self, action: Action, lacking: Collection[str]) -> None:
        """A worker did not find what it needs. Where its spec is among that, take it away, so that it is written anew."""
        with self._lock:
            known = self._places.pop(action.node, None)
        name = known[1].url.removeprefix(f"{self._store.url}/") if known is not None else ""
        if name.removeprefix("jobs/").removesuffix(".json") in lacking:
            try:
                self._store.delete_object(name)
            except StoreError:
                return  # we may not delete there: what is missing is written all the same

    def _known(self, action: Action) -> Place | None:
        known = self._places.get(action.node)
        return known[1] if known is not None and _same(known[0], action) else None

    def _write(self, actions: list[Action]) -> None:
        spec = write_spec(actions, lambda digest: f"{self._store.url}/cas/{digest}")
        data = canonical(sign(spec, self._key) if self._key else spec)
        name = f"jobs/{digest_bytes(data)}.json"
        self._store.put_object(name, data, if_absent=True)
        with self._lock:
            for number, action in enumerate(actions):
                self._places[action.node] = (action, Place(f"{self._store.url}/{name}", number))


class _Group:
    """Actions that stand together in a spec."""

    def __init__(self, actions: list[Action]) -> None:
        self.actions = actions
        self.lock = Lock()


def _same(one: Action, other: Action) -> bool:
    return one is other or one == other
