"""Removes folders that somebody else filled, whatever is in them. Knows nothing of what they were for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Remove the folder with all that is below it; not being there is no error. Follows no links, minds neither modes nor
    depth. Raises OSError where something cannot be removed, or is written to meanwhile.

    A folder's folders are moved up to the top before it is removed, so that no path gets long and no stack deep."""
    try:
        top = _enter(path, None)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)
        return
    try:
        token = os.urandom(8).hex()
        names = (f"{token}{serial}" for serial in count())
        while folders := _remove_files(top):
            for folder in folders:
                _remove_folder(top, folder, names)
    finally:
        os.close(top)
    os.rmdir(path)


def _remove_folder(top: int, folder: str, names: Iterator[str]) -> None:
    inside = _enter(folder, top)
    try:
        for inner in _remove_files(inside):
            _move_up(inside, inner, top, next(names))
    finally:
        os.close(inside)
    os.rmdir(folder, dir_fd=top)


def _remove_files(folder: int) -> list[str]:
    """Remove everything but folders, and return their names."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=folder)
    return folders


def _move_up(folder: int, name: str, top: int, new: str) -> None:
    try:
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
    except PermissionError:  # a folder that changes its parent is written to
        os.chmod(name, 0o700, dir_fd=folder)
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)


def _enter(name: str, parent: int | None) -> int:
    """The folder, opened, and open to us."""
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        folder = os.open(name, _FOLDER, dir_fd=parent)
    os.fchmod(folder, 0o700)
    return folder
