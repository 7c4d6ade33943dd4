"""A job's assets and spec in the storage that its workers reach. Knows nothing of workers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from helios_pipe.errors import StoreError
from helios_pipe.job_ports import JobExecutionOptions, SpecExecutor
from helios_pipe.job_status import JobStatus
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.ports import ArtifactStorage
from helios_pipe.transfer import copy_file


def upload_assets(
    storage: ArtifactStorage, executor: SpecExecutor, spec: JobSpec, options: JobExecutionOptions
) -> tuple[JobSpec, str]:
    """Bring what the job's commands may need, and the spec that says where it is, into the storage. Returns that spec and
    its URL. Only what the storage lacks is moved. Raises StoreError."""
    assert spec.id is not None
    root = os.path.abspath(options.job_dir or ".")
    cache = executor.cache_of(options)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="assets-", dir=cache) as folder:
            for name in executor.assets(spec, options):
                target = Path(folder, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                copy_file(os.path.join(root, name), str(target))
            url = storage.upload_asset_bundle(spec.id, Path(folder))
    except OSError as error:
        raise StoreError(f"the assets of job {spec.id} cannot be gathered in {cache}: {error}") from error
    placed = replace(spec, assets_url=url)
    return placed, storage.upload_job_spec(spec.id, placed.to_dict())


def remove_assets(storage: ArtifactStorage, status: JobStatus) -> None:
    """Take away what `upload_assets` brought for that job. Idempotent. Raises StoreError."""
    if status.job_spec_url is not None:
        storage.delete_job_spec(status.id, status.job_spec_url)
    if status.job_spec_url is not None and status.spec.assets_url is not None:
        storage.delete_asset_bundle(status.id, status.spec.assets_url)
