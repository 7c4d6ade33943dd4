"""Runs chunks on a Google Cloud Run service: an HTTP worker behind Google's identity checks."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from helios_pipe.adapters.http import HttpAdapter, HttpConfig
from helios_pipe.adapters.identity import IdTokens


@dataclass(frozen=True, slots=True)
class CloudRunConfig:
    """Which service. `audience` is what the id token is for; without one, the URL's origin."""

    url: str
    audience: str | None = None
    concurrency: int = 100
    job_url: str | None = None


class CloudRunAdapter(HttpAdapter):
    """A WorkerAdapter, see HttpAdapter."""

    def __init__(self, config: CloudRunConfig, tokens: IdTokens | None = None) -> None:
        parts = urlsplit(config.url)
        identity = tokens or IdTokens(config.audience or f"{parts.scheme}://{parts.netloc}")
        http = HttpConfig(config.url, config.concurrency, config.job_url, costs_money=True)
        super().__init__(http, identity.headers)
