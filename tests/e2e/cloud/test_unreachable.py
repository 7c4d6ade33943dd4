"""Workers that cannot be reached: when that is the adapter's fault, and when it is a chunk's."""

from __future__ import annotations

from tests.kit import quick
from tests.kit.loopback import HOST, free_port
from tests.kit.project import Project
from tests.kit.servers.http import Answer, HttpService, Request, serving


class Dropping(HttpService):
    """A worker that takes every call, and closes the connection without a word."""

    def answer(self, request: Request) -> Answer:
        return Answer(200)

    def respond(self, request: Request) -> Answer | None:
        self.seen.append(request)
        return None


def box(project: Project, url: str) -> None:
    """A manifest with many chunks: the first one that has failed for good ends the run, soon."""
    adapter = {"type": "http", "url": url, "storage": f"file://{project.root.parent}/store"}
    project.manifest({**quick.film(24), "adapters": {"box": adapter}})


def test_an_adapter_that_nobody_can_reach_is_unusable_and_what_to_do_is_said(project: Project) -> None:
    url = f"http://{HOST}:{free_port()}"
    box(project, url)
    run = project.helios("run", "render.yaml", "--json", "--adapter", "box")
    assert run.exit_code == 3, str(run)
    (error,) = [event for event in run.events if event["event"] == "error"]
    assert error["exit_code"] == 3
    assert error["message"].startswith(
        f"adapter box is unusable, no call of this run got through: {url} cannot be reached: "
    )
    assert "Connection refused" in error["message"]
    assert error["message"].endswith("`helios-pipe doctor MANIFEST --adapter box` tries it.")
    assert (run.summary["state"], run.summary["executed"]) == ("failed", 0)
    assert f"error: {error['message']}" in run.stderr
    shown = project.helios("show", "quick", "--json").document
    assert shown["stopped"] == error["message"]


def test_a_worker_that_takes_calls_and_answers_none_is_no_unusable_adapter(project: Project) -> None:
    service = Dropping()
    with serving(service):
        box(project, service.url)
        run = project.helios("run", "render.yaml", "--json", "--adapter", "box")
    assert service.seen
    assert run.exit_code == 1, str(run)
    assert not [event for event in run.events if event["event"] == "error"]
