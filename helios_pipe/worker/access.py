"""What a worker may read and what it may pass on. Decides by its own configuration only, never by the request; does nothing.

A request names a URL, and whoever may send requests chooses it. Were it simply opened, a worker would be a window into its
network: the metadata server's credentials, files of its own, private addresses. So a job URL must stand below a configured
prefix, spelled plainly. What the configuration names is allowed whatever it is, a folder or a loopback address too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from helios_pipe.errors import AdapterError, UsageError
from helios_pipe.regex import regex

_LONGEST_URL = 8192
_PLAIN = regex(r"[!-~]+")
_OWN = regex(r"(AWS|GOOGLE|GCLOUD|CLOUDSDK|HELIOS_PIPE|LAMBDA|_?X_AMZN|BOTO)_|_HANDLER$|GCE_METADATA_")
"""Variables of the worker itself: its credentials, and what tells it where to find some."""


class JobPrefixes:
    """Where job specs may be read from: below `store` (its jobs), and below each of `prefixes`."""

    def __init__(self, store: str | None, prefixes: Iterable[str] = ()) -> None:
        """Raises UsageError on a prefix that names no host or folder, and so would allow anything."""
        self._prefixes = tuple(_checked(prefix) for prefix in prefixes)
        if store is not None:
            self._prefixes = (f"{store.rstrip('/')}/jobs/", *self._prefixes)

    def check(self, url: str) -> str:
        """`url`, if it may be opened. Raises AdapterError."""
        problem = _problem(url)
        if not problem and not any(url.startswith(prefix) for prefix in self._prefixes):
            problem = f"this worker reads jobs below {_listed(self._prefixes)} only"
        if problem:
            raise AdapterError(
                f"the job URL {shown(url)!r} is refused: {problem}",
                hint="Where a worker may read from is its own configuration: HELIOS_PIPE_STORE, HELIOS_PIPE_JOB_PREFIXES.",
            )
        return url


def shown(url: str) -> str:
    """A URL as it may be shown: without its query, which can hold a signature, and not endless."""
    return url.partition("?")[0][:200]


def passed_on(names: Sequence[str], node: str) -> None:
    """Raises AdapterError where a spec asks for a variable that a worker keeps to itself."""
    for name in names:
        if _OWN.match(name):
            raise AdapterError(
                f"{node} asks for the variable {name}, which a worker never passes to a command",
                hint="Give the command credentials of its own, under another name.",
            )


def without_own(environment: Mapping[str, str]) -> dict[str, str]:
    """The worker's environment without what is its own: for the commands of plain Helios specs, which declare nothing."""
    return {name: value for name, value in environment.items() if not _OWN.match(name)}


def _checked(prefix: str) -> str:
    parts = urlsplit(prefix)
    place = parts.path.strip("/") if parts.scheme == "file" else parts.netloc
    if not parts.scheme or not place or _problem(prefix):
        raise UsageError(
            f"HELIOS_PIPE_JOB_PREFIXES has {prefix!r}, expected URLs such as https://host/path or s3://bucket/path"
        )
    return f"{prefix.rstrip('/')}/"


def _problem(url: str) -> str:
    if len(url) > _LONGEST_URL or not _PLAIN.fullmatch(url) or "\\" in url:
        return "it is not a plain URL"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "it is not a plain URL"
    if parts.scheme not in ("http", "https", "s3", "gs", "file"):
        return "it is a file's path or of an unknown scheme"
    if "@" in parts.netloc or parts.fragment or (parts.query and parts.scheme not in ("http", "https")):
        return "it has a login, a query or a fragment in it"
    path = parts.path
    for _ in range(3):  # %252e is a dot to whoever decodes twice
        if any(part in (".", "..") for part in path.replace("\\", "/").split("/")) or "//" in path:
            return "its path has `.`, `..` or an empty part in it"
        path = unquote(path)
    return ""


def _listed(prefixes: Sequence[str]) -> str:
    return ", ".join(prefixes) or "(none is configured)"
