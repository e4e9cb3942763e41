"""Customers' bodies as this dialect writes them (reference §1.12, §2).

Types are strict: a bool is no integer and a string is no number.  Unknown keys are ignored,
because clients of every generation send some.  Defaults are what an absent field means, which
for the official Go client is also what its zero value means.  Rules between fields are in
``translate.py``.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

MAX_UID = 2**32 - 1
EVERYBODY = "#allstream#"
_UID = re.compile(r"[1-9][0-9]{0,9}")
_KEY = re.compile(r"[\x21-\x7e]*")
_TOKEN = re.compile(r"[\x20-\x7e]*")


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


def _ranged(low: int, high: int) -> Any:
    return Field(ge=low, le=high)


Uid = Annotated[str, AfterValidator(_uid)]
Listed = Annotated[str, AfterValidator(_uid_or_everybody)]
AllowList = Annotated[tuple[Listed, ...], Field(min_length=1, max_length=32, strict=False)]
BlockList = Annotated[tuple[Uid, ...], Field(min_length=1, max_length=32, strict=False)]
Flag = Annotated[int, _ranged(0, 1)]
Text = Annotated[str, Field(max_length=2048)]
Key = Annotated[SecretStr, Field(min_length=1, max_length=256), AfterValidator(_key)]
Token = Annotated[SecretStr, Field(max_length=4096), AfterValidator(_token)]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")]
Color = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]


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

    uid: Text
    image_url: Annotated[Text, Field(alias="image_url")]
    render_mode: Annotated[Flag, Field(alias="render_mode")] = 0


class TranscodingConfig(Body):
    """The canvas of a mix (§2.4)."""

    width: Annotated[int, _ranged(16, 1920)] = 360
    height: Annotated[int, _ranged(16, 1920)] = 640
    fps: float = 15  # any number; odd ones become 15
    bitrate: Annotated[int, _ranged(1, 6500)] = 500
    mixed_video_layout: Annotated[int, _ranged(0, 3)] = 0
    max_resolution_uid: Annotated[str, AfterValidator(_uid_or_nobody)] = ""
    background_color: Color = "#000000"
    background_image: Text = ""
    default_user_background_image: Text = ""
    layout_config: Annotated[tuple[dict[str, Any], ...], Field(strict=False, max_length=17)] = ()
    background_config: Annotated[tuple[UserBackground, ...], Field(strict=False)] = ()


class RecordingConfig(Body):
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
    subscribe_audio_uids: AllowList | None = None
    un_subscribe_audio_uids: BlockList | None = Field(
        None, validation_alias=AliasChoices("unSubscribeAudioUids", "unsubscribeAudioUids")
    )
    subscribe_video_uids: AllowList | None = None
    un_subscribe_video_uids: BlockList | None = Field(
        None, validation_alias=AliasChoices("unSubscribeVideoUids", "unsubscribeVideoUids")
    )
    subscribe_uid_group: Annotated[int, _ranged(0, 5)] = 0
    private_params: Text = ""


class RecordingFileConfig(Body):
    """Which files (§2.5)."""

    av_file_type: Annotated[
        tuple[Literal["hls", "mp4", "mp3"], ...], Field(strict=False, min_length=1, max_length=3)
    ] = ("hls",)


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
    snapshot_config: dict[str, Any] | None = None
    storage_config: StorageConfig


class StopRequest(Body):
    """``clientRequest`` of stop."""

    async_stop: Annotated[bool, Field(alias="async_stop")] = False
