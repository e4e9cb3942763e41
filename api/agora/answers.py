"""What this dialect answers (reference §4.1 to §4.4), for readers and for tests.

``translate.py`` makes the documents; no answer may hold anything that is not said here.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    """Part of an answer, or of what we send on our own."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        use_attribute_docstrings=True,
    )


UnixMs = Annotated[int, Field(ge=0)]
ResourceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=255)]
Sid = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Acquired(Answer):
    """The answer of acquire."""

    cname: str
    uid: str
    resource_id: ResourceId
    """Good for one start call within five minutes."""


class Started(Acquired):
    """The answer of start, update and updateLayout."""

    sid: Sid
    """The recording; also its file names begin with it."""


class RecordedFile(Answer):
    """A playlist or an MP4 that stands in the bucket."""

    file_name: str
    """Object key, with the folders of `fileNamePrefix`."""
    track_type: Literal["audio", "video", "audio_and_video"]
    uid: str
    """Who was recorded; `0` in a mix."""
    mixed_all_user: bool
    is_playable: bool
    """Whether a plain HLS player can show it."""
    slice_start_time: UnixMs
    """Unix milliseconds of its first media."""


class JsonList(Answer):
    """Files of an individual recording, or of a mix with MP4."""

    file_list_mode: Literal["json"]
    file_list: list[RecordedFile]


class PlaylistName(Answer):
    """The one playlist of a mix without MP4."""

    file_list_mode: Literal["string"]
    file_list: str
    """Object key; empty until the playlist is in the bucket."""


class Progress(Answer):
    """How a recording stands; alone where screenshots are taken."""

    status: Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 20]
    """1: accepted, 2: joining, 4: in the channel, 5: a file is in the bucket, 6: stopping,
    8: ended, 20: failed."""
    slice_start_time: UnixMs
    """Unix milliseconds of the first media; 0 before it."""


class ProgressWithList(Progress, JsonList):
    """How a recording stands, and its files."""


class ProgressWithName(Progress, PlaylistName):
    """How a recording stands, and its playlist."""


class Queried(Started):
    """The answer of query."""

    server_response: ProgressWithList | ProgressWithName | Progress


class Uploading(Answer):
    """Whether everything is delivered; alone where screenshots were taken."""

    uploading_status: Literal["uploaded", "backuped", "unknown"]
    """`uploaded`: every file is verified in the bucket; `unknown`: files are still on their way, as
    an `async_stop` finds them; `backuped`: in Agora's own storage, never answered here."""


class UploadingWithList(Uploading, JsonList):
    """Whether everything is delivered, and the files so far."""


class UploadingWithName(Uploading, PlaylistName):
    """Whether everything is delivered, and the playlist."""


class Stopped(Started):
    """The answer of stop."""

    server_response: UploadingWithList | UploadingWithName | Uploading


class CallbackHost(Answer):
    """A host that sends callbacks."""

    primary_ip: Annotated[str, Field(alias="primaryIP")]


class CallbackService(Answer):
    """All of them."""

    hosts: list[CallbackHost]


class CallbackData(Answer):
    """The service that sends callbacks."""

    service: CallbackService


class CallbackSources(Answer):
    """The answer of ncs/ip."""

    data: CallbackData


class GatewayError(Answer):
    """Refused before the recording service saw the call (reference §1.5)."""

    message: str


class ServiceError(Answer):
    """Refused by the recording service (reference §1.6)."""

    code: int
    reason: str
    """What is wrong, naming the field."""
