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


class BadCut(FarmError):
    """A recording cannot be cut again like this."""

    blame = Blame.CUSTOMER

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"invalid {field} value! {why}")


class NoTape(FarmError):
    """The tape of a recording is gone: it cannot be cut again."""

    blame = Blame.CUSTOMER


class NoTapeYet(FarmError):
    """Nothing is on a recording's tape so far."""

    blame = Blame.CUSTOMER


class SpoolUnseen(FarmError):
    """A process that does not see the spool was asked for something of it."""


class TooManyCuts(FarmError):
    """As many recordings are being cut from one tape as may be."""

    blame = Blame.CUSTOMER
    retryable = True


class IllegalTransition(FarmError):
    """An event that the recording's state does not allow; nothing was changed."""


class StorageError(FarmError):
    """Something about the customer's bucket."""

    blame = Blame.CUSTOMER


class StorageRefused(StorageError):
    """The bucket said no: wrong keys, missing bucket, forbidden."""


class UploadLost(StorageRefused):
    """The bucket does not know a multipart upload (any more): all parts must be sent again."""


class PartsRefused(StorageRefused):
    """The bucket does not make an object of these parts."""


class StorageUnavailable(StorageError):
    """The bucket did not answer, or answered with a fault of its own."""

    retryable = True


class StoreUnavailable(FarmError):
    """Redis did not answer."""

    retryable = True
