"""The one error tree: a class says what a caller can do, a message says where, what, and what was expected."""

from __future__ import annotations

from helios_pipe.texts import readable


class HeliosPipeError(Exception):
    """The machinery failed. A command that exits non-zero is a result, not one of these.

    `exit_code` is what the command line ends with; `retryable` says whether the same call may succeed later.
    `hint` is what to do about it, a sentence of its own.
    """

    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = readable(message)
        self.hint = readable(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(HeliosPipeError):
    """Wrong options, or a name (of a job, a node) that does not exist."""

    exit_code = 2


class UnusableError(HeliosPipeError):
    """A store, an adapter or a tool cannot be used as it is."""

    exit_code = 3


class StoreError(UnusableError):
    """A place where blobs or records live failed."""


class DiskFullError(StoreError):
    """There is no room for what was to be written; the message says where and how much is missing."""


class TransientStoreError(StoreError):
    """The store failed in a way that time may mend: a reset connection, a throttle, a 5xx."""

    retryable = True


class BlobError(StoreError):
    """One blob is not what it should be; `digest` is its name, where that is known."""

    def __init__(self, message: str, *, hint: str = "", digest: str = "") -> None:
        super().__init__(message, hint=hint)
        self.digest = digest


class BlobMissingError(BlobError):
    """A blob that should be there is not."""


class BlobDamagedError(BlobError):
    """A blob's bytes are not those that its name promises."""


class AdapterError(UnusableError):
    """The place where commands run refused for good: bad credentials, a tool mismatch, a refused URL."""


class TransientAdapterError(AdapterError):
    """The place where commands run failed in a way that time may mend."""

    retryable = True


class UnreachedError(TransientAdapterError):
    """No connection to the place where commands run could be made. Where that is so from a run's first call to its last, the
    adapter is unusable."""


class ThrottledError(TransientAdapterError):
    """The place where commands run asks to be called less often; `retry_after_s` where it says for how long."""

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class ToolError(UnusableError):
    """A program is missing, or not the version that was asked for."""


class LockedError(HeliosPipeError):
    """Another run holds the job."""

    exit_code = 4


class OutputError(HeliosPipeError):
    """A command exited 0 but did not leave what it declared: missing, empty, of another kind, too few frames."""


class StitchError(HeliosPipeError):
    """Chunks that cannot be joined, or a join that did not come out as proved. Nothing was put in place."""


class StaleInputError(HeliosPipeError):
    """An input changed while it was being used."""

    retryable = True
