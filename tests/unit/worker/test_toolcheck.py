"""A tool's line is the first that it prints, and who prints none is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helios_pipe.errors import ToolError
from helios_pipe.worker import toolcheck
from helios_pipe.worker.toolcheck import tool_line


def tool(folder: Path, name: str, script: str) -> str:
    """A PATH on which `name` runs the script."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.defpath}"


def test_the_line_is_the_first_of_stdout_that_is_not_empty(tmp_path: Path) -> None:
    path = tool(tmp_path, "render", "echo noise >&2; echo; echo '  render 4.2  '; echo built today")
    found = tool_line("render", (), path)
    stat = (tmp_path / "render").stat()
    assert (found.name, found.line, found.program) == ("render", "render 4.2", str(tmp_path / "render"))
    assert found.mark == (stat.st_size, stat.st_mtime_ns, stat.st_ino)


def test_a_tool_that_answers_on_stderr_is_heard(tmp_path: Path) -> None:
    assert tool_line("render", (), tool(tmp_path, "render", "echo render 4.2 >&2")).line == "render 4.2"


def test_two_dashes_are_tried_where_one_fails(tmp_path: Path) -> None:
    path = tool(tmp_path, "render", '[ "$1" = --version ] || { echo "bad option $1"; exit 2; }; echo render 4.2')
    assert tool_line("render", (), path).line == "render 4.2"


def test_only_the_given_words_are_asked_where_there_are_some(tmp_path: Path) -> None:
    path = tool(tmp_path, "render", 'echo "asked: $*"')
    assert tool_line("render", ("render", "about", "--short"), path).line == "asked: about --short"


def test_a_tool_is_asked_in_a_folder_of_its_own_without_the_callers_environment(tmp_path: Path) -> None:
    path = tool(tmp_path, "render", 'touch left; echo "$(ls) $HOME $PWD ${USER-none}"')
    left, home, cwd, user = tool_line("render", (), path).line.split()
    assert (left, user) == ("left", "none")
    assert home == cwd
    assert not Path(cwd).exists()


def test_a_missing_tool_is_named_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        tool_line("render", (), str(tmp_path))
    assert caught.value.message == f"tool render is not on PATH ({tmp_path})"
    assert (
        caught.value.hint == 'Install render, or pin its version (`tools: {render: "…"}`) where only workers have it.'
    )


def test_a_missing_ffmpeg_comes_with_the_extra_to_install(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"pip install 'helios-pipe\[ffmpeg\]'"):
        tool_line("ffmpeg", (), str(tmp_path))


def test_a_tool_that_says_nothing_is_named_with_what_was_tried(tmp_path: Path) -> None:
    path = tool(tmp_path, "render", '[ "$1" = -version ] && exit 0; exit 7')
    with pytest.raises(ToolError) as caught:
        tool_line("render", (), path)
    assert caught.value.message == (
        f"tool render ({tmp_path}/render) does not say its version: "
        "render -version: printed nothing; render --version: exit code 7"
    )
    assert "`render: {digest: true}`" in caught.value.hint


def test_a_tool_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolcheck, "LIMIT_S", 0.2)
    path = tool(tmp_path, "render", "exec sleep 300")
    with pytest.raises(ToolError, match=r"render -version: ran longer than its timeout of 0\.2 s, and was ended"):
        tool_line("render", (), path)
