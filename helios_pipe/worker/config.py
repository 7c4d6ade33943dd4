"""How a worker in a container is set up: all of it by its environment, nothing by a request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from helios_pipe import settings

GOOGLE_ISSUER = "https://accounts.google.com"
GOOGLE_CERTS = "https://www.googleapis.com/oauth2/v1/certs"


@dataclass(frozen=True, slots=True)
class Identity:
    """What an id token must show. Without an `audience` nobody is asked for one. `callers` are e-mail addresses (none: any
    that the issuer knows). `trust_iam`: somebody in front has looked at the signature, and may have taken it away."""

    audience: str | None = None
    callers: tuple[str, ...] = ()
    issuer: str = GOOGLE_ISSUER
    certs_url: str = GOOGLE_CERTS
    trust_iam: bool = False


NOBODY_ASKED = Identity()


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """`store` and `job_prefixes` are where a worker may read from; with `signing_key`, specs must be signed. `limit_bytes` is
    how much it keeps in `folder` (None: half of what is free), `timeout_s` how long a request may take where the platform
    does not say, `threads` how many requests a server takes at once."""

    store: str | None = None
    job_prefixes: tuple[str, ...] = ()
    signing_key: bytes | None = None
    folder: Path = Path("/tmp/helios-pipe")  # noqa: S108 - the one place that Lambda can write to
    limit_bytes: int | None = None
    timeout_s: float | None = None
    host: str = "0.0.0.0"  # noqa: S104 - a container is reached from outside
    port: int = 8080
    threads: int = 8
    identity: Identity = NOBODY_ASKED


def worker_config() -> WorkerConfig:
    """What the environment says. Raises UsageError, naming the variable, on one that cannot be read."""
    plain = WorkerConfig()
    limit = settings.whole("HELIOS_PIPE_TMP_LIMIT_MB")
    return WorkerConfig(
        store=settings.text("HELIOS_PIPE_STORE"),
        job_prefixes=settings.words("HELIOS_PIPE_JOB_PREFIXES"),
        signing_key=settings.signing_key(),
        folder=Path(settings.text("HELIOS_PIPE_WORK_DIR") or plain.folder),
        limit_bytes=None if limit is None else limit << 20,
        timeout_s=settings.whole("HELIOS_PIPE_REQUEST_TIMEOUT_S"),
        host=settings.text("HELIOS_PIPE_HOST") or plain.host,
        port=settings.whole("PORT") or plain.port,
        threads=settings.whole("HELIOS_PIPE_THREADS") or plain.threads,
        identity=Identity(
            settings.text("HELIOS_PIPE_AUDIENCE"),
            settings.words("HELIOS_PIPE_CALLERS"),
            settings.text("HELIOS_PIPE_OIDC_ISSUER") or GOOGLE_ISSUER,
            settings.text("HELIOS_PIPE_OIDC_CERTS") or GOOGLE_CERTS,
            settings.flag("HELIOS_PIPE_TRUST_IAM"),
        ),
    )
