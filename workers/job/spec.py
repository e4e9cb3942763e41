"""What a customer asked for, as every worker sees it."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SLICE_SECONDS = 15


class Frozen(BaseModel):
    """A value that nobody changes; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Mode(StrEnum):
    """What is made of a recording."""

    INDIVIDUAL = "individual"
    MIX = "mix"


class Subscription(Frozen):
    """Whom to record.  ``None`` means everybody; deny lists win over allow lists."""

    audio: bool = True
    video: bool = True
    audio_uids: frozenset[str] | None = None
    video_uids: frozenset[str] | None = None
    not_audio_uids: frozenset[str] = frozenset()
    not_video_uids: frozenset[str] = frozenset()


class Canvas(Frozen):
    """The composite picture (reference §2.4)."""

    width: int = 360  # pixels
    height: int = 640
    fps: int = 15
    bitrate: int = 500  # kbit/s
    layout: Literal[0, 1, 2, 3] = 0
    max_resolution_uid: str = ""  # who owns the large region of layout 2; "" is nobody
    background_color: str = "#000000"  # #RRGGBB


class Storage(Frozen):
    """Where finished files go: a bucket reached through the S3 API."""

    endpoint: str  # host[:port]
    secure: bool = True
    region: str = ""  # "" lets the client ask the server
    bucket: str
    access_key: str
    secret_key: SecretStr
    session_token: SecretStr | None = None
    prefix: str = ""  # "" or "a/b/", ends with a slash
    path_style: bool = True


class Limits(Frozen):
    """When a recording ends by itself."""

    max_idle_s: int = 30


class RecordingSpec(Frozen):
    """Everything needed to make a recording; parsed once by a dialect, never changed."""

    sid: str  # 32 lower-case hex digits
    app_id: str
    cname: str
    recorder_uid: str
    mode: Mode
    dialect: Literal["agora"] = "agora"
    channel_url: str = Field(repr=False)  # its query may hold secrets
    token: SecretStr | None = None
    live: bool = False  # channelType 1: the audience alone counts as idle
    subscription: Subscription = Subscription()
    canvas: Canvas = Canvas()
    audio_profile: Literal[0, 1, 2] = 0
    stream_mode: Literal["default", "standard", "original"] = "default"
    correct_extinf: bool = False
    quality_report: bool = True  # put beside the files
    storage: Storage
    limits: Limits = Limits()
    accepted_ns: int  # when the start call was accepted, Unix nanoseconds
