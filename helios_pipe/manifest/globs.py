"""Patterns -> the files of a project that they mean, and the folders that were looked into. Knows no jobs and no keys."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from helios_pipe.errors import UsageError
from helios_pipe.manifest.paths import PRIVATE
from helios_pipe.manifest.patterns import (
    Pattern,
    compile_part,
    is_under,
    is_wild,
    literal_key,
    parse_pattern,
    path_regex,
    pattern_problem,
    unescape,
)
from helios_pipe.tuples import NamedTuple


class Expansion(NamedTuple):
    """What patterns came to. `files` are relative paths with `/`, sorted; `folders` are those that were looked into (`.` is
    the project's own): a file can only join or leave the expansion where one of them, or of the files, changes; `unmatched`
    are the patterns that no file is left of."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    dangling: bool = False
    """Whether a link in one of the folders leads nowhere: what appears at its end changes none of them."""


def expand(root: Path, patterns: Sequence[str]) -> Expansion:
    """The files below `root` that the patterns mean (see `patterns`).

    Links are followed: to a file for its content, to a folder unless it leads back to where it stands. `.git` and `.helios`
    are only looked into where a pattern names them. Raises UsageError where a pattern leaves the project or a folder cannot
    be read.
    """
    parsed = []
    for text in patterns:
        problem = pattern_problem(text)
        if problem:
            raise UsageError(f"inputs: {problem}")
        parsed.append(parse_pattern(text))
    files: set[str] = set()
    unmatched: dict[str, None] = {}
    walk = _Walk(os.path.abspath(root))
    for pattern in reversed(parsed):  # an exclusion holds for the patterns before it
        if pattern.excludes:
            walk.exclude(pattern)
            continue
        found = walk.literal(pattern) if pattern.literal is not None else list(walk.glob(pattern))
        files.update(found)
        if not found:
            unmatched[pattern.text] = None
    return Expansion(tuple(sorted(files)), tuple(sorted(walk.folders)), tuple(reversed(unmatched)), walk.dangling)


class _Walk:
    """Looks into folders, into each one once."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/") + "/"
        self._excludes: list[re.Pattern[str]] = []
        self._shut: list[tuple[re.Pattern[str], str]] = []
        """What matches a folder of which nothing is left, with this behind its path."""
        self._excluded_paths: set[str] = set()
        self._listings: dict[str, list[os.DirEntry[str]]] = {}
        self._above: set[tuple[int, int]] | None = None

    @property
    def folders(self) -> Iterator[str]:
        """What was looked into."""
        return (folder.rstrip("/") or "." for folder in self._listings)

    @property
    def dangling(self) -> bool:
        """Whether there is a link that leads nowhere in what was looked into."""
        entries = (entry for listing in self._listings.values() for entry in listing)
        return any(entry.is_symlink() and not os.path.exists(entry.path) for entry in entries)

    def exclude(self, pattern: Pattern) -> None:
        """From now on leave out what the pattern means."""
        if pattern.literal is None:
            self._excludes.append(path_regex(pattern))
            self._shut.append((path_regex(_without_ending(pattern)), "/" if pattern.folder_only else ""))
        else:
            self._excluded_paths.add(literal_key(pattern))

    def literal(self, pattern: Pattern) -> list[str]:
        """The one file that the pattern names, or everything below the folder that it names."""
        path = pattern.literal or ""
        try:
            mode = os.stat(self._root + path).st_mode
        except (OSError, ValueError):
            return []
        if S_ISDIR(mode):
            return list(self._everything(path + "/"))
        return [path] if S_ISREG(mode) and not pattern.folder_only and not self._excluded(path) else []

    def glob(self, pattern: Pattern) -> Iterator[str]:
        """The files that match a pattern with wildcards."""
        base, rest = "", list(pattern.parts)
        while rest and not is_wild(rest[0]):
            base += unescape(rest.pop(0)) + "/"
        if base and not os.path.isdir(self._root + base):
            return
        yield from self._match(base, frozenset((0,)), rest, pattern.folder_only)

    def _match(self, folder: str, states: frozenset[int], parts: list[str], folder_only: bool) -> Iterator[str]:
        """Walk down with the set of places in the pattern that the path so far may have reached."""
        reached = set(states)
        for state in sorted(states):
            while parts[state] == "**" and state + 1 < len(parts):
                state += 1
                reached.add(state)
        for entry in self._list(folder):
            name, path = entry.name, folder + entry.name
            if _is_folder(entry):
                onward, whole, named = _advance(reached, parts, name)
                if (onward or whole) and (named or name not in PRIVATE) and self._enters(folder, entry):
                    yield from (
                        self._everything(path + "/") if whole else self._match(path + "/", onward, parts, folder_only)
                    )
            elif not folder_only and self._ends(reached, parts, name) and _is_file(entry) and not self._excluded(path):
                yield path

    def _everything(self, folder: str) -> Iterator[str]:
        for entry in self._list(folder):
            if _is_folder(entry):
                if entry.name not in PRIVATE and self._enters(folder, entry):
                    yield from self._everything(folder + entry.name + "/")
            elif _is_file(entry) and not self._excluded(folder + entry.name):
                yield folder + entry.name

    def _ends(self, reached: set[int], parts: list[str], name: str) -> bool:
        last = len(parts) - 1
        return last in reached and (parts[last] == "**" or compile_part(parts[last]).match(name) is not None)

    def _list(self, folder: str) -> list[os.DirEntry[str]]:
        listing = self._listings.get(folder)
        if listing is None:
            try:
                with os.scandir(self._root + folder) as entries:
                    listing = list(entries)
            except OSError as error:
                raise UsageError(f"cannot look into the folder {folder or '.'!r}: {error.strerror}") from error
            self._listings[folder] = listing
        return listing

    def _enters(self, folder: str, entry: os.DirEntry[str]) -> bool:
        """Whether a folder is to be gone into: not where all below it is excluded, nor through a link to a folder that it
        stands in."""
        path = folder + entry.name
        if self._excluded_paths and is_under(f"{path}/\0", self._excluded_paths):  # as no file is called
            return False
        if any(regex.match(path + ending) for regex, ending in self._shut):
            return False
        if not entry.is_symlink():
            return True
        there = entry.stat()
        return (there.st_dev, there.st_ino) not in self._ancestors(folder)

    def _ancestors(self, folder: str) -> set[tuple[int, int]]:
        if self._above is None:
            real = os.path.realpath(self._root)
            steps = [real[:at] or "/" for at in range(len(real)) if real[at] == "/"]
            self._above = {_identity(step) for step in (*steps, real)}
        steps = [folder[:at] for at in range(len(folder)) if folder[at] == "/"]
        return self._above.union(_identity(self._root + step) for step in steps)

    def _excluded(self, path: str) -> bool:
        if self._excluded_paths and is_under(path, self._excluded_paths):
            return True
        return any(regex.match(path) for regex in self._excludes)


def _without_ending(pattern: Pattern) -> Pattern:
    """What excludes the whole folders that the pattern leaves nothing of: `in/**`, `in/*` and `in/**/*` do what `in` does, and
    `in/*/**` what `in/*` does, which leaves the files in `in` alone."""
    parts = pattern.parts
    if not pattern.folder_only and len(parts) > 1 and parts[-1] in ("*", "**"):
        parts = parts[:-1]  # it stands for one name at least, those before it for none where they are `**`
        while len(parts) > 1 and parts[-1] == "**":
            parts = parts[:-1]
    return pattern._replace(parts=parts)


def _advance(reached: set[int], parts: list[str], name: str) -> tuple[frozenset[int], bool, bool]:
    """From where a path may be in the pattern: where it may be below the folder `name`, whether everything below is meant,
    and whether the pattern names the folder."""
    onward: set[int] = set()
    whole = named = False
    last = len(parts) - 1
    for state in reached:
        part = parts[state]
        if part == "**":
            onward.add(state)
            whole = whole or state == last
        elif compile_part(part).match(name):
            named = named or not is_wild(part)
            if state == last:
                whole = True
            else:
                onward.add(state + 1)
    return frozenset(onward), whole, named


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or to where we may not look
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
