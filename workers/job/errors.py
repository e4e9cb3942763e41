"""Errors of recordings; media/errors.py has the root of the tree."""

from media.errors import Blame, FarmError


class NotFound(FarmError):
    """No such recording, or it has ended."""

    blame = Blame.CUSTOMER


class AlreadyStopping(FarmError):
    """The recording is ending already."""

    blame = Blame.CUSTOMER


class Conflict(FarmError):
    """The same recorder UID records the same channel already."""

    blame = Blame.CUSTOMER


class NoCapacity(FarmError):
    """Every recorder slot is taken, or no recorder is alive."""

    retryable = True


class IllegalTransition(FarmError):
    """An event that the recording's state does not allow; nothing was changed."""


class StorageError(FarmError):
    """Something about the customer's bucket."""

    blame = Blame.CUSTOMER


class StorageRefused(StorageError):
    """The bucket said no: wrong keys, missing bucket, forbidden."""


class StorageUnavailable(StorageError):
    """The bucket did not answer, or answered with a fault of its own."""

    retryable = True


class StoreUnavailable(FarmError):
    """Redis did not answer."""

    retryable = True
