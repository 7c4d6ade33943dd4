"""What `run` executes is what `plan` named, less what came out the same bytes, whatever was edited in between."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helios_pipe.pipeline.request import Request
from helios_pipe.pipeline.run import run
from helios_pipe.pipeline.session import Session, open_manifest

MANIFEST = """\
version: 1
name: edits
vars: {{gain: {gain}}}
tools: {{sh: {{version: [sh, -c, "echo 1"]}}}}
jobs:
  mix:
    inputs: [src/*.txt]
    command: [sh, -c, "cat src/*.txt | tr a-z A-Z > {{output}}"]
    output: build/mix.txt
  grade:
    inputs: [{{job: mix}}]
    env: {{LOOK: "{look}"}}
    frames: 0-{end}
    chunk:
      size: {size}
      inputs: ["plates/{{chunk.start}}.txt"]
      command: [sh, -c, "head -c 2 jobs/mix/mix.txt > c.txt; cat plates/{{chunk.start}}.txt >> c.txt; echo $LOOK >> c.txt"]
      output: c.txt
    stitch: {{command: [sh, -c, 'cat "$@" > {{output}}', x, "{{inputs}}"], output: "{out}"}}
  plain:
    frames: 0-{end}
    chunk:
      size: {size}
      command: [sh, -c, "echo {{chunk.start}} {{chunk.count}} {{vars.gain}} > {{output}}"]
      output: p.txt
    stitch: {{method: collect, output: build/plain/}}
  all:
    stitch: {{from: [grade], command: [sh, -c, 'cat "$1" > {{output}}', x, "{{inputs}}"], output: build/all.txt}}
"""

texts = st.sampled_from(["a", "A", "b", "ab", "aB"])
edits = st.one_of(
    st.tuples(st.just("src"), st.sampled_from(["x", "y"]), texts),
    st.tuples(st.just("plate"), st.integers(0, 9), texts),
    st.tuples(st.just("look"), st.just(0), texts),
    st.tuples(st.just("gain"), st.just(0), st.integers(1, 3)),
    st.tuples(st.just("end"), st.just(0), st.integers(3, 9)),
    st.tuples(st.just("size"), st.just(0), st.integers(1, 4)),
    st.tuples(st.just("out"), st.just(0), st.sampled_from(["build/grade.txt", "build/moved.txt"])),
    st.tuples(st.just("touch"), st.just(0), st.just(0)),
    st.tuples(st.just("lose"), st.integers(0, 99), st.just(0)),
    st.tuples(st.just("delete"), st.just(0), st.just(0)),
)


class Project:
    """The project of one example."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.values: dict[str, Any] = {"gain": 1, "look": "a", "end": 5, "size": 2, "out": "build/grade.txt"}
        for folder in ("src", "plates"):
            (root / folder).mkdir()
        for name in ("x", "y"):
            (root / "src" / f"{name}.txt").write_text("a\n")
        for frame in range(10):
            (root / "plates" / f"{frame}.txt").write_text("a\n")

    def edit(self, what: str, where: Any, value: Any) -> None:
        if what == "src":
            (self.root / "src" / f"{where}.txt").write_text(f"{value}\n")
        elif what == "plate":
            (self.root / "plates" / f"{where}.txt").write_text(f"{value}\n")
        elif what == "touch":
            for path in self.root.glob("plates/*"):
                os.utime(path)
        elif what == "lose":
            blobs = sorted(self.root.glob(".helios/cas/*/*"))
            if blobs:
                blobs[where % len(blobs)].unlink()
        elif what == "delete":
            shutil.rmtree(self.root / "build", ignore_errors=True)
        else:
            self.values[what] = value

    def session(self) -> Session:
        manifest = self.root / "render.yaml"
        manifest.write_text(MANIFEST.format(**self.values))
        request = Request(manifest, concurrency=2)
        return Session(request, open_manifest(request))

    def plan(self) -> dict[str, str]:
        session = self.session()
        try:
            return {row.node: row.action for row in session.plan()}
        finally:
            session.close()

    def run(self) -> dict[str, tuple[str, str]]:
        events: list[Any] = []
        session = self.session()
        try:
            summary = run(session, events.append, print)
        finally:
            session.close()
        assert summary.exit_code == 0, summary
        assert summary.executed + summary.cached == summary.total
        finished = [event for event in events if event["event"] == "node_finished"]
        return {event["node"]: (event["status"], event["reason"]) for event in finished}

    def expected(self) -> dict[str, str]:
        """The outputs, worked out without us."""
        v = self.values
        mix = "".join((self.root / "src" / f"{name}.txt").read_text().upper() for name in ("x", "y"))
        starts = list(range(0, v["end"] + 1, v["size"]))
        grade = "".join(f"{mix[:2]}{(self.root / 'plates' / f'{s}.txt').read_text()}{v['look']}\n" for s in starts)
        found = {"build/mix.txt": mix, v["out"]: grade, "build/all.txt": grade}
        for index, start in enumerate(starts):
            count = min(v["size"], v["end"] + 1 - start)
            found[f"build/plain/{index:04d}/p.txt"] = f"{start} {count} {v['gain']}\n"
        return found


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(edits, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_runs_is_what_was_planned_less_what_came_out_the_same(rounds: list[list[tuple[str, Any, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        project.run()
        for round_ in rounds:
            lost = any(what == "lose" for what, _, _ in round_)
            for edit in round_:
                project.edit(*edit)
            planned = project.plan()
            ran = project.run()
            assert set(ran) == set(planned)
            for node, (status, reason) in ran.items():
                if status == "executed" and not lost:
                    assert planned[node] == "run", f"{node} ran although the plan said it need not"
                if planned[node] == "run" and status == "cached":
                    assert reason == "same bytes", f"{node} was planned to run, but: {reason}"
            outputs = {name: (project.root / name).read_text() for name in project.expected()}
            assert outputs == project.expected()
            assert set(project.plan().values()) == {"cached"}
            assert {status for status, _ in project.run().values()} == {"cached"}
