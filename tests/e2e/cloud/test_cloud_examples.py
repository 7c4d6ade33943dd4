"""The examples for the cloud, run as they stand but for the names of one's own account."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.examples import example
from tests.kit.loopback import HOST, free_port, running
from tests.kit.servers.awslambda import Function, lambda_emulator
from tests.kit.servers.gcs import StorageEmulator
from tests.kit.servers.google import FakeGoogle
from tests.kit.servers.http import serving
from tests.kit.servers.s3 import BUCKET, moto

pytestmark = pytest.mark.slow


def test_the_lambda_example_makes_its_film(tmp_path: Path) -> None:
    project = example("lambda", tmp_path / "lambda")
    with lambda_emulator() as emulator, moto(tmp_path) as s3:
        store = f"s3://{BUCKET}/renders"
        env = {**s3.environment, "HELIOS_PIPE_STORE": store, "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work")}
        emulator.functions["render"] = Function(
            "helios_pipe.pipeline.workers.lambda_handler", tmp_path, timeout_s=60, concurrency=2, env=env
        )
        project.env |= s3.environment
        project.replace("render.yaml", "YOUR-FUNCTION", f"render\n    endpoint_url: {emulator.url}")
        project.replace("render.yaml", "s3://YOUR-BUCKET/renders", store)
        project.replace("render.yaml", "0-239", "0-39")
        run = project.run()
        assert run.summary["executed"] == 5
        assert run.summary["billed_s"] > 0
        assert run.summary["cost"] > 0
        doctor = project.helios("doctor", "render.yaml", "--adapter", "farm")
        assert doctor.exit_code == 0, str(doctor)
        assert project.run("--adapter", "local").summary["executed"] == 0


def test_the_cloud_run_example_makes_its_film(tmp_path: Path) -> None:
    project = example("cloudrun", tmp_path / "cloudrun")
    google, storage = FakeGoogle(), StorageEmulator("films")
    with ExitStack() as stack:
        for service in (google, storage):
            stack.enter_context(serving(service))
        port, store, audience = free_port(), "gs://films/renders", "https://worker.films"
        env = {
            "PORT": str(port), "HELIOS_PIPE_HOST": HOST, "HELIOS_PIPE_STORE": store, "STORAGE_EMULATOR_HOST": storage.url,
            "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work"), "HELIOS_PIPE_AUDIENCE": audience,
            "HELIOS_PIPE_OIDC_CERTS": f"{google.url}/certs", "PATH": project.env["PATH"],
        }  # fmt: skip
        words = [str(Path(sys.executable).with_name("helios-pipe")), "worker", "cloudrun"]
        server = stack.enter_context(running(words, port=port, log=tmp_path / "worker.log", env=env))
        key = google.service_account(tmp_path)
        project.env |= {"GOOGLE_APPLICATION_CREDENTIALS": str(key), "STORAGE_EMULATOR_HOST": storage.url}
        project.replace("render.yaml", "https://YOUR-SERVICE.example", server.url)
        project.replace("render.yaml", "https://YOUR-AUDIENCE.example", audience)
        project.replace("render.yaml", "gs://YOUR-BUCKET/renders", store)
        project.replace("render.yaml", "0-119", "0-29")
        run = project.run()
        assert run.summary["executed"] == 4
        doctor = project.helios("doctor", "render.yaml", "--adapter", "run")
        assert doctor.exit_code == 0, str(doctor)
        project.path("out/ripples.mp4").unlink()
        assert project.run("--adapter", "local").summary["executed"] == 0
