"""The ways in which a store's answer is not a yes. Knows nothing of how they are told apart."""

from __future__ import annotations

from helios_pipe.errors import StoreError, TransientStoreError


class BusyStoreError(TransientStoreError):
    """The store asks to be called less often, for `retry_after_s` where it says for how long."""

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class PreconditionFailedError(StoreError):
    """A conditional write found what it must not overwrite."""


class NotFoundError(StoreError):
    """No such object, or no such upload."""
