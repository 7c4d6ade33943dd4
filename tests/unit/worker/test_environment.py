"""A command sees what was declared, and what no secret is for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.action.model import Action, Output
from helios_pipe.errors import UnusableError, UsageError
from helios_pipe.worker.environment import command_environment, secret_values, tool_path

CALLER = {"PATH": "/caller/bin", "HOME": "/home/someone", "LANG": "de_DE.UTF-8", "TOKEN": "hunter2", "CUDA": "0"}


def action(**options: Any) -> Action:
    return Action("zoom/0003", "chunk", ("true",), Output("chunk.mp4"), **options)


def environment(given: Action) -> dict[str, str]:
    return command_environment(given, CALLER, Path("/scratch"), "/tools")


def test_by_itself_nothing_of_the_callers_environment_reaches_a_command() -> None:
    assert environment(action()) == {
        "PATH": "/tools",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "HOME": "/scratch",
        "TMPDIR": "/scratch",
    }


def test_what_is_passed_or_declared_wins_over_the_defaults() -> None:
    found = environment(action(pass_env=("HOME", "CUDA", "UNSET"), env=(("TZ", "Asia/Tokyo"), ("QUALITY", "high"))))
    assert (found["HOME"], found["TMPDIR"], found["CUDA"]) == ("/home/someone", "/scratch", "0")
    assert (found["TZ"], found["QUALITY"]) == ("Asia/Tokyo", "high")
    assert "UNSET" not in found


def test_what_is_declared_wins_over_what_is_passed_for_it_is_keyed() -> None:
    assert environment(action(pass_env=("CUDA",), env=(("CUDA", "1"),)))["CUDA"] == "1"


def test_a_secret_is_passed_and_known_to_be_masked() -> None:
    given = action(secrets=("TOKEN",))
    assert environment(given)["TOKEN"] == "hunter2"
    assert secret_values(given, CALLER) == ("hunter2",)
    assert secret_values(action(), CALLER) == ()


def test_an_unset_secret_is_named_with_who_needs_it() -> None:
    for call in (environment, lambda given: secret_values(given, CALLER)):
        with pytest.raises(UsageError) as caught:
            call(action(secrets=("LICENCE",)))
        assert str(caught.value) == (
            "zoom/0003 needs the secret LICENCE, which is not set in the environment\n"
            "  Set LICENCE, or take it out of `secrets`."
        )


def test_a_secret_of_several_lines_is_masked_line_by_line_too() -> None:
    caller = {"KEY": "-----BEGIN-----\nabcdefgh\n}\n-----END-----\n", "EMPTY": "", "BLANK": " \n"}
    values = secret_values(action(secrets=("KEY", "EMPTY", "BLANK")), caller)
    assert values == (
        caller["KEY"],
        caller["KEY"].strip(),
        "-----BEGIN-----",
        "abcdefgh",
        "-----END-----",
    )


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return folder


def test_with_an_ffmpeg_on_it_the_callers_path_is_the_path(tmp_path: Path) -> None:
    bin_dir = program(tmp_path / "bin", "ffmpeg")
    assert tool_path(f"/nowhere:{bin_dir}", tmp_path / "extra") == f"/nowhere:{bin_dir}"
    assert not (tmp_path / "extra").exists()


def test_without_one_the_bundled_ffmpeg_is_linked_last(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    for _ in range(2):
        assert tool_path(str(tmp_path), extra) == f"{tmp_path}:{extra}"
        assert os.listdir(extra) == ["ffmpeg"]
        assert os.access(extra / "ffmpeg", os.X_OK)


def test_a_link_that_leads_nowhere_any_more_is_mended(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "ffmpeg").symlink_to(tmp_path / "uninstalled")
    tool_path(str(tmp_path), extra)
    assert (extra / "ffmpeg").exists()


def test_a_link_to_another_ones_program_is_mended(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    program(extra, "other")
    (extra / "ffmpeg").symlink_to(extra / "other")
    tool_path(str(tmp_path), extra)
    assert "imageio_ffmpeg" in os.readlink(extra / "ffmpeg")


@pytest.mark.parametrize("linked", [True, False])
def test_the_extra_is_found_and_not_imported(tmp_path: Path, linked: bool) -> None:
    if linked:
        tool_path(str(tmp_path), tmp_path / "extra")
    code = (
        "import sys, pathlib; from helios_pipe.worker.environment import tool_path;"
        "print(tool_path(*sys.argv[1:2], pathlib.Path(sys.argv[2])), 'imageio_ffmpeg' in sys.modules)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "extra")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"{tmp_path}:{tmp_path}/extra", "False"]


def test_relative_folders_mean_the_callers_place_and_empty_ones_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_dir = program(tmp_path / "bin", "ffmpeg")
    monkeypatch.chdir(tmp_path)
    assert tool_path(":bin::/usr/bin", tmp_path / "extra") == f"{bin_dir}:/usr/bin"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableError, match=r"/file/extra cannot be written"):
        tool_path(str(tmp_path), tmp_path / "file" / "extra")
