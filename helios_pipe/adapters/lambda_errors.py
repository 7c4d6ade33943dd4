"""What Lambda says when something is wrong, in our words. The one place that knows its error codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from helios_pipe.adapters.lines import BrokenLineError, EndlessReplyError, NoLineError
from helios_pipe.errors import AdapterError, ThrottledError, TransientAdapterError, UnreachedError
from helios_pipe.ports import FailureClass, WorkerResult
from helios_pipe.texts import encodable

_THROTTLED = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "EC2ThrottledException"})
_TRANSIENT = frozenset(
    {"ServiceException", "EC2AccessDeniedException", "EC2UnexpectedException", "ENILimitReachedException"}
    | {"EFSIOException", "EFSMountConnectivityException", "EFSMountTimeoutException", "ResourceConflictException"}
    | {"ResourceNotReadyException", "SnapStartNotReadyException", "SnapStartTimeoutException", "InternalFailure"}
    | {"ServiceUnavailable", "ServiceUnavailableException", "RecursiveInvocationException", "RequestTimeout"}
)
_SIGN_IN = "Sign in again: `aws sso login`, new keys in the environment, or the role of this machine."
_HINTS = {
    "AccessDeniedException": "Allow lambda:InvokeFunction on this function to the credentials in use.",
    "ExpiredToken": _SIGN_IN,
    "ExpiredTokenException": _SIGN_IN,
    "InvalidSignatureException": _SIGN_IN,
    "UnrecognizedClientException": _SIGN_IN,
    "MissingAuthenticationTokenException": _SIGN_IN,
    "InvalidClientTokenId": _SIGN_IN,
    "ResourceNotFoundException": "Deploy the function (docs/deploy/lambda), or correct its name, region or qualifier.",
    "RequestTooLargeException": "Lambda takes events of up to 6 MB.",
    "KMSDisabledException": "The function's key is disabled; see its configuration.",
}
_TIMED_OUT, _EXITED, _TOO_LARGE = "Sandbox.Timedout", "Runtime.ExitError", "Function.ResponseSizeTooLarge"
_TAIL_CHARACTERS = 4000


@contextmanager
def translated(function: str) -> Iterator[None]:
    """Raise what the SDK or a connection raises inside as AdapterError or one of its kinds."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        raise _from_answer(function, error) from error
    except NoLineError as error:
        raise UnreachedError(f"Lambda {function} cannot be reached: {error}") from error
    except (BrokenLineError, boto.HTTPClientError, boto.ConnectionError) as error:
        raise TransientAdapterError(f"Lambda {function}: the connection broke: {error}") from error
    except EndlessReplyError as error:
        raise AdapterError(f"Lambda {function}: the answer is larger than any function's") from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as error:
        raise AdapterError(f"Lambda {function}: no AWS credentials: {error}", hint=_SIGN_IN) from error
    except (boto.SSOError, boto.UnauthorizedSSOTokenError, boto.TokenRetrievalError) as error:
        raise AdapterError(f"Lambda {function}: the AWS sign-in has expired: {error}", hint=_SIGN_IN) from error
    except boto.NoRegionError as error:
        raise AdapterError(f"Lambda {function}: {error}", hint="Set `region`, or AWS_REGION.") from error
    except boto.BotoCoreError as error:
        raise AdapterError(f"Lambda {function}: {error}") from error


def _from_answer(function: str, error: Any) -> AdapterError:
    response: dict[str, Any] = error.response
    details, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, status = str(details.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
    text = f"Lambda {function} was answered {code or status}: {details.get('Message') or error}"
    if code in _THROTTLED or status == 429:
        after = str(meta.get("HTTPHeaders", {}).get("retry-after", ""))
        return ThrottledError(text, retry_after_s=float(after) if after.isdecimal() else None)
    if code in _TRANSIENT or (status >= 500 and code not in _HINTS):
        return TransientAdapterError(text)
    return AdapterError(text, hint=_HINTS.get(code, "See the function's configuration in the AWS console."))


def function_error(payload: bytes, log: str) -> WorkerResult:
    """The result where FunctionError is set: Lambda ended the function, or it raised. Time and memory are the command's;
    what else ends a runtime is the machine's."""
    try:
        told = json.loads(payload)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        told = {"errorMessage": payload.decode("utf-8", "replace")}
    kind, message = (encodable(str(told.get(name) or "")) for name in ("errorType", "errorMessage"))
    failure, reason = _judge(kind, message)
    stderr = message or kind
    if log.strip():
        stderr = f"{stderr}\n{log.strip()[-_TAIL_CHARACTERS:]}"
    return WorkerResult(1, stderr=stderr, failure=failure, reason=reason)


def _judge(kind: str, message: str) -> tuple[FailureClass, str]:
    if kind == _TIMED_OUT or "Task timed out after" in message:  # older runtimes give no type
        return (
            FailureClass.COMMAND,
            f"the function ran out of its time ({message}): give it more, or make the chunks smaller",
        )
    if kind == _EXITED and "signal: killed" in message:
        return (
            FailureClass.COMMAND,
            "the function was killed, as it is when it runs out of memory: give it more, or make the chunks smaller",
        )
    if kind == _TOO_LARGE:
        return FailureClass.COMMAND, f"the function's answer was too large: {message}"
    said = ": ".join(filter(None, (kind, message))) or "(nothing said)"
    return FailureClass.INFRASTRUCTURE, f"the function failed: {said}"
