"""Why recordings end, and what customers hear of it."""

from dataclasses import dataclass
from typing import Final

STOPPED: Final = "stopped"
IDLE: Final = "idle"
TOKEN_EXPIRED: Final = "token expired"  # noqa: S105  # a reason, no secret

# Bits of leaveCode (reference §7.4).
_INIT, _NO_USERS, _TIMER, _CLIENT = 1, 4, 8, 16


@dataclass(frozen=True, slots=True)
class Ending:
    """How a recording ended, in the numbers of reference §7.3 to §7.5."""

    leave_code: int
    error_code: int = 0  # of the RTC SDK; 0: there was no error

    @property
    def exit_status(self) -> int:
        """0 normal, 1 abnormal."""
        return int(self.error_code != 0)


_WHOLE = {
    STOPPED: Ending(_TIMER | _CLIENT),
    IDLE: Ending(_NO_USERS),
    TOKEN_EXPIRED: Ending(_TIMER | _CLIENT, error_code=109),
}
# By how a capture begins its reason (media/capture/capture.py).
_BEGINNINGS = {
    "token refused": Ending(_INIT, error_code=110),
    "removed": Ending(_INIT, error_code=123),  # ERR_CLIENT_IS_BANNED_BY_SERVER
}
_REFUSED = Ending(_INIT, error_code=17)  # ERR_JOIN_CHANNEL_REJECTED


def ending(reason: str) -> Ending:
    """What a tape's reason means."""
    return _WHOLE.get(reason) or _BEGINNINGS.get(reason.partition(":")[0], _REFUSED)
