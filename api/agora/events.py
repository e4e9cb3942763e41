"""What callbacks tell (reference §7.2), for readers and for tests; ``workers/callbacks`` sends."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue

from api.agora.answers import Answer, Sid, UnixMs
from workers.callbacks.notice import EventType, Service


class EventDetails(Answer):
    """What happened; fields besides `msgName` depend on the event."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    msg_name: str
    """The event's name."""


class EventPayload(Answer):
    """A recording and what happened to it."""

    cname: str
    uid: str
    """Of the recorder."""
    sid: Sid
    sequence: Annotated[int, Field(ge=0)]
    """Counts the recording's events from 0, in the order in which they are sent."""
    sendts: UnixMs
    """Unix milliseconds at which it happened."""
    service_type: Service
    """0: the recording as a whole, 1: its recorder, 2: its uploader."""
    service_scene: Literal["rtc_record", "rtc_snapshot", "rtsc/raw-recording"]
    details: EventDetails


class Event(Answer):
    """The body of a callback."""

    notice_id: str
    """The same when it is sent again."""
    product_id: Literal[3]
    event_type: EventType
    notify_ms: UnixMs
    """Unix milliseconds at which this attempt was sent."""
    sid: Sid
    payload: EventPayload


def is_ours(event: Any) -> bool:
    """Whether this farm sends events like this one."""
    known = event["eventType"] in set(EventType)
    return known and event["payload"]["serviceScene"].startswith("rtc_")
