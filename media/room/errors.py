"""Why the room says no; each error knows its HTTP status."""

from typing import ClassVar

from media.errors import Blame, FarmError


class RoomError(FarmError):
    """A request that the room refuses."""

    blame = Blame.CUSTOMER
    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"


class BadRequest(RoomError):
    """A name, a query or a body that is not what the contract says."""


class BadOffer(RoomError):
    """An SDP offer that cannot be understood."""

    title = "Bad offer"


class WrongContentType(RoomError):
    """A body of another kind than SDP or JSON, as the path wants it."""

    status = 415
    title = "Wrong content type"


class NothingInCommon(RoomError):
    """An offer without any codec that the room forwards."""

    status = 406
    title = "No codec in common"


class NotThere(RoomError):
    """No such session, or no such publisher in the channel."""

    status = 404
    title = "Not there"


class RoomFull(RoomError):
    """A limit is reached; later there may be place."""

    retryable = True
    blame = Blame.FARM
    status = 503
    title = "Room full"
