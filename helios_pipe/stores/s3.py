"""Blobs in an S3 bucket, or in whatever speaks S3. Knows nothing of keys or actions.

Every upload carries its SHA-256 for the server to check; a blob's digest *is* that checksum. Blobs above 16 MiB go up in
parts, a few at a time, so that memory stays bounded however large the blob is; a part that breaks is sent again alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from helios_pipe.digest import BUFFER_SIZE, Digest
from helios_pipe.errors import BlobDamagedError, BlobMissingError
from helios_pipe.stores.files import Arrival, Departure, receive
from helios_pipe.stores.known import Known
from helios_pipe.stores.naming import blob_name, check_name, check_new_name, check_prefix
from helios_pipe.stores.parallel import WORKERS
from helios_pipe.stores.problems import NotFoundError, PreconditionFailedError
from helios_pipe.stores.retry import PATIENT, Backoff
from helios_pipe.stores.s3_errors import translated
from helios_pipe.stores.s3_upload import upload_parts

Answer = TypeVar("Answer")

MULTIPART_FROM = 16 << 20
"""Bytes. What is larger goes up in parts of this size, or larger ones where there would be more than 10,000."""


class S3Store:
    """A BlobStore below `s3://bucket/prefix`. Credentials come from the SDK's own chain, when first needed."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        client: Any = None,
        backoff: Backoff = PATIENT,
        part_size: int = MULTIPART_FROM,
    ) -> None:
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.url = f"s3://{bucket}/{self._prefix}".rstrip("/")
        self._bucket = bucket
        self._options = {"region_name": region, "endpoint_url": endpoint_url}
        self._made = client
        self._lock = Lock()
        self._backoff = backoff
        self._part_size = part_size
        self._known = Known(lambda digest: self._size(blob_name(digest)))

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return self._known.missing(digests)

    def put(self, digest: Digest, source: Path) -> None:
        name = blob_name(digest)
        with Departure(source, digest) as file:
            if self._known.needed(digest, file.size):
                overwrite = self._known.is_damaged(digest)
                if file.size <= self._part_size:
                    self._put_bytes(name, file.whole(), overwrite=overwrite)
                else:
                    self._put_parts(name, file, overwrite=overwrite)
        self._known.stored(digest)

    def get(self, digest: Digest, target: Path) -> None:
        name = blob_name(digest)
        try:
            receive(target, digest, lambda file: self._fetch(name, file))
        except NotFoundError as error:
            raise BlobMissingError(f"blob {digest} is not in {self.url}", digest=digest) from error
        except BlobDamagedError:
            self._known.came_damaged(digest)
            raise

    def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        return self._put_bytes(check_new_name(name), data, overwrite=not if_absent)

    def get_object(self, name: str) -> bytes | None:
        def once() -> bytes:
            answer: bytes = self._client.get_object(**self._where(name))["Body"].read()
            return answer

        check_name(name)
        try:
            return self._try(once)
        except NotFoundError:
            return None

    def delete_object(self, name: str) -> None:
        check_name(name)
        try:
            self._try(lambda: self._client.delete_object(**self._where(name)))
        except NotFoundError:
            pass

    def list_objects(self, prefix: str) -> list[str]:
        wanted = self._prefix + check_prefix(prefix)
        names: list[str] = []
        request = {"Bucket": self._bucket, "Prefix": wanted}
        while True:
            page = self._try(lambda: self._client.list_objects_v2(**request))
            names += [item["Key"][len(self._prefix) :] for item in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return sorted(names)
            request["ContinuationToken"] = page["NextContinuationToken"]

    def presigned_url(self, method: str, name: str, expires_s: int) -> str:
        """A URL that lets its holder GET or PUT this one object, for so many seconds. It is a secret."""
        operation = {"GET": "get_object", "PUT": "put_object"}[method]
        with translated(self.url):
            url: str = self._client.generate_presigned_url(
                operation, Params=self._where(check_name(name)), ExpiresIn=expires_s
            )
        return url

    def _size(self, name: str) -> int | None:
        try:
            size: int = self._try(lambda: self._client.head_object(**self._where(name)))["ContentLength"]
        except NotFoundError:
            return None
        return size

    def _put_bytes(self, name: str, data: bytes, *, overwrite: bool) -> bool:
        request = {**self._where(name), "Body": data, "ChecksumSHA256": b64encode(sha256(data).digest()).decode()}
        if not overwrite:
            request["IfNoneMatch"] = "*"
        try:
            self._try(lambda: self._client.put_object(**request))
        except PreconditionFailedError:
            return False
        return True

    def _put_parts(self, name: str, file: Departure, *, overwrite: bool) -> None:
        part_size = max(self._part_size, -(-file.size // 10_000))
        try:
            upload_parts(self._client, self._where(name), file.blocks(part_size), self._try, overwrite=overwrite)
        except PreconditionFailedError:
            return  # somebody else stored the same bytes meanwhile
        except NotFoundError:
            if self._size(name) != file.size:  # else a completion whose answer was lost was tried again
                raise

    def _fetch(self, name: str, file: Arrival) -> None:
        def once() -> None:
            request = self._where(name)
            if file.size:
                if file.whole:
                    return  # it broke after the last byte
                request["Range"] = f"bytes={file.size}-"
            body = self._client.get_object(**request)["Body"]
            try:
                while block := body.read(BUFFER_SIZE):
                    file.write(block)
            finally:
                body.close()

        def go_on() -> None:
            with translated(self.url):
                once()

        self._backoff.call(go_on, lambda: file.size)

    def _where(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def _try(self, function: Callable[[], Answer]) -> Answer:
        def once() -> Answer:
            with translated(self.url):
                return function()

        return self._backoff.call(once)

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _connect(self._options)
            return self._made


def _connect(options: dict[str, str | None]) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"total_max_attempts": 1},  # ours decides by class, with jitter, for every store alike
        max_pool_connections=2 * WORKERS,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",  # each upload carries a SHA-256 of ours
        response_checksum_validation="when_required",
    )
    connect: Any = boto3.session.Session().client
    return connect("s3", config=config, **options)
