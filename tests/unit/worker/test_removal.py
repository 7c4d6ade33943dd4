"""Folders are removed whatever is in them, and nothing besides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from helios_pipe.worker.removal import remove_tree


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "none"))


def test_files_folders_and_links_go_and_what_links_lead_to_stays(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    top = tmp_path / "top"
    (top / "a/b/c").mkdir(parents=True)
    (top / "a/b/file").write_text("x")
    (top / "a/b/link").symlink_to(precious)
    (top / "other").symlink_to(precious / "file")
    os.mkfifo(top / "a/fifo")
    remove_tree(str(top))
    assert not top.exists()
    assert (precious / "file").read_text() == "x"


def test_a_link_or_a_file_in_the_folders_place_is_removed_itself(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "file").write_text("x")
    remove_tree(str(tmp_path / "link"))
    remove_tree(str(tmp_path / "file"))
    assert os.listdir(tmp_path) == ["precious"]


def test_a_tree_deeper_than_any_path_or_stack_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    folder = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    remove_tree(str(top))
    assert not top.exists()


CLOSED = """
import os, sys
from pathlib import Path
from helios_pipe.worker.removal import remove_tree
if os.getuid() == 0:
    os.setuid(65534)  # root minds no modes
top = Path(sys.argv[1])
(top / "a/b/c").mkdir(parents=True)
(top / "a/b/file").write_text("x")
for folder in ("a/b/c", "a/b", "a", "."):
    (top / folder).chmod(0o000)
remove_tree(str(top))
print(top.exists())
"""


def test_closed_folders_are_no_obstacle_to_who_owns_them(tmp_path: Path) -> None:
    home = Path("/tmp") / f"helios-pipe-{os.getpid()}"
    home.mkdir()
    home.chmod(0o777)
    try:
        done = subprocess.run(
            [sys.executable, "-c", CLOSED, str(home / "top")], capture_output=True, text=True, check=True
        )
        assert done.stdout == "False\n"
    finally:
        home.rmdir()
