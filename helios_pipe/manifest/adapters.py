"""The manifest's `adapters`: named ways to run. Knows their types by name, not what they do."""

from __future__ import annotations

from helios_pipe.manifest.model import AdapterConfig
from helios_pipe.manifest.section import NAME, NAME_RULE, VARIABLE, VARIABLE_RULE, Section
from helios_pipe.manifest.stores import url_problem
from helios_pipe.manifest.suggest import advice

BUILT_IN = ("local", "lambda", "cloudrun", "http", "dask")
ENTRY_POINTS = "helios_pipe.adapters"


def build_adapters(top: Section) -> dict[str, AdapterConfig]:
    """The adapters that the manifest declares, `local` among them whether it is or not."""
    found = {"local": AdapterConfig("local", "local")}
    adapters = top.below("adapters")
    for name in adapters.data if adapters else ():
        assert adapters is not None
        if not NAME.match(name):
            adapters.error(f"{name!r} is no name of an adapter, expected {NAME_RULE}", name)
        adapter = adapters.below(name)
        if adapter is None:
            found.setdefault(name, AdapterConfig(name, "unknown"))
            continue
        kind = "local" if name == "local" else adapter.get("type")
        _check(adapter, kind)
        options = {key: value for key, value in adapter.data.items() if key != "type"}
        found[name] = AdapterConfig(name, kind or "unknown", options)
    return found


def _check(adapter: Section, kind: str | None) -> None:
    if kind is not None and kind not in BUILT_IN:
        registered = _registered()
        if kind not in registered:
            adapter.error(f"unknown type {kind!r}, {advice(kind, {*BUILT_IN, *registered})}", "type")
        return
    for key in ("storage", "url", "endpoint_url"):
        value = adapter.get(key)
        problem = url_problem(value, stores=key == "storage") if isinstance(value, str) else None
        if problem:
            adapter.error(problem, key)
    variable = adapter.get("token_env")
    if isinstance(variable, str) and not VARIABLE.match(variable):
        adapter.error(f"{variable!r} is no name of a variable, expected {VARIABLE_RULE}", "token_env")
    if kind == "dask" and adapter.has("address") == adapter.has("local_cluster"):
        adapter.error("expected exactly one of 'address' and 'local_cluster'")


def _registered() -> set[str]:
    from importlib.metadata import entry_points

    return {point.name for point in entry_points(group=ENTRY_POINTS)}
