"""Workspaces hold what was declared and nothing else, and what a command does in one stays there or is found out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.action.model import Action, Entry, Output, Tree
from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import (
    BlobDamagedError,
    BlobMissingError,
    StaleInputError,
    UnusableError,
    UsageError,
)
from helios_pipe.ports import WorkerJob, WorkerResult
from helios_pipe.worker import bring, staging
from helios_pipe.worker.process import run_process
from helios_pipe.worker.workspace import Workspace
from helios_pipe.worker.workspaces import Workspaces

ENV = {"PATH": os.defpath}


class Inputs:
    """Source files and blobs, and where their bytes are."""

    def __init__(self, folder: Path) -> None:
        self.sources = folder / "project"
        self.blobs = folder / "cas"
        self.sources.mkdir()
        self.blobs.mkdir()
        self._places: dict[Digest, Path] = {}

    def source(self, path: str, text: str, *, executable: bool = False) -> Entry:
        place = self.sources / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if executable else 0o644)
        digest = digest_file(place)
        self._places[digest] = place
        return Entry(path, digest, len(text), executable)

    def blob(self, path: str, text: str) -> Entry:
        temp = self.blobs / "new"
        temp.write_text(text)
        digest = digest_file(temp)
        self._places[digest] = temp.rename(self.blobs / digest)
        self._places[digest].chmod(0o444)
        return Entry(path, digest, len(text))

    def locate(self, digest: Digest) -> Path:
        return self._places[digest]

    def state(self) -> dict[str, tuple[bytes, int, int, int]]:
        """Bytes, mode, mtime and link count of every source and blob: all that a command could change."""
        found = {}
        for place in [*self.sources.rglob("*"), *self.blobs.rglob("*")]:
            if place.is_file():
                stat = place.stat()
                found[str(place)] = (place.read_bytes(), stat.st_mode, stat.st_mtime_ns, stat.st_nlink)
        return found


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path)


@pytest.fixture
def workspaces(tmp_path: Path, inputs: Inputs) -> Iterator[Workspaces]:
    made = Workspaces(tmp_path / "work", inputs.locate, project=inputs.sources)
    yield made
    made.close()
    assert not (tmp_path / "work").exists()


@pytest.fixture
def no_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot share blocks between files, as ext4, wherever the tests run."""
    for module in (staging, bring):
        monkeypatch.setattr(module, "clone", lambda source, target: False)


def action(*shared: Entry, output: str = "chunk.mp4", extra: tuple[Entry, ...] = (), **options: Any) -> Action:
    folder = output.endswith("/")
    return Action(
        "zoom/0003", "chunk", ("true",), Output(output.rstrip("/"), folder), Tree.of(shared), Tree.of(extra), **options
    )


def run(workspace: Workspace, script: str) -> WorkerResult:
    return run_process(WorkerJob("sh", ("-c", script), {**ENV, "HOME": str(workspace.home)}, workspace.cwd))


def files_in(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- what is there


def test_the_declared_inputs_are_there_and_nothing_else(workspaces: Workspaces, inputs: Inputs) -> None:
    inputs.source("undeclared.txt", "no")
    shared = [inputs.source("look.txt", "warm"), inputs.blob("jobs/bake/lut.cube", "lut")]
    extra = (inputs.source("plates/0003.exr", "plate"),)
    workspace = workspaces.open(action(*shared, extra=extra, files=(("inputs.txt", "a\nb\n"),)))
    assert files_in(workspace.cwd) == {
        "look.txt": "warm",
        "jobs/bake/lut.cube": "lut",
        "plates/0003.exr": "plate",
        "inputs.txt": "a\nb\n",
    }
    assert os.listdir(workspace.home) == []


def test_the_folders_that_lead_to_the_output_are_there_but_not_the_output(workspaces: Workspaces) -> None:
    workspace = workspaces.open(action(output="renders/high/frames/"))
    assert Path(workspace.output) == workspace.cwd / "renders/high/frames"
    assert [p.relative_to(workspace.cwd) for p in workspace.cwd.rglob("*")] == [Path("renders"), Path("renders/high")]


def test_inputs_are_read_only_of_one_date_and_executable_where_they_were(
    workspaces: Workspaces, inputs: Inputs
) -> None:
    shared = inputs.source("render.sh", "#!/bin/sh\n", executable=True)
    workspace = workspaces.open(action(shared, extra=(inputs.source("look.txt", "warm"),), files=(("list", "x"),)))
    assert {p.name: oct(p.stat().st_mode & 0o777) for p in workspace.cwd.iterdir()} == {
        "render.sh": "0o555",
        "look.txt": "0o444",
        "list": "0o444",
    }
    assert {p.stat().st_mtime for p in workspace.cwd.iterdir()} == {315_619_200.0}


@pytest.mark.usefixtures("no_clones")
def test_what_is_shared_is_copied_once_for_all_attempts(workspaces: Workspaces, inputs: Inputs) -> None:
    look = inputs.source("look.txt", "warm")
    first, second = workspaces.open(action(look)), workspaces.open(action(look))
    assert (first.cwd / "look.txt").samefile(second.cwd / "look.txt")
    assert not (first.cwd / "look.txt").samefile(inputs.sources / "look.txt")
    assert first.cwd != second.cwd
    assert first.home != second.home


@pytest.mark.usefixtures("no_clones")
def test_many_threads_that_open_at_once_share_one_copy(workspaces: Workspaces, inputs: Inputs) -> None:
    shared = [inputs.source(f"textures/{i}.png", f"{i}") for i in range(50)]
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: workspaces.open(action(*shared)), range(24)))
    assert len({(w.cwd / "textures/7.png").stat().st_ino for w in opened}) == 1
    assert all(len(files_in(w.cwd)) == 50 for w in opened)


def test_one_input_may_be_shared_and_a_chunks_own_at_once(workspaces: Workspaces, inputs: Inputs) -> None:
    look = inputs.source("look.txt", "warm")
    workspace = workspaces.open(action(look, extra=(look,)))
    assert files_in(workspace.cwd) == {"look.txt": "warm"}
    workspace.discard()
    assert not workspace.cwd.exists()


@pytest.mark.parametrize(
    ("shared", "extra", "output", "message"),
    [
        (("../look.txt",), (), "o", "'../look.txt' has an empty part, `.` or `..` in it"),
        (("/look.txt",), (), "o", "'/look.txt' is not a relative path"),
        (("a\0b",), (), "o", "'a\\x00b' is not a relative path"),
        (("Look.txt", "look.txt"), (), "o", "'look.txt' and 'Look.txt' are one file where names ignore case"),
        (("look.txt",), ("LOOK.txt",), "o", "'LOOK.txt' has the place of the input 'look.txt'"),
        (("look.txt",), (), "look.txt", "'look.txt' has the place of the input 'look.txt'"),
        ((), ("look.txt",), "look.txt", "'look.txt' is an input and the output"),
        (("frames/1.png",), (), "frames/", "'frames' has the place of the input 'frames/…'"),
        ((), ("frames/1.png",), "frames/", "'frames' is a file and also the folder of 'frames/1.png'"),
        (("a",), ("a/b",), "o", "'a' is an input, and also the folder of 'a/b'"),
        (("a",), (), "a/out.mp4", "'a' is an input, and also the folder of 'a/out.mp4'"),
        (("a/b",), ("a",), "o", "'a' has the place of the input 'a/…'"),
        ((), (), "../out.mp4", "'../out.mp4' has an empty part, `.` or `..` in it"),
    ],
)
def test_what_cannot_stand_in_one_folder_is_refused_by_name(
    workspaces: Workspaces, shared: tuple[str, ...], extra: tuple[str, ...], output: str, message: str, inputs: Inputs
) -> None:
    digest = inputs.source("some", "thing").digest
    tree, own = ([Entry(p, digest, 5) for p in paths] for paths in (shared, extra))
    with pytest.raises(UsageError) as caught:
        workspaces.open(action(*tree, extra=tuple(own), output=output))
    assert caught.value.message == f"zoom/0003: {message}"


# --- inputs that are not what they were


def test_a_source_that_changed_since_it_was_hashed_is_refused_by_name(workspaces: Workspaces, inputs: Inputs) -> None:
    look = inputs.source("look.txt", "warm")
    (inputs.sources / "look.txt").write_text("cold")
    for given in (action(look), action(extra=(look,))):
        with pytest.raises(StaleInputError, match=r"look\.txt changed while it was being read"):
            workspaces.open(given)


def test_a_source_that_is_gone_is_named(workspaces: Workspaces, inputs: Inputs) -> None:
    look = inputs.source("look.txt", "warm")
    (inputs.sources / "look.txt").unlink()
    with pytest.raises(StaleInputError, match=r"the input look\.txt cannot be read any more at .*/project/look\.txt"):
        workspaces.open(action(look))


def test_a_source_that_is_put_right_is_accepted_by_the_next_attempt(workspaces: Workspaces, inputs: Inputs) -> None:
    look = inputs.source("look.txt", "warm")
    (inputs.sources / "look.txt").write_text("cold")
    with pytest.raises(StaleInputError):
        workspaces.open(action(look))
    (inputs.sources / "look.txt").write_text("warm")
    assert files_in(workspaces.open(action(look)).cwd) == {"look.txt": "warm"}


def test_a_damaged_or_missing_blob_is_told_from_a_changed_source(workspaces: Workspaces, inputs: Inputs) -> None:
    part = inputs.blob("in/0000/chunk.mp4", "video")
    place = inputs.locate(part.digest)
    place.chmod(0o644)
    place.write_text("vidio")
    with pytest.raises(BlobDamagedError, match=rf"blob {part.digest} \(the input in/0000/chunk\.mp4\) is damaged"):
        workspaces.open(action(extra=(part,)))
    place.unlink()
    with pytest.raises(BlobMissingError, match=f"blob {part.digest}"):
        workspaces.open(action(part))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, inputs: Inputs) -> None:
    (tmp_path / "file").write_text("")
    broken = Workspaces(tmp_path / "file" / "work", inputs.locate, project=inputs.sources)
    with pytest.raises(UnusableError, match=r"no workspace for zoom/0003 in .*/file/work: "):
        broken.open(action(inputs.source("look.txt", "warm")))


# --- what a command does


HOSTILE = """
echo x >> look.txt; echo x >> jobs/bake/lut.cube; echo x >> plates/0003.exr
chmod 777 look.txt; touch -d 2001-01-01 plates/0003.exr
rm -rf ./* .; chmod 000 .; true
"""


def test_a_hostile_command_reaches_no_source_and_no_blob(workspaces: Workspaces, inputs: Inputs) -> None:
    shared = [inputs.source("look.txt", "warm"), inputs.blob("jobs/bake/lut.cube", "lut")]
    extra = (inputs.source("plates/0003.exr", "plate"),)
    before = inputs.state()
    workspace = workspaces.open(action(*shared, extra=extra))
    run(workspace, HOSTILE)
    workspace.discard()
    assert not workspace.cwd.exists()
    assert inputs.state() == before


@pytest.mark.usefixtures("no_clones")
def test_writing_through_to_a_shared_input_is_found_out_and_the_retry_has_its_own(
    workspaces: Workspaces, inputs: Inputs
) -> None:
    look = inputs.source("look.txt", "warm")
    script = "chmod u+w look.txt; echo x >> look.txt; cat look.txt"
    first, bystander = workspaces.open(action(look)), workspaces.open(action(look))
    run(first, script)
    for workspace in (first, bystander):
        with pytest.raises(StaleInputError) as caught:
            workspace.check()
        assert caught.value.message == (
            "the input look.txt is not what it was: a command wrote into it: inputs are shared between chunks"
        )
        workspace.discard()
    for _ in range(2):
        retry = workspaces.open(action(look))
        assert run(retry, script).stdout == "warmx\n"
        retry.check()
        retry.discard()


@pytest.mark.usefixtures("no_clones")
def test_who_finished_before_the_input_was_written_to_is_not_blamed(workspaces: Workspaces, inputs: Inputs) -> None:
    look = inputs.source("look.txt", "warm")
    early, late = workspaces.open(action(look)), workspaces.open(action(look))
    early.check()
    run(late, "chmod u+w look.txt; echo x >> look.txt")
    with pytest.raises(StaleInputError):
        late.check()


@pytest.mark.parametrize("script", ["touch look.txt", "chmod 600 look.txt"])
@pytest.mark.usefixtures("no_clones")
def test_touching_a_shared_input_is_no_fault_and_reaches_nobody_later(
    workspaces: Workspaces, inputs: Inputs, script: str
) -> None:
    look = inputs.source("look.txt", "warm")
    workspace = workspaces.open(action(look))
    run(workspace, script)
    workspace.check()
    after = workspaces.open(action(look))
    stat = (after.cwd / "look.txt").stat()
    assert (stat.st_mode & 0o777, stat.st_mtime) == (0o444, 315_619_200.0)
    assert not (after.cwd / "look.txt").samefile(workspace.cwd / "look.txt")


def test_replacing_an_input_reaches_nobody(workspaces: Workspaces, inputs: Inputs) -> None:
    look = inputs.source("look.txt", "warm")
    workspace, other = workspaces.open(action(look)), workspaces.open(action(look))
    run(workspace, "sed -i s/warm/cold/ look.txt; rm -f look.txt; echo mine > look.txt")
    workspace.check()
    assert files_in(other.cwd) == {"look.txt": "warm"}


def test_what_python_and_the_like_write_beside_a_module_stays_in_the_workspace(
    workspaces: Workspaces, inputs: Inputs
) -> None:
    shared = [inputs.source("tool/main.py", "import helper\n"), inputs.source("tool/helper.py", "x = 1\n")]
    before = inputs.state()
    workspace = workspaces.open(action(*shared))
    job = WorkerJob(sys.executable, ("tool/main.py",), ENV, workspace.cwd)
    assert run_process(job).exit_code == 0
    assert (workspace.cwd / "tool/__pycache__").is_dir()
    workspace.check()
    workspace.discard()
    assert inputs.state() == before
    assert "__pycache__" not in {p.name for p in inputs.sources.parent.rglob("*")}


# --- large files


@pytest.mark.usefixtures("no_clones")
def test_a_large_input_is_linked_to_its_source_and_looked_at_again(tmp_path: Path, inputs: Inputs) -> None:
    workspaces = Workspaces(tmp_path / "work", inputs.locate, project=inputs.sources, link_size=4)
    plate = inputs.source("plate.exr", "large")
    for given in (action(plate), action(extra=(plate,))):
        workspace = workspaces.open(given)
        assert (workspace.cwd / "plate.exr").is_symlink()
        assert (workspace.cwd / "plate.exr").read_text() == "large"
        workspace.check()
        os.utime(inputs.sources / "plate.exr")
        workspace.check()
        workspace.discard()
    workspace = workspaces.open(action(plate))
    run(workspace, "echo x >> plate.exr")
    with pytest.raises(StaleInputError) as caught:
        workspace.check()
    assert caught.value.message == "the input plate.exr is not what it was: it changed while it was used"
    workspaces.close()
    assert (inputs.sources / "plate.exr").read_text() == "largex\n"


@pytest.mark.usefixtures("no_clones")
def test_a_large_input_of_another_size_than_hashed_is_refused(tmp_path: Path, inputs: Inputs) -> None:
    workspaces = Workspaces(tmp_path / "work", inputs.locate, project=inputs.sources, link_size=4)
    plate = inputs.source("plate.exr", "large")
    (inputs.sources / "plate.exr").write_text("larger")
    with pytest.raises(StaleInputError, match=r"plate\.exr changed while it was being read"):
        workspaces.open(action(plate))


# --- the file system


@pytest.mark.usefixtures("no_clones")
def test_where_nothing_can_be_linked_attempts_get_copies(
    workspaces: Workspaces, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted", source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    look = inputs.source("look.txt", "warm", executable=True)
    first, second = workspaces.open(action(look)), workspaces.open(action(look))
    assert not (first.cwd / "look.txt").samefile(second.cwd / "look.txt")
    assert oct((first.cwd / "look.txt").stat().st_mode & 0o777) == "0o555"
    run(first, "chmod u+w look.txt; echo x >> look.txt")
    first.check()
    assert files_in(second.cwd) == {"look.txt": "warm"}


def test_where_blocks_can_be_shared_attempts_get_files_of_their_own(
    tmp_path: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(source: int, target: int) -> bool:
        """As btrfs and XFS do it, but for the sharing."""
        os.write(target, os.pread(source, 1 << 20, 0))
        return True

    for module in (staging, bring):
        monkeypatch.setattr(module, "clone", clone)
    workspaces = Workspaces(tmp_path / "work", inputs.locate, project=inputs.sources, link_size=5)
    given = action(inputs.source("look.txt", "warm", executable=True), inputs.source("plate.exr", "large"))
    first, second = workspaces.open(given), workspaces.open(given)
    for name in ("look.txt", "plate.exr"):
        assert not (first.cwd / name).samefile(second.cwd / name)
        assert not (first.cwd / name).is_symlink()
    stat = (first.cwd / "look.txt").stat()
    assert (stat.st_mode & 0o777, stat.st_mtime) == (0o555, 315_619_200.0)
    run(first, "chmod u+w *; echo x >> look.txt; echo x >> plate.exr")
    first.check()
    assert files_in(second.cwd) == {"look.txt": "warm", "plate.exr": "large"}
    workspaces.close()


# --- its end


def test_discarding_leaves_nothing(workspaces: Workspaces, inputs: Inputs, tmp_path: Path) -> None:
    workspace = workspaces.open(action(inputs.source("a/b/look.txt", "warm"), output="out/chunk.mp4"))
    run(workspace, "echo video > out/chunk.mp4; mkdir -p deep/er; echo x > deep/er/file; echo y > $HOME/.config")
    workspace.discard()
    workspace.discard()
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["stage-2"]


def test_a_home_that_was_used_is_never_given_to_another(workspaces: Workspaces) -> None:
    first = workspaces.open(action())
    run(first, "echo secret > $HOME/.token")
    first.discard()
    second = workspaces.open(action())
    assert os.listdir(second.home) == []
    run(second, "chmod 777 $HOME")
    second.discard()
    third = workspaces.open(action())
    assert oct(Path(third.home).stat().st_mode & 0o777) == "0o700"
    assert len({first.home, second.home, third.home}) == 3


def test_a_workspace_is_never_used_again(workspaces: Workspaces) -> None:
    first = workspaces.open(action())
    stay = os.open(first.cwd, os.O_RDONLY)
    try:
        first.discard()
        second = workspaces.open(action())
        assert second.cwd != first.cwd
        with pytest.raises(FileNotFoundError):  # whoever still stands in the old one can make nothing there
            os.open("late", os.O_CREAT | os.O_WRONLY, dir_fd=stay)
    finally:
        os.close(stay)


def test_what_was_kept_is_the_workspace_as_the_command_left_it(
    workspaces: Workspaces, inputs: Inputs, tmp_path: Path
) -> None:
    kept = tmp_path / "failed" / "zoom" / "0003"
    for turn in ("first", "second"):
        workspace = workspaces.open(action(inputs.source("look.txt", "warm")))
        run(workspace, f"echo {turn} > {turn}.txt; chmod 500 .")
        assert workspace.keep(kept) == kept
        assert files_in(kept) == {"look.txt": "warm", f"{turn}.txt": f"{turn}\n"}
        assert not workspace.cwd.exists()
        assert not os.path.exists(workspace.home)


def test_a_workspace_that_its_command_removed_is_kept_as_an_empty_folder(
    workspaces: Workspaces, tmp_path: Path
) -> None:
    workspace = workspaces.open(action())
    run(workspace, 'rm -rf "$PWD"')
    assert os.listdir(workspace.keep(tmp_path / "kept")) == []


def test_closing_twice_and_closing_what_was_never_used_is_no_error(tmp_path: Path, inputs: Inputs) -> None:
    unused = Workspaces(tmp_path / "unused", inputs.locate, project=inputs.sources)
    unused.close()
    unused.close()
    assert not (tmp_path / "unused").exists()


# --- in the project


def project_action(*shared: Entry, argv: tuple[str, ...] = ("render", "-o", "\0"), **options: Any) -> Action:
    return action(*shared, workspace="project", marked_argv=argv, **options)


def test_in_the_project_the_output_is_a_path_of_the_attempts_own(workspaces: Workspaces, inputs: Inputs) -> None:
    given = project_action(inputs.source("look.txt", "warm"), argv=("sh", "-c", "cp look.txt '\0'"))
    first, second = workspaces.open(given), workspaces.open(given)
    assert first.cwd == inputs.sources
    assert first.real_argv(given) == ("sh", "-c", f"cp look.txt '{first.output}'")
    assert first.output != second.output
    run(first, first.real_argv(given)[2])
    first.check()
    assert Path(first.output).read_text() == "warm"
    first.discard()
    assert not os.path.exists(first.output)
    assert files_in(inputs.sources) == {"look.txt": "warm"}


def test_an_isolated_command_is_run_as_it_stands(workspaces: Workspaces) -> None:
    given = action()
    assert workspaces.open(given).real_argv(given) == ("true",)


def test_a_command_in_the_project_must_say_where_its_output_goes(workspaces: Workspaces) -> None:
    given = project_action(argv=("render", "chunk.mp4"))
    with pytest.raises(UsageError) as caught:
        workspaces.open(given).real_argv(given)
    assert caught.value.message == "zoom/0003 runs in the project's folder, but its command does not use {output}"


def test_an_input_of_the_project_that_changes_meanwhile_is_found_out(workspaces: Workspaces, inputs: Inputs) -> None:
    look, plate = inputs.source("look.txt", "warm"), inputs.source("plate.exr", "plate")
    for path, entry in (("look.txt", look), ("plate.exr", plate)):
        workspace = workspaces.open(project_action(look, extra=(plate,)))
        workspace.check()
        os.utime(inputs.sources / path)
        workspace.check()
        workspace = workspaces.open(project_action(look, extra=(plate,)))
        before = (inputs.sources / path).read_text()
        (inputs.sources / path).write_text(before + "x")
        with pytest.raises(StaleInputError, match=f"the input {entry.path} is not what it was"):
            workspace.check()
        (inputs.sources / path).write_text(before)


def test_an_input_that_is_not_in_the_project_is_refused_there(workspaces: Workspaces, inputs: Inputs) -> None:
    with pytest.raises(UsageError, match=r"runs in the project's folder, but its input jobs/bake/lut is not there"):
        workspaces.open(project_action(inputs.blob("jobs/bake/lut", "lut")))
    with pytest.raises(UsageError, match=r"runs in the project's folder and cannot be given 'inputs\.txt' there"):
        workspaces.open(project_action(files=(("inputs.txt", "a"),)))


# --- several at once


def test_threads_that_open_run_check_and_discard_at_once_leave_only_the_stage(
    workspaces: Workspaces, inputs: Inputs, tmp_path: Path
) -> None:
    given = action(inputs.source("look.txt", "warm"), output="out/chunk.mp4")
    failures: list[Path] = []

    def attempt(_: int) -> None:
        workspace = workspaces.open(given)
        if run(workspace, "cat look.txt > out/chunk.mp4").exit_code or Path(workspace.output).read_text() != "warm":
            failures.append(workspace.cwd)
        workspace.check()
        workspace.discard()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(attempt, range(60)))
    assert not failures
    left = {p.name.partition("-")[0] for p in (tmp_path / "work").iterdir() if not p.name.endswith(".tmp")}
    assert left == {"stage"}
