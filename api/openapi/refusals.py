"""Which errors a call may meet; their statuses and codes are those that the call answers with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from api.agora import codes, errors
from api.agora.answers import GatewayError, ServiceError
from api.agora.codes import Call, Gateway
from api.agora.service import BucketRefused
from api.auth import BadCredentials, NoCredentials, UnknownApp
from api.console import answers as console
from api.console.routes import status_of
from api.document import Unreadable
from api.quota import RateExceeded
from media.errors import FarmError
from workers.job.errors import (
    AlreadyStopping,
    BadRecut,
    Conflict,
    NoCapacity,
    NoTape,
    NoTapeYet,
    NotFound,
    QuotaExceeded,
    SpoolUnseen,
    StorageError,
    StoreTimeout,
    StoreUnavailable,
    TooManyRecuts,
)

Kinds = tuple[type[FarmError], ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way in which a call is not served."""

    status: int
    model: type[BaseModel]
    when: str
    body: Mapping[str, Any] | None = None  # an example; None: none


Refusals = tuple[Refusal, ...]

OF_ALL: Final[Kinds] = (NoCredentials, BadCredentials, UnknownApp, RateExceeded, StoreUnavailable)
_BODY: Final[Kinds] = (Unreadable, errors.InvalidField, errors.ChannelNameInvalid)
_TICKET: Final[Kinds] = (errors.ResourceUnreadable, errors.ResourceMismatch)
_SESSION: Final[Kinds] = (*_TICKET, errors.NotAvailable, NotFound, StoreTimeout)
_BEGINS: Final[Kinds] = (errors.AppSuspended, QuotaExceeded, NoCapacity)

OF_CALLS: Final[Mapping[Call, Kinds]] = {
    Call.ACQUIRE: (*_BODY, *_BEGINS, StoreTimeout),
    Call.START: (
        *_BODY,
        *_TICKET,
        *_BEGINS,
        errors.NotAvailable,
        errors.ResourceForOther,
        errors.ResourceExpired,
        errors.AlreadyRunning,
        errors.TokenExpired,
        errors.TokenWrong,
        BucketRefused,
        Conflict,
        StoreTimeout,
    ),
    Call.UPDATE: (*_BODY, *_SESSION, errors.ResourceForOther, BucketRefused),
    Call.UPDATE_LAYOUT: (*_BODY, *_SESSION, errors.ResourceForOther),
    Call.QUERY: (*_SESSION, errors.InvalidField),
    Call.STOP: (
        *_BODY,
        *_SESSION,
        errors.ResourceForOther,
        errors.NoRecordedData,
        errors.UploadPending,
        AlreadyStopping,
    ),
}
OF_RECUTS: Final[Kinds] = (
    Unreadable,
    BadRecut,
    errors.InvalidField,
    StorageError,
    NoTape,
    NoTapeYet,
    SpoolUnseen,
    TooManyRecuts,
)
_CRASH: Final = "A fault of ours."


def of_agora(call: Call) -> Refusals:
    """What ``api/agora/codes.py`` answers to the errors of a call."""
    kinds = OF_ALL + OF_CALLS[call]
    faults = [
        Refusal(status, ServiceError, when, codes.http_answer(status)[1])
        for status, when in _faults(kinds)
    ]
    return (*(_agora(kind, call) for kind in kinds), *faults)


def of_callback_sources() -> Refusals:
    """What the list of callback sources answers."""
    kinds = (NoCredentials, BadCredentials, RateExceeded)
    fault = Refusal(500, ServiceError, _CRASH, codes.http_answer(500)[1])
    return (*(_agora(kind, Call.QUERY) for kind in kinds), fault)


def of_console(*more: type[FarmError]) -> Refusals:
    """What the console answers to errors that all its calls may meet, and to more."""
    kinds = (*OF_ALL, NotFound, *more)
    faults = [Refusal(status, console.Refusal, when) for status, when in _faults(kinds)]
    return (*(_console(kind) for kind in kinds), *faults)


def _agora(kind: type[FarmError], call: Call) -> Refusal:
    entry, when = codes.listed(kind, call), _when(kind)
    if isinstance(entry, Gateway):
        return Refusal(entry.status, GatewayError, when, {"message": entry.message})
    reason = entry.reason or f"{call}: <what is wrong>"
    return Refusal(entry.status, ServiceError, when, {"code": entry.code, "reason": reason})


def _console(kind: type[FarmError]) -> Refusal:
    # Only the class counts; some of them want arguments.
    status = status_of(kind.__new__(kind))
    return Refusal(status, console.Refusal, _when(kind), {"message": "<what is wrong>"})


def _faults(kinds: Kinds) -> list[tuple[int, str]]:
    """Those of HTTP itself; only a call with a body can be too large."""
    large = [(413, "The body is larger than 64 KiB.")] if Unreadable in kinds else []
    return [*large, (500, _CRASH)]


def _when(kind: type[FarmError]) -> str:
    return next(iter((kind.__doc__ or "").splitlines()))
