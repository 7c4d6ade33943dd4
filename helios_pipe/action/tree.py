"""Reading trees that somebody else wrote. Knows nothing of where they came from or where their files go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unicodedata import normalize

from helios_pipe.action.model import Entry, Tree
from helios_pipe.digest import Digest, is_digest, read_canonical
from helios_pipe.errors import StoreError
from helios_pipe.regex import regex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EXECUTABLE = {0o644: False, 0o755: True}
_ODD_PARTS = frozenset(("", ".", ".."))
_ODD_PART = regex(r"(?:^|[/\0])\.{0,2}(?:[/\0]|\Z)")


def read_tree(data: bytes) -> Tree:
    """The tree whose canonical JSON `data` is. Raises StoreError where it is none, or one that `check_paths` refuses."""
    try:
        records = read_canonical(data)
        if not isinstance(records, dict):
            raise TypeError("not a mapping")
        tree = Tree.of(_entry(path, record) for path, record in records.items())
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"this is no tree of files: {error}") from error
    check_paths(entry.path for entry in tree.entries)
    return tree


def _entry(path: str, record: Any) -> Entry:
    digest, size, mode = record["sha256"], record["size"], record["mode"]
    if not isinstance(digest, str) or not is_digest(digest):
        raise ValueError(f"{path!r} has no SHA-256 digest")
    if type(size) is not int or size < 0:
        raise ValueError(f"{path!r} has no size")
    if type(mode) is not int or mode not in _EXECUTABLE:
        raise ValueError(f"{path!r} has a mode other than 0644 and 0755")
    return Entry(path, Digest(digest), size, _EXECUTABLE[mode])


def check_paths(paths: Iterable[str]) -> None:
    """Refuse, with StoreError, what could leave its folder or be two files in one place: absolute paths, `.` and `..`,
    empty parts, NUL, two that are equal under case folding, a file that is also a folder."""
    paths = tuple(paths)
    if _plainly_fine(paths):
        return
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        _check_path(path)
        folded = fold(path)
        if folded in seen and seen[folded] != path:
            raise StoreError(f"{path!r} and {seen[folded]!r} are one file where names ignore case")
        seen[folded] = path
        while (cut := folded.rfind("/")) > 0 and (folded := folded[:cut]) not in folders:
            folders[folded] = path
    for folded, inside in folders.items():
        if folded in seen:
            raise StoreError(f"{seen[folded]!r} is a file and also the folder of {inside!r}")


def _plainly_fine(paths: Sequence[str]) -> bool:
    """Whether nothing can be wrong with them, found out for all in one go: so it is with most sets. False where that is not
    sure."""
    text = "\0".join(paths)
    if not text.isascii() or text.count("\0") >= max(1, len(paths)) or _ODD_PART.search(text):
        return False
    files = set(map(str.lower, paths))
    if len(files) < len(paths):
        return False
    folders = files
    while folders := {path.rpartition("/")[0] for path in folders} - {""}:
        if not folders.isdisjoint(files):
            return False
    return True


def fold(path: str) -> str:
    """What a file system that ignores case and Unicode forms takes `path` for."""
    if path.isascii():
        return path.lower()
    return normalize("NFC", normalize("NFC", path).casefold())


def _check_path(path: str) -> None:
    if not path or "\0" in path or path.startswith("/"):
        raise StoreError(f"{path!r} is not a relative path")
    if not _ODD_PARTS.isdisjoint(path.split("/")):
        raise StoreError(f"{path!r} has an empty part, `.` or `..` in it")
