"""What boto3 raises, in our words. The one place that knows S3's error codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from helios_pipe.errors import StoreError, TransientStoreError
from helios_pipe.stores.problems import BusyStoreError, NotFoundError, PreconditionFailedError

_BUSY = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "ServiceUnavailable"})
_TRANSIENT = frozenset(
    {"InternalError", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "BadDigest", "IncompleteBody"}
    | {"XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
)
_SIGN_IN = "Sign in again: `aws sso login`, new keys in the environment, or the role of this machine."
_REGION = "Set `region`, AWS_REGION or the profile's region to that of the bucket."
_HINTS = {
    "ExpiredToken": _SIGN_IN,
    "ExpiredTokenException": _SIGN_IN,
    "InvalidAccessKeyId": _SIGN_IN,
    "InvalidToken": _SIGN_IN,
    "SignatureDoesNotMatch": _SIGN_IN,
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "NoSuchBucket": "Create the bucket, or correct the store's URL.",
    "EntityTooLarge": "S3 takes objects of up to 5 TiB.",
}
_DENIED = (
    "Allow s3:GetObject, s3:PutObject and s3:ListBucket below this URL."
    " Without s3:ListBucket, S3 answers 403 for an object that does not exist."
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what the SDK raises inside as StoreError or one of its kinds, `where` being the store's URL."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        raise _from_answer(where, error) from error
    except (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError) as error:
        raise TransientStoreError(f"{where}: the connection broke: {error}") from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as error:
        raise StoreError(f"{where}: no AWS credentials: {error}", hint=_SIGN_IN) from error
    except (boto.SSOError, boto.UnauthorizedSSOTokenError, boto.TokenRetrievalError) as error:
        raise StoreError(f"{where}: the AWS sign-in has expired: {error}", hint=_SIGN_IN) from error
    except boto.BotoCoreError as error:
        raise StoreError(f"{where}: {error}") from error


def _from_answer(where: str, error: object) -> StoreError:
    response = getattr(error, "response", {})
    details, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, status = str(details.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
    operation = getattr(error, "operation_name", "")
    text = f"{where}: {operation} was answered {code or status}: {details.get('Message', '')}".rstrip(": ")
    if status == 412 or code == "PreconditionFailed":
        return PreconditionFailedError(text)
    if code in ("404", "NoSuchKey", "NotFound", "NoSuchUpload"):
        return NotFoundError(text)
    if code in _BUSY or status in (429, 503):
        return BusyStoreError(text)
    if code in _TRANSIENT or status >= 500:
        return TransientStoreError(text)
    return StoreError(text, hint=_HINTS.get(code, _DENIED if status == 403 else ""))
