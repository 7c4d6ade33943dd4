"""helios-pipe: Make for frames.

The names below are public. They are loaded when they are first used, so that `import helios_pipe` costs nothing and no
cloud package is imported before something asks for it.
"""

from __future__ import annotations

from helios_pipe.version import __version__

_HOME: dict[str, str] = {
    "ArtifactStorage": "helios_pipe.ports",
    "AwsHandlerConfig": "helios_pipe.worker.aws",
    "AwsLambdaAdapter": "helios_pipe.adapters.aws_lambda",
    "BlobStore": "helios_pipe.ports",
    "Capabilities": "helios_pipe.ports",
    "ChunkLog": "helios_pipe.job_status",
    "CloudRunAdapter": "helios_pipe.adapters.cloud_run",
    "CloudRunConfig": "helios_pipe.adapters.cloud_run",
    "CloudRunServerConfig": "helios_pipe.worker.cloudrun_server",
    "CorruptRecordError": "helios_pipe.job_status",
    "DaskAdapter": "helios_pipe.adapters.dask",
    "DaskConfig": "helios_pipe.adapters.dask",
    "FailureClass": "helios_pipe.ports",
    "FfmpegStitcher": "helios_pipe.stitch.join",
    "FileJobRepository": "helios_pipe.jobs.files",
    "HeliosPipeError": "helios_pipe.errors",
    "HttpAdapter": "helios_pipe.adapters.http",
    "HttpConfig": "helios_pipe.adapters.http",
    "InMemoryJobRepository": "helios_pipe.jobs.memory",
    "JobChunk": "helios_pipe.manifest.helios",
    "JobControl": "helios_pipe.job_ports",
    "JobExecutionOptions": "helios_pipe.job_ports",
    "JobExecutor": "helios_pipe.pipeline.executor",
    "JobFailedError": "helios_pipe.job_ports",
    "JobManager": "helios_pipe.jobs.manager",
    "JobMetadata": "helios_pipe.manifest.helios",
    "JobOutput": "helios_pipe.job_ports",
    "JobProgress": "helios_pipe.job_ports",
    "JobRepository": "helios_pipe.job_ports",
    "JobResult": "helios_pipe.job_ports",
    "JobSpec": "helios_pipe.manifest.helios",
    "JobState": "helios_pipe.job_status",
    "JobStatus": "helios_pipe.job_status",
    "LambdaConfig": "helios_pipe.adapters.aws_lambda",
    "LocalWorkerAdapter": "helios_pipe.adapters.local",
    "RemuxStitcher": "helios_pipe.stitch.join",
    "RenderExecutor": "helios_pipe.worker.runtime",
    "SqliteJobRepository": "helios_pipe.jobs.sqlite",
    "StoreArtifacts": "helios_pipe.stores.artifacts",
    "VideoStitcher": "helios_pipe.ports",
    "WorkerAdapter": "helios_pipe.ports",
    "WorkerJob": "helios_pipe.ports",
    "WorkerResult": "helios_pipe.ports",
    "WorkerRuntime": "helios_pipe.worker.runtime",
    "build_graph": "helios_pipe.graph.build",
    "create_aws_handler": "helios_pipe.worker.aws",
    "create_cloudrun_server": "helios_pipe.worker.cloudrun_server",
    "digraph": "helios_pipe.graph.dag",
    "load_manifest": "helios_pipe.manifest.load",
    "open_store": "helios_pipe.stores.registry",
    "parse_command": "helios_pipe.manifest.words",
}
"""Public name -> the module that defines it."""

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'helios_pipe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
