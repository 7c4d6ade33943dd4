"""Invocations of a Lambda function: requests that the SDK's parts write and sign, and answers that they read. Knows nothing
of what the function does, or of what is made of its answers.

A client's own `invoke` finds the same request out anew each time, and takes longer than all the rest of a call. Here it is
written once; credentials, signatures and errors stay the SDK's.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from threading import Event
from typing import Any

from helios_pipe.adapters.calls import Calls
from helios_pipe.adapters.lines import Lines, Reply
from helios_pipe.version import __version__

LARGEST_REPLY = 32 << 20
"""Bytes; Lambda itself sends 6 MiB at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the function said, where it ended in an error the kind of that, and the end of its log."""

    payload: bytes
    error: str | None
    log: str


class Invocations:
    """Invokes as `request` says, a whole one for the SDK's `invoke`. Thread-safe. All methods raise what the SDK raises, and
    what Lines do."""

    def __init__(
        self, request: dict[str, Any], region: str | None, endpoint_url: str | None, most: int, wait_s: float
    ) -> None:
        """Looks for the function's address and for credentials, as the SDK does: that may take some seconds."""
        import botocore.session
        from botocore.config import Config

        session = botocore.session.Session()
        once = Config(connect_timeout=10, retries={"total_max_attempts": 1})
        client: Any = session.create_client("lambda", region, endpoint_url=endpoint_url, config=once)
        self._client = client
        self._request = request
        self._operation = client.meta.service_model.operation_model("Invoke")
        self._url, self._headers = _written(request, client, self._operation)
        self._credentials = session.get_credentials()
        self._calls = Calls()
        verify = session.get_config_variable("ca_bundle")
        self._lines = Lines(self._url, most, wait_s=wait_s, largest=LARGEST_REPLY, verify=verify)

    def invoke(self, payload: bytes, cancel: Event | None) -> Answer:
        """The function's answer. It is asked once."""
        from botocore.exceptions import ClientError

        reply = self._lines.send("POST", self._url, self._signed(payload, cancel), payload, cancel)
        if reply.status >= 300:
            raise ClientError(self._parsed(reply), "Invoke")
        log = b64decode(reply.headers.get("X-Amz-Log-Result") or "").decode("utf-8", "replace")
        return Answer(reply.body, reply.headers.get("X-Amz-Function-Error"), log)

    def version(self) -> str | None:
        """Which version would be invoked; nothing runs."""
        request = {**self._request, "InvocationType": "DryRun"}
        version = self._client.invoke(**request).get("ExecutedVersion")
        return str(version) if version else None

    def _signed(self, payload: bytes, cancel: Event | None) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("POST", self._url, dict(self._headers), payload)
        meta = self._client.meta
        SigV4Auth(self._frozen(cancel), meta.service_model.signing_name, meta.region_name).add_auth(request)
        return dict(request.headers.items())

    def _frozen(self, cancel: Event | None) -> Any:
        """The credentials as they are now. Those that expire may have to be fetched."""
        credentials = self._credentials
        if credentials is None:
            return None  # which signing complains of
        if getattr(credentials, "refresh_needed", bool)():
            return self._calls.make(credentials.get_frozen_credentials, cancel)
        return credentials.get_frozen_credentials()

    def _parsed(self, reply: Reply) -> Any:
        from botocore.parsers import create_parser

        answer = {"status_code": reply.status, "headers": reply.headers, "body": reply.body}
        parser: Any = create_parser(self._client.meta.service_model.metadata["protocol"])
        return parser.parse(answer, self._operation.output_shape)


def _written(request: dict[str, Any], client: Any, operation: Any) -> tuple[str, dict[str, str]]:
    """The URL and the headers of a request."""
    from botocore.awsrequest import prepare_request_dict
    from botocore.serialize import create_serializer

    serializer: Any = create_serializer(client.meta.service_model.metadata["protocol"])
    written = serializer.serialize_to_request(request, operation)
    prepare_request_dict(written, endpoint_url=client.meta.endpoint_url, user_agent=f"helios-pipe/{__version__}")
    return written["url"], written["headers"]
