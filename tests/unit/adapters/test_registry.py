"""Which adapter a manifest's `adapters` mean."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from helios_pipe.adapters.aws_lambda import AwsLambdaAdapter
from helios_pipe.adapters.cloud_run import CloudRunAdapter
from helios_pipe.adapters.dask import DaskAdapter
from helios_pipe.adapters.http import HttpAdapter
from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.adapters.registry import make_adapter
from helios_pipe.errors import UsageError
from helios_pipe.manifest.model import AdapterConfig


def test_each_type_has_its_adapter_and_takes_its_options() -> None:
    local = make_adapter(AdapterConfig("local", "local", {"concurrency": 3}))
    assert isinstance(local, LocalWorkerAdapter)
    assert local.capabilities.concurrency == 3
    options = {"function": "render", "region": "eu-west-1", "storage": "s3://b", "qualifier": 7, "concurrency": 50}
    farm = make_adapter(AdapterConfig("farm", "lambda", options))
    assert isinstance(farm, AwsLambdaAdapter)
    assert (farm.config.function, farm.config.region, farm.config.qualifier) == ("render", "eu-west-1", "7")
    assert (farm.capabilities.remote, farm.capabilities.costs_money, farm.capabilities.concurrency) == (True, True, 50)
    run = make_adapter(AdapterConfig("run", "cloudrun", {"url": "https://r.example/x", "storage": "gs://b"}))
    assert isinstance(run, CloudRunAdapter)
    assert run.capabilities.costs_money
    cluster = make_adapter(AdapterConfig("cluster", "dask", {"local_cluster": 2, "storage": "file:///tmp/x"}))
    assert isinstance(cluster, DaskAdapter)
    assert (cluster.capabilities.remote, cluster.capabilities.concurrency) == (True, 2)
    box = make_adapter(AdapterConfig("box", "http", {"url": "http://10.0.0.2:8080"}))
    assert isinstance(box, HttpAdapter)
    assert not box.capabilities.costs_money


@pytest.mark.parametrize(
    ("kind", "key"), [("lambda", "function"), ("cloudrun", "url"), ("http", "url"), ("dask", "storage")]
)
def test_a_missing_option_is_named(kind: str, key: str) -> None:
    with pytest.raises(UsageError, match=f"adapter farm needs `{key}`"):
        make_adapter(AdapterConfig("farm", kind))


def test_an_unknown_type_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="adapter farm has the unknown type 'slurm'; expected one of cloudrun, "):
        make_adapter(AdapterConfig("farm", "slurm"))


def test_another_package_may_bring_an_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:make_mine", "helios_pipe.adapters")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: EntryPoints([point]))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    made = make_adapter(AdapterConfig("farm", "mine", {"cores": 7}))
    assert made.capabilities.concurrency == 7


def make_mine(options: dict[str, int]) -> LocalWorkerAdapter:
    return LocalWorkerAdapter(options["cores"])


def test_making_an_adapter_loads_no_sdk() -> None:
    code = (
        "import sys; from helios_pipe.adapters.registry import make_adapter\n"
        "from helios_pipe.manifest.model import AdapterConfig as C\n"
        "make_adapter(C('a', 'lambda', {'function': 'f'})); make_adapter(C('b', 'cloudrun', {'url': 'https://x.example'}))\n"
        "make_adapter(C('c', 'dask', {'address': 'tcp://x:1', 'storage': 'file:///x'}))\n"
        "print([m for m in ('boto3', 'botocore', 'google.auth', 'requests', 'distributed') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
