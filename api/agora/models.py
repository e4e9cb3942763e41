"""Customers' bodies as this dialect writes them (reference §1.12, §2).

Types are strict: a bool is no integer and a string is no number.  Unknown keys are ignored,
because clients of every generation send some.  Defaults are what an absent field means, which
for the official Go client is also what its zero value means.  Rules between fields are in
``translate.py``.
"""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

MAX_UID = 2**32 - 1
EVERYBODY = "#allstream#"
_UID = re.compile(r"[1-9][0-9]{0,9}")
_KEY = re.compile(r"[\x21-\x7e]*")
_TOKEN = re.compile(r"[\x20-\x7e]*")
_URL = re.compile(r"[\x21-\x7e]*")
_MOST_REGIONS = 17
_MOST_USERS = 50  # with a picture of their own: as many as one recording may subscribe to


def _uid(text: str) -> str:
    if not _UID.fullmatch(text) or int(text) > MAX_UID:
        raise ValueError("It must be a string that holds an integer from 1 to 4294967295")
    return text


def _uid_or_nobody(text: str) -> str:
    return text and _uid(text)


def _uid_or_everybody(text: str) -> str:
    return text if text == EVERYBODY else _uid(text)


def _key(value: SecretStr) -> SecretStr:
    """Keys and tokens end up in HTTP headers."""
    if not _KEY.fullmatch(value.get_secret_value()):
        raise ValueError("It must be printable ASCII without spaces")
    return value


def _token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("It must be printable ASCII")
    return value


def _image_url(text: str) -> str:
    """The scheme and the host; what stands behind it is looked at when it is fetched."""
    try:
        parts = urlsplit(text)
        good = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
        good = good and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        good = False
    if not good or not _URL.fullmatch(text):
        raise ValueError("It must be an http or https URL of printable ASCII without credentials")
    return text


def _image_url_or_none(text: str) -> str:
    return text and _image_url(text)


def _ranged(low: int, high: int) -> Any:
    return Field(ge=low, le=high)


Uid = Annotated[str, AfterValidator(_uid)]
UidOrNobody = Annotated[str, AfterValidator(_uid_or_nobody)]
Listed = Annotated[str, AfterValidator(_uid_or_everybody)]
AllowList = Annotated[tuple[Listed, ...], Field(min_length=1, max_length=32, strict=False)]
BlockList = Annotated[tuple[Uid, ...], Field(min_length=1, max_length=32, strict=False)]
Flag = Annotated[int, _ranged(0, 1)]
Text = Annotated[str, Field(max_length=2048)]
Key = Annotated[SecretStr, Field(min_length=1, max_length=256), AfterValidator(_key)]
Token = Annotated[SecretStr, Field(max_length=4096), AfterValidator(_token)]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")]
Color = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
ImageUrl = Annotated[Text, AfterValidator(_image_url)]
ImageUrlOrNone = Annotated[Text, AfterValidator(_image_url_or_none)]
Share = Annotated[float, _ranged(0, 1)]


class Body(BaseModel):
    """Part of a customer's document."""

    model_config = ConfigDict(
        strict=True,
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,  # inputs hold keys and tokens
    )


class Envelope(Body):
    """The outer shape of every POST body."""

    cname: str
    uid: Uid
    client_request: dict[str, Any]


class AcquireRequest(Body):
    """``clientRequest`` of acquire.  ``startParameter`` is a hint that must not fail the call."""

    scene: Annotated[int, _ranged(0, 2)] = 0
    resource_expired_hour: Annotated[int, _ranged(1, 720)] = 72
    exclude_resource_ids: Annotated[tuple[str, ...], Field(strict=False, max_length=100)] = ()
    region: Literal["CN", "AP", "EU", "NA"] | None = None
    region_affinity: Annotated[int, _ranged(0, 4)] = 0


class UserBackground(Body):
    """One entry of ``backgroundConfig``."""

    uid: Uid
    image_url: Annotated[ImageUrl, Field(alias="image_url")]
    render_mode: Annotated[Flag, Field(alias="render_mode")] = 0


class LayoutRegion(Body):
    """One entry of ``layoutConfig``: shares of the canvas (§3.6)."""

    uid: UidOrNobody = ""
    x_axis: Annotated[Share, Field(alias="x_axis")]
    y_axis: Annotated[Share, Field(alias="y_axis")]
    width: Share
    height: Share
    alpha: Share = 1
    render_mode: Annotated[Flag, Field(alias="render_mode")] = 0


class LayoutRequest(Body):
    """How a mix looks (§2.4); the whole ``clientRequest`` of updateLayout (§2.9)."""

    mixed_video_layout: Annotated[int, _ranged(0, 3)] = 0
    max_resolution_uid: UidOrNobody = ""
    background_color: Color = "#000000"
    background_image: ImageUrlOrNone = ""
    default_user_background_image: ImageUrlOrNone = ""
    layout_config: Annotated[
        tuple[LayoutRegion, ...], Field(strict=False, max_length=_MOST_REGIONS)
    ] = ()
    background_config: Annotated[
        tuple[UserBackground, ...], Field(strict=False, max_length=_MOST_USERS)
    ] = ()


class TranscodingConfig(LayoutRequest):
    """The canvas of a mix (§2.4)."""

    width: Annotated[int, _ranged(16, 1920)] = 360
    height: Annotated[int, _ranged(16, 1920)] = 640
    fps: float = 15  # any number; odd ones become 15
    bitrate: Annotated[int, _ranged(1, 6500)] = 500


class AudioLists(Body):
    """Whose sound to record (§2.3)."""

    subscribe_audio_uids: AllowList | None = None
    un_subscribe_audio_uids: BlockList | None = Field(
        None, validation_alias=AliasChoices("unSubscribeAudioUids", "unsubscribeAudioUids")
    )


class VideoLists(Body):
    """Whose pictures to record (§2.3)."""

    subscribe_video_uids: AllowList | None = None
    un_subscribe_video_uids: BlockList | None = Field(
        None, validation_alias=AliasChoices("unSubscribeVideoUids", "unsubscribeVideoUids")
    )


class RecordingConfig(AudioLists, VideoLists):
    """Whom and how to record (§2.2)."""

    channel_type: Flag = 0
    stream_types: Annotated[int, _ranged(0, 2)] = 2
    stream_mode: Literal["default", "standard", "original"] = "default"
    video_stream_type: Flag = 0
    max_idle_time: Annotated[int, _ranged(5, 2_592_000)] = 30
    decryption_mode: Annotated[int, _ranged(0, 8)] = 0
    secret: SecretStr = SecretStr("")
    salt: SecretStr = SecretStr("")
    audio_profile: Annotated[int, _ranged(0, 2)] = 0
    transcoding_config: TranscodingConfig | None = None
    subscribe_uid_group: Annotated[int, _ranged(0, 5)] = 0
    private_params: Text = ""


class RecordingFileConfig(Body):
    """Which files (§2.5)."""

    av_file_type: Annotated[
        tuple[Literal["hls", "mp4", "mp3"], ...], Field(strict=False, min_length=1, max_length=3)
    ] = ("hls",)


class SnapshotConfig(Body):
    """Screenshots (§2.6)."""

    capture_interval: Annotated[int, _ranged(1, 3600)] = 10  # seconds
    file_type: Annotated[
        tuple[Literal["jpg"], ...], Field(strict=False, min_length=1, max_length=1)
    ]


class ExtensionParams(Body):
    """The odds and ends of a storage (§2.7)."""

    sse: Literal["kms", "aes256", ""] = ""
    tag: Text = ""
    endpoint: Annotated[str, Field(max_length=300)] = ""


class StorageConfig(Body):
    """The customer's bucket (§2.7)."""

    vendor: int
    region: Annotated[int, _ranged(0, 1000)]
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$")]
    access_key: Key
    secret_key: Key
    sts_token: Token = SecretStr("")
    sts_expiration: Annotated[int, _ranged(1, 2**53)] | None = None
    file_name_prefix: Annotated[tuple[FolderName, ...], Field(strict=False)] = ()
    extension_params: ExtensionParams = ExtensionParams()


class StartRequest(Body):
    """``clientRequest`` of start."""

    token: Token = SecretStr("")
    recording_config: RecordingConfig
    recording_file_config: RecordingFileConfig = RecordingFileConfig()
    snapshot_config: SnapshotConfig | None = None
    storage_config: StorageConfig


class StopRequest(Body):
    """``clientRequest`` of stop."""

    async_stop: Annotated[bool, Field(alias="async_stop")] = False


class StreamSubscribe(Body):
    """Whom to record from now on (§2.9)."""

    audio_uid_list: AudioLists | None = None
    video_uid_list: VideoLists | None = None


class UpdateRequest(Body):
    """``clientRequest`` of update; blocks beside ``streamSubscribe`` are other modes' or later."""

    stream_subscribe: StreamSubscribe | None = None
    storage_config: Any = None
    web_recording_config: Any = None
    rtmp_publish_config: Any = None
