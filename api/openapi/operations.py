"""What each route does, for readers; the schemas are those of the models that validate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from api.agora import answers as agora
from api.agora.codes import Call
from api.agora.models import (
    AcquireRequest,
    Envelope,
    LayoutRequest,
    StartRequest,
    StopRequest,
    UpdateRequest,
)
from api.console import answers as console
from api.console.recuts import RecutRequest
from api.console.routes import NotYet
from api.openapi.refusals import (
    OF_RECUTS,
    Refusal,
    Refusals,
    of_agora,
    of_callback_sources,
    of_console,
)
from workers.job.spec import Mode

JSON: Final = "application/json"
MODES: Final = tuple(mode.value for mode in Mode)


class AcquireBody(Envelope):
    """The body of acquire."""

    client_request: AcquireRequest  # type: ignore[assignment]  # the envelope leaves it open
    """What is wanted of the resource ID."""


class StartBody(Envelope):
    """The body of start."""

    client_request: StartRequest  # type: ignore[assignment]
    """What to record, how, and where to."""


class UpdateBody(Envelope):
    """The body of update."""

    client_request: UpdateRequest  # type: ignore[assignment]
    """What changes."""


class UpdateLayoutBody(Envelope):
    """The body of updateLayout."""

    client_request: LayoutRequest  # type: ignore[assignment]
    """How it looks from now on."""


class StopBody(Envelope):
    """The body of stop."""

    client_request: StopRequest  # type: ignore[assignment]
    """How to end it."""


def _name(call: Call) -> str:
    return call[0].lower() + call[1:]


class Health(BaseModel):
    """The process answers."""

    status: str


class Readiness(BaseModel):
    """Whether a start call would be served, and what each part says."""

    status: str
    parts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route and method."""

    name: str  # its operationId
    tag: str
    summary: str
    answer: type[BaseModel] | None = None  # None: of ``media_type``, without a schema
    body: type[BaseModel] | None = None
    description: str = ""
    status: int = 200
    media_type: str = JSON
    secured: bool = True
    modes: tuple[str, ...] = MODES  # that the path may name
    refusals: Refusals = ()
    examples: str = ""  # what their names begin with; "": the operation's name


def _agora(
    call: Call, summary: str, answer: type[BaseModel], body: type[BaseModel] | None, **more: Any
) -> Operation:
    return Operation(_name(call), "Agora", summary, answer, body, refusals=of_agora(call), **more)


def _ncs(name: str) -> Operation:
    return Operation(
        name,
        "Agora",
        "The addresses that callbacks come from",
        agora.CallbackSources,
        description="Empty unless the farm's owner has named them.",
        refusals=of_callback_sources(),
        examples="ncs",
    )


OPERATIONS: Final[Mapping[str, Operation]] = {
    # by Flask's name of the endpoint
    "agora.acquire": _agora(
        Call.ACQUIRE,
        "Get a resource ID, which pays for one start call",
        agora.Acquired,
        AcquireBody,
    ),
    "agora.start": _agora(
        Call.START,
        "Begin a recording",
        agora.Started,
        StartBody,
        description="The bucket is tried before the answer: 200 means that a recorder has work to "
        "do and that its files can be delivered.",
    ),
    "agora.update": _agora(
        Call.UPDATE,
        "Change whom a recording records, or its storage keys",
        agora.Started,
        UpdateBody,
        description="In force from the moment of the call on, also inside a slice.",
    ),
    "agora.update_layout": _agora(
        Call.UPDATE_LAYOUT,
        "Change how a mix looks",
        agora.Started,
        UpdateLayoutBody,
        modes=("mix",),
        description="In force from the moment of the call on. Everything is replaced: what is left "
        "out returns to its default.",
    ),
    "agora.query": _agora(
        Call.QUERY,
        "How a recording stands, while it runs",
        agora.Queried,
        None,
        description="An ended recording is 404 here; the console's call knows it.",
    ),
    "agora.stop": _agora(
        Call.STOP,
        "End a recording",
        agora.Stopped,
        StopBody,
        description="Waits for up to 20 s until every file is in the bucket, unless `async_stop`.",
    ),
    "ncs.ip_v1": _ncs("callbackSources"),
    "ncs.ip_v2": _ncs("callbackSourcesV2"),
    "console.recording": Operation(
        "getRecording",
        "Console",
        "A recording, its files, and what can be cut again",
        console.Recording,
        description="Answers for every recording of the caller's, however it was started, also "
        "after its end.",
        refusals=of_console(),
    ),
    "console.report": Operation(
        "getReport",
        "Console",
        "The quality report of a recording that has ended",
        console.QualityReport,
        refusals=of_console(NotYet),
    ),
    "console.recut": Operation(
        "cutAgain",
        "Console",
        "Make other files of a recording's tape",
        console.CutAccepted,
        RecutRequest,
        status=202,
        description="Everything is optional; what is left out stays as it was. The files come "
        "beside those of the recording, under a sid of their own.",
        refusals=of_console(*OF_RECUTS),
    ),
    "alive": Operation("alive", "Service", "Whether the process answers", Health, secured=False),
    "ready": Operation(
        "ready",
        "Service",
        "Whether a start call would be served",
        Readiness,
        secured=False,
        refusals=(Refusal(503, Readiness, "Something that a start call needs is missing."),),
    ),
    "exposition": Operation(
        "metrics",
        "Service",
        "Metrics of this process, for Prometheus",
        media_type="text/plain",
        secured=False,
    ),
    "openapi.document": Operation("openapi", "Service", "This document", secured=False),
    "openapi.page": Operation(
        "docs", "Service", "This document as a page", media_type="text/html", secured=False
    ),
    "openapi.part": Operation(
        "docsPart",
        "Service",
        "A file of the page",
        media_type="*/*",
        secured=False,
        refusals=(Refusal(404, console.Refusal, "No such file."),),
    ),
}
