"""`worker`: the other side, in a container: takes chunks from an orchestrator elsewhere."""

from __future__ import annotations

import click


@click.group("worker")
def command() -> None:
    """Take chunks from an orchestrator elsewhere. Set up by the environment alone: see docs/cloud.md."""


@command.command("cloudrun")
def cloudrun() -> None:
    """Serve HTTP on $PORT, or run one chunk where this is a task of a Cloud Run job."""
    from helios_pipe.pipeline.workers import serve_cloudrun

    serve_cloudrun()


@command.command("lambda")
def aws_lambda() -> None:
    """Ask AWS Lambda's runtime API for events, until it ends us."""
    from helios_pipe.pipeline.workers import serve_lambda

    serve_lambda()
