"""What the URL of a store or a service looks like. Opens none."""

from __future__ import annotations

from helios_pipe.regex import regex

_STORE = regex(r"(?:s3|gs|https?)://[^/\s]+\S*\Z|file:///\S.*\Z")
_WEB = regex(r"https?://[^/\s]+\S*\Z")


def url_problem(url: str, *, stores: bool = True) -> str | None:
    """What is wrong with the URL of a store (or of a web service), None where nothing is."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        return "holds credentials, which never stand in a manifest: each SDK's own chain finds them"
    if stores and not _STORE.match(url):
        return f"{url!r} is no store, expected s3://bucket/prefix, gs://bucket/prefix, file:///folder or http(s)://host"
    if not stores and not _WEB.match(url):
        return f"{url!r} is no address, expected one such as https://host/path"
    return None
