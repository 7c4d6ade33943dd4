"""What docs/deploy holds: judged by the linters of its ecosystems, and by what it must not allow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.loopback import HOST, free_port, listens, running
from tests.kit.project import REPOSITORY

DEPLOY = REPOSITORY / "docs" / "deploy"
TEMPLATE, SERVICE, SCRIPT = (
    DEPLOY / "lambda/template.yaml",
    DEPLOY / "cloudrun/service.yaml",
    DEPLOY / "cloudrun/deploy.sh",
)
DOCKERFILES = [
    DEPLOY / "lambda/Dockerfile",
    DEPLOY / "cloudrun/Dockerfile",
    REPOSITORY / "examples/cloudrun/Dockerfile",
]
YAML_RULES = (
    "{extends: default, rules: {line-length: {max: 130}, document-start: disable,"
    " braces: {max-spaces-inside: 0}, comments: {min-spaces-from-content: 1}}}"
)


def lint(*words: str | Path) -> None:
    program = Path(sys.executable).with_name(str(words[0]))
    done = subprocess.run([str(program), *map(str, words[1:])], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_template_passes_cloudformations_linter() -> None:
    lint("cfn-lint", TEMPLATE)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_dockerfile_passes_its_linter(path: Path) -> None:
    lint("hadolint", path)


def test_the_script_and_the_yaml_pass_their_linters() -> None:
    lint("shellcheck", SCRIPT)
    lint("yamllint", "-s", "-d", YAML_RULES, DEPLOY)


class Loader(yaml.SafeLoader):
    """CloudFormation's short functions, as what they stand for."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: f"{suffix} {_plain(loader, node)}")


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    return json.dumps(loader.construct_sequence(node, deep=True)) if isinstance(node, yaml.SequenceNode) else {}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader)
    return document["Resources"]  # type: ignore[no-any-return]


def statements(resource: dict[str, Any]) -> dict[str, tuple[set[str], list[str]]]:
    """Sid -> actions and resources."""
    properties = resource["Properties"]
    documents = [properties.get("PolicyDocument"), *properties.get("Policies", [])]
    found = {}
    for statement in (s for document in documents if document for s in document["Statement"]):
        actions, resources = statement["Action"], statement["Resource"]
        found[statement["Sid"]] = (
            {actions} if isinstance(actions, str) else set(actions),
            [resources] if isinstance(resources, str) else resources,
        )
    return found


def test_the_function_can_read_and_add_and_no_more(template: dict[str, Any]) -> None:
    allowed = statements(template["Worker"])
    assert {sid: actions for sid, (actions, _) in allowed.items()} == {
        "ReadJobsAndBlobs": {"s3:GetObject"},
        "LeaveBlobs": {"s3:PutObject", "s3:AbortMultipartUpload"},
        "TellMissingFromForbidden": {"s3:ListBucket"},
    }
    assert all("/cas/*" in resource for resource in allowed["LeaveBlobs"][1])
    assert all(re.search(r"/(cas|jobs)/\*$", resource) for resource in allowed["ReadJobsAndBlobs"][1])


def test_no_policy_allows_everything(template: dict[str, Any]) -> None:
    for name in ("Worker", "Orchestrator"):
        for actions, resources in statements(template[name]).values():
            assert not any("*" in action for action in actions)
            assert "*" not in resources


def test_the_bucket_is_private_encrypted_and_forgets(template: dict[str, Any]) -> None:
    bucket = template["Store"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketEncryption" in bucket
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules.keys() == {"forget", "unfinished-uploads"}
    assert template["StorePolicy"]["Properties"]["PolicyDocument"]["Statement"][0]["Effect"] == "Deny"


def known_variables() -> set[str]:
    """Every variable that a worker reads."""
    texts = [(REPOSITORY / "helios_pipe" / name).read_text() for name in ("worker/config.py", "settings.py")]
    return {name for text in texts for name in re.findall(r'"([A-Z][A-Z_]+)"', text)}


def test_what_is_deployed_sets_variables_that_a_worker_reads(template: dict[str, Any]) -> None:
    env = set(template["Worker"]["Properties"]["Environment"]["Variables"])
    (container,) = yaml.safe_load(SERVICE.read_text())["spec"]["template"]["spec"]["containers"]
    env |= {variable["name"] for variable in container["env"]}
    for path in DOCKERFILES[:2]:
        env |= set(re.findall(r"(HELIOS_PIPE_\w+|PORT)=", path.read_text()))
    assert "HELIOS_PIPE_STORE" in env
    assert env <= known_variables()


def test_the_documentation_names_every_variable_of_a_worker() -> None:
    text = (REPOSITORY / "docs/cloud.md").read_text()
    named = set(re.findall(r"`(HELIOS_PIPE_\w+|PORT)`", text))
    config = (REPOSITORY / "helios_pipe/worker/config.py").read_text()
    read = set(re.findall(r'"(HELIOS_PIPE_\w+|PORT)"', config)) | {"HELIOS_PIPE_SIGNING_KEY"}
    assert read <= named


def test_the_service_asks_who_calls_and_is_told_its_own_limits() -> None:
    spec = yaml.safe_load(SERVICE.read_text())["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    values = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert values["HELIOS_PIPE_REQUEST_TIMEOUT_S"] == str(spec["timeoutSeconds"])
    assert values["HELIOS_PIPE_THREADS"] == str(spec["containerConcurrency"])
    assert values["HELIOS_PIPE_AUDIENCE"]
    assert values["HELIOS_PIPE_CALLERS"]
    assert container["startupProbe"]["httpGet"]["path"] == "/health"


GCLOUD = """#!/bin/sh
printf '%s ' "$@" >> "$CALLS"; echo >> "$CALLS"
case "$*" in
  *" replace - "*) cat > "$REPLACED" ;;
  *"secrets create"*) cat > /dev/null ;;
  *"run services describe"*) echo https://helios-pipe-worker-abc.example ;;
  *" describe "*) [ -e "$THERE" ] || exit 1 ;;
esac
"""


@pytest.fixture
def deploy(tmp_path: Path) -> Callable[[], subprocess.CompletedProcess[str]]:
    program = tmp_path / "bin" / "gcloud"
    program.parent.mkdir()
    program.write_text(GCLOUD)
    program.chmod(0o755)
    env = {
        "PATH": f"{program.parent}:{os.environ['PATH']}", "PROJECT": "films", "REGION": "europe-west1", "BUCKET": "films-b",
        "IMAGE": "registry.example/films/worker:1", "CALLS": str(tmp_path / "calls"), "THERE": str(tmp_path / "there"),
        "REPLACED": str(tmp_path / "service.yaml"),
    }  # fmt: skip
    return lambda: subprocess.run([str(SCRIPT)], env=env, capture_output=True, text=True)


def test_the_script_fills_the_service_in_and_prints_the_adapter(
    deploy: Callable[[], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = deploy()
    assert done.returncode == 0, done.stderr
    service = yaml.safe_load((tmp_path / "service.yaml").read_text())
    spec = service["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    values = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert spec["serviceAccountName"] == "helios-pipe-worker@films.iam.gserviceaccount.com"
    assert container["image"] == "registry.example/films/worker:1"
    assert values["HELIOS_PIPE_STORE"] == "gs://films-b/renders"
    assert values["HELIOS_PIPE_CALLERS"] == "helios-pipe-caller@films.iam.gserviceaccount.com"
    adapter = yaml.safe_load(done.stdout)["adapters"]["run"]
    assert adapter == {
        "type": "cloudrun", "url": "https://helios-pipe-worker-abc.example", "audience": values["HELIOS_PIPE_AUDIENCE"],
        "storage": values["HELIOS_PIPE_STORE"], "concurrency": 100,
    }  # fmt: skip
    for name in ("WORKER_ACCOUNT", "CALLER_ACCOUNT", "BUCKET", "IMAGE\n"):
        assert name not in (tmp_path / "service.yaml").read_text().replace("gs://", "")


def test_the_script_gives_each_account_no_more_than_it_needs(
    deploy: Callable[[], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    assert deploy().returncode == 0
    calls = (tmp_path / "calls").read_text()
    roles = set(re.findall(r"serviceAccount:helios-pipe-(\w+)@\S+ --role=(\S+)", calls))
    assert roles == {
        ("worker", "roles/storage.objectViewer"),
        ("worker", "roles/storage.objectCreator"),
        ("worker", "roles/secretmanager.secretAccessor"),
        ("caller", "roles/storage.objectUser"),
        ("caller", "roles/secretmanager.secretAccessor"),
        ("caller", "roles/run.invoker"),
    }
    assert "allUsers" not in calls


def test_the_script_makes_nothing_twice(deploy: Callable[[], subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    assert deploy().returncode == 0
    assert " create " not in (tmp_path / "calls").read_text()


def instruction(path: Path, name: str) -> list[str]:
    """The words of a Dockerfile's last CMD or ENTRYPOINT."""
    found = re.findall(rf"^{name} (\[.*\])$", path.read_text(), re.MULTILINE)
    return list(json.loads(found[-1])) if found else []


def test_the_cloud_run_images_command_serves(tmp_path: Path) -> None:
    words = instruction(DOCKERFILES[1], "CMD")
    program = Path(sys.executable).with_name(words[0])
    port = free_port()
    env = {
        "HELIOS_PIPE_STORE": (tmp_path / "store").as_uri(), "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work"),
        "PORT": str(port), "HELIOS_PIPE_HOST": HOST,
    }  # fmt: skip
    with running([program, *words[1:]], port=port, log=tmp_path / "log", env=env):
        assert listens(port)


def test_the_lambda_images_command_is_awslambdaric_with_our_handler() -> None:
    from helios_pipe.pipeline import workers

    words = [*instruction(DOCKERFILES[0], "ENTRYPOINT"), *instruction(DOCKERFILES[0], "CMD")]
    assert words == ["python", "-m", "awslambdaric", workers.HANDLER]
    assert callable(getattr(workers, workers.HANDLER.rpartition(".")[2]))
