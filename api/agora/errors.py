"""What can be wrong with a call of this dialect; ``codes.py`` says how it is answered."""

from media.errors import Blame, FarmError


class AgoraError(FarmError):
    """The customer's call cannot be served as it stands."""

    blame = Blame.CUSTOMER


class InvalidField(AgoraError):
    """A field is missing, of the wrong type, out of range, or contradicts another one."""

    def __init__(self, field: str, why: str = "") -> None:
        super().__init__(f"invalid {field} value!{' ' * bool(why)}{why}")


class NotAvailable(AgoraError):
    """Something that the reference knows and this farm does not do."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not available on this farm")


class AppSuspended(AgoraError):
    """The app may not begin anything."""


class ChannelNameInvalid(AgoraError):
    """``cname`` is empty, too long, or holds characters that no channel name has."""


class ResourceUnreadable(AgoraError):
    """A resource ID that we did not issue."""


class ResourceMismatch(AgoraError):
    """The resource ID belongs to another app, or the sid to another resource ID."""


class ResourceForOther(AgoraError):
    """The resource ID was acquired for another channel or uid."""


class ResourceExpired(AgoraError):
    """The resource ID is older than five minutes, or was used up by a session that ended."""


class TokenExpired(AgoraError):
    """The RTC token's time is over."""


class TokenWrong(AgoraError):
    """The RTC token is not for this channel and uid, or nobody of the app's signed it."""


class AlreadyRunning(AgoraError):
    """The resource ID was started before and its recording runs."""


class NoRecordedData(AgoraError):
    """The recording ended and nobody had published anything."""


class UploadPending(AgoraError):
    """The recording was stopped, and not all its files are in the bucket yet."""
