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


class QuotaExceeded(FarmError):
    """The app has as much going on as it may."""

    blame = Blame.CUSTOMER
    retryable = True


class BadRecut(FarmError):
    """There can be no such recut."""

    blame = Blame.CUSTOMER

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"invalid {field} value! {why}")


class NoTape(FarmError):
    """The tape of a recording is gone: there can be no recut."""

    blame = Blame.CUSTOMER


class NoTapeYet(FarmError):
    """Nothing is on a recording's tape so far."""

    blame = Blame.CUSTOMER


class SpoolUnseen(FarmError):
    """A process was asked for something of the spool, which it does not see."""


class TooManyRecuts(FarmError):
    """As many recuts are being made from one tape as may be."""

    blame = Blame.CUSTOMER
    retryable = True


class PieceDamaged(FarmError):
    """The spool does not hold pieces of a growing file as they were cut."""

    def __init__(self, *names: str) -> None:
        super().__init__(f"damaged in the spool: {', '.join(names[:10])}")
        self.names = names


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


class StoreTimeout(StoreUnavailable):
    """Redis may have heard a command whose answer never came: it is done, or it is not."""
