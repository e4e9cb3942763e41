"""Errors in this dialect's words: HTTP status, numeric code, reason (reference §1.4 to §1.8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from api.agora import errors
from api.auth import BadCredentials, NoCredentials, UnknownApp
from api.document import Unreadable
from api.quota import RateExceeded
from media.errors import Blame, FarmError
from workers.job.errors import (
    AlreadyStopping,
    Conflict,
    NoCapacity,
    NotFound,
    QuotaExceeded,
    StoreTimeout,
)

Answer = tuple[int, dict[str, Any]]


class Call(StrEnum):
    """The calls, spelled as in the reasons of their errors."""

    ACQUIRE = "Acquire"
    START = "Start"
    UPDATE = "Update"
    UPDATE_LAYOUT = "UpdateLayout"
    QUERY = "Query"
    STOP = "Stop"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Refused before the recording service sees it."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Service:
    """Refused by the recording service; without a reason, the error's own text is the reason."""

    status: int
    code: int
    reason: str = ""


_NO_ROUTE = Gateway(404, "no Route matched with those values")
_INTERNAL = Service(500, 500, "internal_error")
_TOO_LARGE = Service(413, 2, "the request body is too large")

_GATEWAY: Mapping[type[FarmError], Gateway] = {
    NoCredentials: Gateway(401, "Unauthorized"),
    BadCredentials: Gateway(401, "Invalid authentication credentials"),
    UnknownApp: Gateway(400, "appid is invalid"),
    RateExceeded: Gateway(429, "API rate limit exceeded"),
}

_SERVICE: Mapping[type[FarmError], Service] = {
    Unreadable: Service(400, 8),
    errors.ChannelNameInvalid: Service(400, 1013, "invalid_channel_name"),
    errors.ResourceUnreadable: Service(400, 1001),
    errors.ResourceMismatch: Service(400, 1003),
    errors.ResourceForOther: Service(400, 432),
    errors.ResourceExpired: Service(400, 433),
    errors.AppSuspended: Service(400, 405, "no_active_status"),
    errors.TokenExpired: Service(400, 109),
    errors.TokenWrong: Service(400, 110),
    errors.AlreadyRunning: Service(201, 7, "already started"),
    errors.NoRecordedData: Service(206, 435, "no recorded data"),
    # The stop itself was accepted.  The status is not published; 206 and 5xx would make the
    # official client repeat the stop and then report code 49 instead of this one.
    errors.UploadPending: Service(400, 50),
    QuotaExceeded: Service(400, 406, "vendor_over_load"),
    StoreTimeout: Service(206, 65, "request not completed"),
    Conflict: Service(400, 53, "task conflict"),
    NoCapacity: Service(500, 502, "Failed to allocate worker"),
    NotFound: Service(404, 404, "failed to find worker"),
    AlreadyStopping: Service(400, 49, "invalid operation"),
}

_ACQUIRE: Mapping[type[FarmError], Service] = {
    errors.ChannelNameInvalid: Service(400, 401, "invalid_channel_name"),
    NoCapacity: Service(500, 501, "no_worker_manager_available"),
    StoreTimeout: Service(500, 504, "allocate_timeout"),
}

_UNREACHABLE: Mapping[Call, Service] = {
    Call.ACQUIRE: Service(500, 504, "allocate_timeout"),
    Call.START: Service(500, 62, "request timeout"),
}

# Published word for word; everywhere else the reason goes on to say what would be right.
_WORD_FOR_WORD = ("Acquire: invalid resourceExpiredHour value!",)


def answer(error: FarmError, call: Call) -> Answer:
    """How an error is answered."""
    entry = listed(type(error), call)
    if isinstance(entry, Gateway):
        return _plain(entry)
    return entry.status, {"code": entry.code, "reason": entry.reason or _own_words(error, call)}


def http_answer(status: int) -> Answer:
    """How a fault of HTTP itself is answered: no such route, wrong method, too large, a crash."""
    if status in {404, 405}:
        return _plain(_NO_ROUTE)
    if status == 413:
        return _TOO_LARGE.status, {"code": _TOO_LARGE.code, "reason": _TOO_LARGE.reason}
    if status >= 500:
        return _INTERNAL.status, {"code": _INTERNAL.code, "reason": _INTERNAL.reason}
    return 400, {"code": 8, "reason": "the request is not valid HTTP"}


def listed(error: type[FarmError], call: Call) -> Gateway | Service:
    """How the tables answer errors of a class."""
    for kind in error.__mro__:
        if kind in _GATEWAY:
            return _GATEWAY[kind]
        if call is Call.ACQUIRE and kind in _ACQUIRE:
            return _ACQUIRE[kind]
        if kind in _SERVICE:
            return _SERVICE[kind]
    return _by_blame(error, call)


def _by_blame(error: type[FarmError], call: Call) -> Service:
    if error.blame is Blame.CUSTOMER:
        return Service(400, 2)
    if error.retryable:
        return _UNREACHABLE.get(call, Service(504, 62, "request timeout"))
    return _INTERNAL


def _own_words(error: FarmError, call: Call) -> str:
    text = f"{call}: {error}"
    for published in _WORD_FOR_WORD:
        if text.startswith(published):
            return published
    return text


def _plain(entry: Gateway) -> Answer:
    return entry.status, {"message": entry.message}
