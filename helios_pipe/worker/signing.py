"""Signatures of job specs: HMAC-SHA256 over the canonical JSON, kept inside the spec. Knows nothing of what a spec says.

Whoever can write to the bucket can put a spec there, and a spec is a command to run. With a key on both sides, a worker
runs only what the orchestrator signed.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from helios_pipe.digest import canonical
from helios_pipe.errors import AdapterError

SECTION, FIELD = "heliosPipe", "signature"
KEY_VARIABLE = "HELIOS_PIPE_SIGNING_KEY"
SHORTEST_KEY = 16


def check_key(key: bytes | None) -> bytes | None:
    """`key`, if it may sign; None where there is none. Raises AdapterError on one that can be guessed."""
    if key is not None and len(key) < SHORTEST_KEY:
        raise AdapterError(
            f"{KEY_VARIABLE} has {len(key)} bytes, expected at least {SHORTEST_KEY}",
            hint="Make one: openssl rand -hex 32",
        )
    return key


def sign(spec: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """`spec` with its signature in it, in place of one that was there."""
    section = {**spec.get(SECTION, {}), FIELD: _signature(spec, key)}
    return {**spec, SECTION: section}


def check_signature(spec: Mapping[str, Any], key: bytes | None, where: str) -> None:
    """Raises AdapterError where there is a key and the spec that came from `where` was not signed with it."""
    if key is None:
        return
    section = spec.get(SECTION)
    given = section.get(FIELD) if isinstance(section, dict) else None
    if not isinstance(given, str):
        raise AdapterError(
            f"the job spec {where} is not signed, and this worker runs signed ones only",
            hint=f"Set {KEY_VARIABLE} to the same value where the job is started.",
        )
    if not hmac.compare_digest(given.encode(), _signature(spec, key).encode()):
        raise AdapterError(
            f"the job spec {where} has a wrong signature",
            hint=f"It was changed, or {KEY_VARIABLE} differs between the worker and where the job is started.",
        )


def _signature(spec: Mapping[str, Any], key: bytes) -> str:
    section = spec.get(SECTION, {})
    unsigned = {**spec, SECTION: {name: value for name, value in section.items() if name != FIELD}}
    return hmac.digest(key, canonical(unsigned), "sha256").hex()
