"""Takes secrets out of a stream of bytes. Knows nothing of where the bytes come from or go to.

Only the plain text is known, as UTF-8: a command that prints a secret in base64, URL-encoded or letter by letter shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_STARS = b"***"


class Mask:
    """Replaces texts by `***`, also where one is split between two pieces. One for each stream; not thread-safe."""

    def __init__(self, texts: Iterable[str]) -> None:
        secrets = {text.encode("utf-8", "surrogateescape") for text in texts if text}
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets))) if secrets else None
        self._held = b""

    def feed(self, data: bytes, *, final: bool = False) -> bytes:
        """What may be shown of the stream so far. An end that could be the beginning of a secret is held back until more
        comes, or until `final`."""
        if self._pattern is None:
            return data
        data = self._held + data
        hold = len(data) if final else self._beginning(data)
        shown: list[bytes] = []
        at = 0
        for match in self._pattern.finditer(data):
            if match.start() >= hold:
                break
            shown += (data[at : match.start()], _STARS)
            at = match.end()
        hold = max(hold, at)
        shown.append(data[at:hold])
        self._held = data[hold:]
        return b"".join(shown)

    def _beginning(self, data: bytes) -> int:
        """Where the first end of `data` starts that is the beginning of a secret, but not all of it."""
        first = len(data)
        for secret in self._secrets:
            at = max(0, len(data) - len(secret) + 1)
            while (at := data.find(secret[:1], at)) != -1 and at < first:
                if secret.startswith(data[at:]):
                    first = at
                at += 1
        return first


def masked(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets."""
    shown = Mask(secrets).feed(text.encode("utf-8", "surrogateescape"), final=True)
    return shown.decode("utf-8", "replace")
