"""One large upload to S3, in parts. Knows nothing of where the bytes come from."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Any

from helios_pipe.errors import StoreError

AT_ONCE = 4
"""Parts under way together. Memory is this many parts, and one more."""

Try = Callable[[Callable[[], Any]], Any]
Part = dict[str, Any]


def upload_parts(
    client: Any, where: Mapping[str, Any], blocks: Iterator[bytes], attempt: Try, *, overwrite: bool
) -> None:
    """Store `blocks`, in order, as the object at `where` (Bucket, Key). It appears when all of them are there, or not at
    all: whatever `blocks` raises ends the upload too. `attempt` makes one call, again where that helps."""
    upload = attempt(lambda: client.create_multipart_upload(**where, ChecksumAlgorithm="SHA256"))
    request = {**where, "UploadId": upload["UploadId"]}
    try:
        parts = _send(client, request, blocks, attempt)
        condition = {} if overwrite else {"IfNoneMatch": "*"}
        attempt(lambda: client.complete_multipart_upload(**request, MultipartUpload={"Parts": parts}, **condition))
    except BaseException:
        _abort(client, request, attempt)
        raise


def _send(client: Any, request: Mapping[str, Any], blocks: Iterator[bytes], attempt: Try) -> list[Part]:
    def send(number: int, block: bytes) -> Part:
        checksum = b64encode(sha256(block).digest()).decode()
        part = {**request, "PartNumber": number, "Body": block, "ChecksumSHA256": checksum}
        answer = attempt(lambda: client.upload_part(**part))
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    sent: list[Part] = []
    waiting: deque[Future[Part]] = deque()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-part") as pool:
        for number, block in enumerate(blocks, 1):
            if len(waiting) == AT_ONCE:
                sent.append(waiting.popleft().result())
            waiting.append(pool.submit(send, number, block))
        sent += [future.result() for future in waiting]
    return sent


def _abort(client: Any, request: Mapping[str, Any], attempt: Try) -> None:
    try:
        attempt(lambda: client.abort_multipart_upload(**request))
    except StoreError:
        pass  # the bucket's lifecycle rule for unfinished uploads takes it away; the first error is the one to show
