"""The root of everything Tapefarm raises on purpose."""

from enum import StrEnum
from typing import ClassVar


class Blame(StrEnum):
    """Whose fault an error is; each dialect maps it to its own codes."""

    CUSTOMER = "customer"
    CHANNEL = "channel"
    FARM = "farm"


class FarmError(Exception):
    """Anything the farm raises on purpose."""

    retryable: ClassVar[bool] = False
    blame: ClassVar[Blame] = Blame.FARM


class ChannelError(FarmError):
    """The media server refused us, went away, or spoke nonsense."""

    retryable = True
    blame = Blame.CHANNEL


class ChannelRefused(ChannelError):
    """The media server said no for good: wrong token, unknown room, kicked out."""

    retryable = False

    def __init__(self, why: str, *, is_token: bool = False) -> None:
        """``is_token``: it does not take our token, or misses one."""
        super().__init__(why)
        self.is_token = is_token


class ConnectFailed(ChannelError):
    """ICE or DTLS did not come up in time."""


class BadPacket(FarmError):
    """Bytes from the network that are not what their header says."""

    blame = Blame.CHANNEL


class TapeDamaged(FarmError):
    """A part of the tape cannot be read past this point."""


class TapeTaken(FarmError):
    """Another recorder has sealed the part that this one was writing."""


class TapeUnsealed(FarmError):
    """The disk refused the end of a tape; what it has is for the tape's next owner."""

    retryable = True


class CutFailed(FarmError):
    """A slice could not be made from its tape."""

    retryable = True
