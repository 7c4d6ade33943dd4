"""A project on disk and the real command run in it: what a user does, with what came of it as values."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit import burnin
from tests.kit.loopback import end

REPOSITORY = Path(__file__).resolve().parents[2]
HELIOS = Path(sys.executable).parent / "helios-pipe"
"""The console script of the environment that the tests run in."""

LIMIT_S = 120.0
"""No command of a test may take longer; one that does is killed, and the test fails."""


@dataclass(frozen=True)
class Run:
    """How a command ended: exit code, both texts, and with `--json` its lines as values."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line of stdout as JSON; a line that is none fails the test."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """The last line, which has to be the summary."""
        last = self.events[-1]
        assert last["event"] == "summary", f"the last event is {last}"
        return last

    @property
    def document(self) -> dict[str, Any]:
        """Stdout as one JSON object (`plan --json`)."""
        return dict(json.loads(self.stdout))

    def nodes(self, status: str) -> list[str]:
        """The names of the nodes that finished with `status`, sorted."""
        return sorted(e["node"] for e in self.events if e["event"] == "node_finished" and e["status"] == status)

    def __str__(self) -> str:
        return f"exit {self.exit_code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class Project:
    """A folder with a manifest (`render.yaml`) in it. Renderers in it append to `log`; `gate` is what a held one waits for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root.parent / f"{root.name}.log"
        self.gate = root.parent / f"{root.name}.gate"
        self.env: dict[str, str] = {}
        self._background: list[subprocess.Popen[str]] = []
        root.mkdir(parents=True, exist_ok=True)

    # -- files

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, its folders too."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a file as a person would; `old` has to be there."""
        text = self.path(name).read_text()
        assert old in text, f"{old!r} is not in {name}"
        self.write(name, text.replace(old, new))

    def manifest(self, document: Mapping[str, Any] | str, name: str = "render.yaml") -> Path:
        """Write the manifest: YAML as a text, or values (written as JSON, which is YAML)."""
        return self.write(name, document if isinstance(document, str) else json.dumps(document, indent=1))

    def settled(self) -> None:
        """Return when a file written now gets a later mtime than those that are here: no look is racy any more."""
        newest = max(p.stat().st_mtime_ns for p in self.root.rglob("*") if p.is_file())
        probe = self.root.parent / f"{self.root.name}.probe"
        while True:
            probe.write_bytes(b"")
            if probe.stat().st_mtime_ns > newest:
                break
            time.sleep(0.002)
        time.sleep(0.02)

    # -- commands

    def command(self, *words: str | Path) -> list[str]:
        return [str(HELIOS), *(str(word) for word in words)]

    def environment(self) -> dict[str, str]:
        """A plain environment: nothing of the developer's own settings, the log and gate of the kit's renderer."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HELIOS_PIPE_", "PYTHONDONTWRITE"))}
        return {**kept, "KIT_LOG": str(self.log), "KIT_GATE": str(self.gate), "COLUMNS": "200", **self.env}

    def helios(self, *words: str | Path, cwd: Path | None = None, stdin: str | None = None) -> Run:
        """Run the command to its end, in the project's folder unless told otherwise."""
        done = subprocess.run(
            self.command(*words),
            cwd=cwd or self.root,
            env=self.environment(),
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        return _ended(done.returncode, done.stdout, done.stderr)

    def helios_bytes(self, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
        """Run the command to its end, for output that is no text."""
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
        )

    def run(self, *words: str | Path, manifest: str | Path = "render.yaml", cwd: Path | None = None) -> Run:
        """`helios-pipe run MANIFEST --json`, which has to end well."""
        run = self.helios("run", manifest, "--json", *words, cwd=cwd)
        assert run.exit_code == 0, str(run)
        return run

    def plan(self, *words: str | Path, manifest: str | Path = "render.yaml") -> dict[str, Any]:
        """`helios-pipe plan MANIFEST --json`, which has to end well."""
        run = self.helios("plan", manifest, "--json", *words)
        assert run.exit_code == 0, str(run)
        return run.document

    @contextmanager
    def running(self, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
        """The command in the background, in a session of its own; whatever is left of it at the end is killed."""
        process = subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._background.append(process)
        try:
            yield process
        finally:
            self._background.remove(process)
            self.gate.touch()
            end(process)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()

    def finish(self, process: subprocess.Popen[str]) -> Run:
        """What a command that runs in the background came to."""
        stdout, stderr = process.communicate(timeout=LIMIT_S)
        return _ended(process.returncode, stdout, stderr)

    # -- the kit's renderer

    def add_renderer(self) -> None:
        """Put the kit's renderer into the project as `burnin.py`, and a look beside it."""
        shutil.copy(burnin.__file__, self.root / "burnin.py")
        self.write("look.txt", "warm\n")

    def burnin(self, *, frames: str = "0-59", size: int = 10, words: str = "", **more: Any) -> dict[str, Any]:
        """A manifest of one job `film` that burns in its frame numbers; `more` are further keys of the job."""
        if not self.path("burnin.py").exists():
            self.add_renderer()
        command = (
            f"{sys.executable} burnin.py --look look.txt --start {{chunk.start}} --count {{chunk.count}} "
            f"--step {{chunk.step}} {words} --output {{output}}"
        )
        job = {
            "inputs": ["burnin.py", "look.txt"],
            "frames": frames,
            "fps": 30,
            "chunk": {"size": size, "command": command, "output": "chunk.mp4"},
            "stitch": {"output": "out/film.mp4"},
        }
        return {
            "version": 1,
            "name": "kit",
            "pass_env": ["KIT_LOG", "KIT_GATE", "KIT_MISBEHAVE"],
            "jobs": {"film": {**job, **more}},
        }

    def log_lines(self, word: str = "start") -> list[str]:
        """What renderers noted under `word`, in order: `start 0+10` is `0+10`."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(word + " ")]

    def rendered(self) -> list[str]:
        """The chunks (`start+count`) whose renderer was started since the last call, sorted by start."""
        lines = self.log_lines()
        self.log.unlink(missing_ok=True)
        return sorted(lines, key=lambda line: int(line.partition("+")[0]))

    def wait_for(self, word: str, count: int = 1) -> list[str]:
        """Wait until renderers noted `word` so many times; their notes. A command in the background that ends meanwhile
        fails the test."""
        deadline = time.monotonic() + LIMIT_S
        while len(lines := self.log_lines(word)) < count:
            for process in self._background:
                assert process.poll() is None, str(self.finish(process))
            assert time.monotonic() < deadline, f"no {word!r} in the log after {LIMIT_S} s"
            time.sleep(0.01)
        return lines

    def orphans(self) -> list[int]:
        """Processes that renderers left behind, that hang or are held, of those that live still."""
        pids = [int(pid) for word in ("orphan", "hang", "hold") for pid in self.log_lines(word)]
        return [pid for pid in pids if alive(pid)]

    def wait_for_orphans(self) -> None:
        """Wait until none of them lives any more."""
        deadline = time.monotonic() + LIMIT_S
        while orphans := self.orphans():
            assert time.monotonic() < deadline, f"{orphans} live after {LIMIT_S} s"
            time.sleep(0.01)


def _ended(exit_code: int, stdout: str, stderr: str) -> Run:
    run = Run(exit_code, stdout, stderr)
    assert not any(line.startswith("Traceback ") for line in stderr.splitlines()), str(run)
    return run


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9 of the command alone: what it started lives on."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
