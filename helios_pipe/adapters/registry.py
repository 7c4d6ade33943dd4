"""Which adapter a configuration means. Knows the names of all of them, and loads the one that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from helios_pipe import settings
from helios_pipe.errors import UnusableError, UsageError
from helios_pipe.manifest.model import AdapterConfig
from helios_pipe.ports import WorkerAdapter

ENTRY_POINTS = "helios_pipe.adapters"
Options = Mapping[str, Any]


def make_adapter(config: AdapterConfig) -> WorkerAdapter:
    """The adapter that `config` describes, nothing connected yet. Raises UsageError, UnusableError.

    A type that is not ours is looked up in the entry-point group `helios_pipe.adapters`: a callable that takes the options
    and returns a WorkerAdapter."""
    maker = _MAKERS.get(config.type)
    if maker is not None:
        return maker(config)
    return _registered(config)


def _local(config: AdapterConfig) -> WorkerAdapter:
    from helios_pipe.adapters.local import LocalWorkerAdapter

    return LocalWorkerAdapter(**_given(config, ("concurrency",)))


def _lambda(config: AdapterConfig) -> WorkerAdapter:
    from helios_pipe.adapters.aws_lambda import AwsLambdaAdapter, LambdaConfig

    options = _given(config, ("region", "qualifier", "endpoint_url", "concurrency"))
    if "qualifier" in options:
        options["qualifier"] = str(options["qualifier"])  # a version is a number in YAML
    return AwsLambdaAdapter(LambdaConfig(_needed(config, "function"), **options))


def _cloud_run(config: AdapterConfig) -> WorkerAdapter:
    from helios_pipe.adapters.cloud_run import CloudRunAdapter, CloudRunConfig

    return CloudRunAdapter(CloudRunConfig(_needed(config, "url"), **_given(config, ("audience", "concurrency"))))


def _http(config: AdapterConfig) -> WorkerAdapter:
    from helios_pipe.adapters.http import HttpAdapter, HttpConfig

    headers = _headers(config)
    variable = config.options.get("token_env")
    if variable:
        token = settings.text(str(variable))
        if token is None:
            raise UnusableError(f"adapter {config.name} takes its token from {variable}, which is not set")
        headers["Authorization"] = f"Bearer {token}"
    return HttpAdapter(HttpConfig(_needed(config, "url"), **_given(config, ("concurrency",))), headers)


def _headers(config: AdapterConfig) -> dict[str, str]:
    given = config.options.get("headers")
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, Mapping) else {}


def _dask(config: AdapterConfig) -> WorkerAdapter:
    from helios_pipe.adapters.dask import DaskAdapter, DaskConfig

    options = _given(config, ("address", "local_cluster", "concurrency"))
    return DaskAdapter(DaskConfig(_needed(config, "storage"), **options))


_MAKERS: dict[str, Callable[[AdapterConfig], WorkerAdapter]] = {
    "local": _local,
    "lambda": _lambda,
    "cloudrun": _cloud_run,
    "http": _http,
    "dask": _dask,
}


def _needed(config: AdapterConfig, key: str) -> str:
    value = config.options.get(key)
    if not isinstance(value, str) or not value:
        raise UsageError(f"adapter {config.name} needs `{key}`")
    return value


def _given(config: AdapterConfig, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: config.options[key] for key in keys if config.options.get(key) is not None}


def _registered(config: AdapterConfig) -> WorkerAdapter:
    from importlib.metadata import entry_points

    found = entry_points(group=ENTRY_POINTS)
    for point in found:
        if point.name == config.type:
            maker: Callable[[Options], WorkerAdapter] = point.load()
            return maker(config.options)
    known = sorted({*_MAKERS, *(point.name for point in found)})
    raise UsageError(f"adapter {config.name} has the unknown type {config.type!r}; expected one of {', '.join(known)}")
