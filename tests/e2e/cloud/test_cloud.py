"""A manifest rendered in the cloud and at home: the cache does not care where a chunk was made."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.kit.burnin import read_frame_numbers
from tests.kit.loopback import HOST, free_port, running
from tests.kit.project import Project
from tests.kit.servers.awslambda import Function, LambdaEmulator, lambda_emulator
from tests.kit.servers.dask import dask_cluster
from tests.kit.servers.gcs import StorageEmulator
from tests.kit.servers.google import EMAIL, FakeGoogle
from tests.kit.servers.http import serving
from tests.kit.servers.s3 import BUCKET, S3, moto

SERVE = "from helios_pipe.pipeline.workers import serve_cloudrun; serve_cloudrun()"
KEY = "0123456789abcdef0123456789abcdef"


class Farm:
    """A project with an adapter `farm` in its manifest, and the store that its workers share with it."""

    def __init__(self, project: Project, adapter: dict[str, Any]) -> None:
        self.project = project
        self.adapter = adapter

    def manifest(self, **more: Any) -> None:
        document = self.project.burnin(frames="0-29", size=5, **more)
        self.project.manifest({**document, "adapters": {"farm": self.adapter}})

    @property
    def film(self) -> list[int]:
        return read_frame_numbers(self.project.path("out/film.mp4"))


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def emulator() -> Iterator[LambdaEmulator]:
    with lambda_emulator() as service:
        yield service


@pytest.fixture
def storage() -> StorageEmulator:
    return StorageEmulator("renders")


@pytest.fixture
def lambda_farm(project: Project, s3: S3, emulator: LambdaEmulator, tmp_path: Path) -> Farm:
    url = f"s3://{BUCKET}/{tmp_path.name}"
    env = {
        **s3.environment, "HELIOS_PIPE_STORE": url, "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work"),
        "HELIOS_PIPE_SIGNING_KEY": KEY, "KIT_LOG": str(project.log), "KIT_GATE": str(project.gate),
    }  # fmt: skip
    emulator.functions["render"] = Function(
        "helios_pipe.pipeline.workers.lambda_handler", tmp_path, timeout_s=60, concurrency=3, env=env
    )
    project.env |= {**s3.environment, "HELIOS_PIPE_SIGNING_KEY": KEY}
    adapter = {
        "type": "lambda", "function": "render", "region": "us-east-1", "endpoint_url": emulator.url, "storage": url,
        "concurrency": 3,
    }  # fmt: skip
    return Farm(project, adapter)


@pytest.fixture
def cloud_run_farm(project: Project, storage: StorageEmulator, tmp_path: Path) -> Iterator[Farm]:
    google = FakeGoogle()
    with ExitStack() as stack:
        for service in (google, storage):
            stack.enter_context(serving(service))
        port, url = free_port(), "gs://renders/films"
        env = {
            "PORT": str(port), "HELIOS_PIPE_HOST": HOST, "HELIOS_PIPE_STORE": url, "STORAGE_EMULATOR_HOST": storage.url,
            "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work"), "HELIOS_PIPE_AUDIENCE": f"http://{HOST}:{port}",
            "HELIOS_PIPE_CALLERS": EMAIL, "HELIOS_PIPE_OIDC_CERTS": f"{google.url}/certs", "KIT_LOG": str(project.log),
            "KIT_GATE": str(project.gate),
        }  # fmt: skip
        log = tmp_path / "worker.log"
        server = stack.enter_context(running([sys.executable, "-c", SERVE], port=port, log=log, env=env))
        project.env |= {
            "GOOGLE_APPLICATION_CREDENTIALS": str(google.service_account(tmp_path)), "STORAGE_EMULATOR_HOST": storage.url,
        }  # fmt: skip
        yield Farm(project, {"type": "cloudrun", "url": server.url, "storage": url, "concurrency": 3})


@pytest.fixture
def dask_farm(project: Project, tmp_path: Path) -> Iterator[Farm]:
    env = {"KIT_LOG": str(project.log), "KIT_GATE": str(project.gate)}
    with dask_cluster(tmp_path / "cluster", workers=3, env=env) as cluster:
        yield Farm(project, {"type": "dask", "address": cluster.address, "storage": f"file://{tmp_path}/store"})


@pytest.fixture(params=["lambda", "cloudrun", "dask"])
def farm(request: pytest.FixtureRequest) -> Farm:
    made: Farm = request.getfixturevalue(
        {"lambda": "lambda_farm", "cloudrun": "cloud_run_farm", "dask": "dask_farm"}[request.param]
    )
    return made


def test_a_film_is_rendered_remotely_and_joined_here(farm: Farm) -> None:
    farm.manifest()
    run = farm.project.run("--adapter", "farm")
    assert (run.summary["executed"], run.summary["failed"]) == (7, 0)
    assert farm.film == list(range(30))
    assert len(farm.project.rendered()) == 6


@pytest.mark.slow
def test_what_was_made_there_is_not_made_again_here_and_the_other_way_round(farm: Farm) -> None:
    project = farm.project
    farm.manifest()
    project.run("--adapter", "farm")
    project.rendered()
    project.path("out/film.mp4").unlink()
    assert project.run("--adapter", "local").summary["executed"] == 0
    assert project.rendered() == []
    project.replace("render.yaml", "0-29", "0-39")
    project.run("--adapter", "local")
    assert project.rendered() == ["30+5", "35+5"]
    project.replace("render.yaml", "0-39", "0-44")
    project.run("--adapter", "farm")
    assert project.rendered() == ["40+5"]
    assert farm.film == list(range(45))


def test_a_stopped_run_goes_on_at_home(farm: Farm) -> None:
    project = farm.project
    farm.manifest(retries=0)
    project.replace("render.yaml", "--output {output}", "--misbehave hold-on-frame:15 --output {output}")
    with project.running("run", "render.yaml", "--json", "--adapter", "farm") as process:
        project.wait_for("end", 3)
        process.send_signal(signal.SIGINT)
        project.gate.touch()
        stopped = project.finish(process)
    assert stopped.exit_code == 130, str(stopped)
    done = set(project.log_lines("end"))
    project.rendered()
    project.run("--adapter", "local")
    assert set(project.rendered()) == {f"{start}+5" for start in range(0, 30, 5)} - done
    assert farm.film == list(range(30))


def test_the_chunks_of_a_job_stand_in_one_spec(cloud_run_farm: Farm, storage: StorageEmulator) -> None:
    cloud_run_farm.manifest()
    assert cloud_run_farm.project.run("--adapter", "farm").summary["executed"] == 7
    assert len([name for name in storage.objects if "/jobs/" in name]) == 1


@pytest.mark.slow
def test_a_changed_input_uploads_that_input_only(cloud_run_farm: Farm, storage: StorageEmulator) -> None:
    project = cloud_run_farm.project
    cloud_run_farm.manifest()
    project.run("--adapter", "farm")
    before = {name for name in storage.objects if "/cas/" in name}
    inputs = {f"films/cas/{digest}" for digest in _digests(project, ["burnin.py", "look.txt"])}
    assert inputs <= before
    project.settled()
    project.write("look.txt", "cold\n")
    storage.seen.clear()
    project.run("--adapter", "farm")
    uploads = [r for r in storage.seen if r.method == "POST" and b'"films/cas/' in r.body[:300]]
    after = {name for name in storage.objects if "/cas/" in name}
    assert {f"films/cas/{digest}" for digest in _digests(project, ["look.txt"])} <= after - before
    # the new look, the tree with it in, and one output for each of the six chunks
    assert len(uploads) == len(after - before) == 8


def _digests(project: Project, names: list[str]) -> list[str]:
    from helios_pipe.digest import digest_file

    return [digest_file(project.path(name)) for name in names]


def test_a_chunk_that_fails_there_is_told_as_one_that_fails_here(farm: Farm) -> None:
    farm.manifest()
    farm.project.replace("render.yaml", "--output {output}", "--misbehave fail-on-frame:12 --output {output}")
    run = farm.project.helios("run", "render.yaml", "--json", "-k", "--adapter", "farm")
    assert run.exit_code == 1, str(run)
    assert run.nodes("failed") == ["film/0002"]
    assert run.summary["executed"] == 5
    logs = farm.project.helios("logs", run.summary["job"], "film/0002")
    assert "cannot render frame 12: the lamp is broken" in logs.stdout


@pytest.mark.slow
def test_a_throttled_farm_slows_down_and_fails_nothing(lambda_farm: Farm, emulator: LambdaEmulator) -> None:
    function = emulator.functions["render"]
    emulator.functions["render"] = Function(
        function.handler, function.folder, timeout_s=60, concurrency=1, env=function.env
    )
    lambda_farm.manifest()
    run = lambda_farm.project.run("--adapter", "farm")
    assert run.summary["executed"] == 7
    assert not [event for event in run.events if event["event"] == "retry"]
    assert len(lambda_farm.project.rendered()) == 6


@pytest.mark.slow
def test_an_unsigned_run_is_refused_with_what_to_do(lambda_farm: Farm) -> None:
    lambda_farm.manifest()
    del lambda_farm.project.env["HELIOS_PIPE_SIGNING_KEY"]
    run = lambda_farm.project.helios("run", "render.yaml", "--json", "--adapter", "farm")
    assert run.exit_code in (1, 3), str(run)
    assert "is not signed, and this worker runs signed ones only" in run.stdout + run.stderr
    assert lambda_farm.project.rendered() == []


@pytest.mark.slow
def test_a_tool_of_another_version_there_is_refused_with_both_named(lambda_farm: Farm, tmp_path: Path) -> None:
    project = lambda_farm.project
    tool = tmp_path / "bin" / "brush"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho brush ${BRUSH_VERSION:-1}\n")
    tool.chmod(0o755)
    project.env["PATH"] = f"{tool.parent}:{os.environ['PATH']}"
    document = project.burnin(frames="0-4", size=5)
    project.manifest({**document, "tools": {"brush": "auto"}, "adapters": {"farm": lambda_farm.adapter}})
    run = project.helios("run", "render.yaml", "--json", "--adapter", "farm")
    assert run.exit_code in (1, 3), str(run)
    assert "tool brush is not on PATH" in run.stdout + run.stderr
