"""Customers' bodies as this dialect writes them (reference §1.12, §2).

Types are strict: a bool is no integer and a string is no number.  Unknown keys are ignored,
because clients of every generation send some.  Defaults are what an absent field means, which
for the official Go client is also what its zero value means.  Rules between fields are in
``translate.py``.
"""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, SecretStr

from api.agora.body import Body
from api.agora.legacy import AppsCollection, ExtensionServiceConfig, TranscodeOptions

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


def _shown(pattern: str) -> Any:
    return Field(json_schema_extra={"pattern": f"^(?:{pattern})$"})


# The patterns below are for readers of the schema: validators say more, in words.
Uid = Annotated[str, AfterValidator(_uid), _shown(_UID.pattern)]
UidOrNobody = Annotated[str, AfterValidator(_uid_or_nobody), _shown(f"({_UID.pattern})?")]
Listed = Annotated[str, AfterValidator(_uid_or_everybody), _shown(f"{EVERYBODY}|{_UID.pattern}")]
AllowList = Annotated[tuple[Listed, ...], Field(min_length=1, max_length=32, strict=False)]
BlockList = Annotated[tuple[Uid, ...], Field(min_length=1, max_length=32, strict=False)]
Flag = Annotated[int, _ranged(0, 1)]
Text = Annotated[str, Field(max_length=2048)]
Key = Annotated[
    SecretStr, Field(min_length=1, max_length=256), AfterValidator(_key), _shown(_KEY.pattern)
]
Token = Annotated[SecretStr, Field(max_length=4096), AfterValidator(_token), _shown(_TOKEN.pattern)]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")]
Color = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
ImageUrl = Annotated[Text, AfterValidator(_image_url), Field(json_schema_extra={"format": "uri"})]
ImageUrlOrNone = Annotated[Text, AfterValidator(_image_url_or_none)]
Share = Annotated[float, _ranged(0, 1)]


class Envelope(Body):
    """The outer shape of every POST body."""

    cname: str
    """The channel; the same in every call of a session. Up to 63 letters, digits, spaces and
    ``! # $ % & ( ) + - : ; < = . > ? @ [ ] ^ _ { } | ~ ,``.
    """
    uid: Uid
    """The recorder's own uid in the channel, which nobody else there may have."""
    client_request: dict[str, Any]
    """What this call is about."""


class AcquireRequest(Body):
    """``clientRequest`` of acquire.  ``startParameter`` may be there and has no effect."""

    scene: Annotated[int, _ranged(0, 2)] = 0
    """0: recordings of a channel. What 1 (web pages) and 2 (transcoding afterwards) are for is not
    available on this farm: start says so.
    """
    resource_expired_hour: Annotated[int, _ranged(1, 720)] = 72
    """Hours for which the other calls work, counted from the start call."""
    exclude_resource_ids: Annotated[tuple[str, ...], Field(strict=False, max_length=100)] = ()
    """Accepted; has no effect on a farm of one place."""
    region: Literal["CN", "AP", "EU", "NA", ""] = ""
    """Accepted; has no effect on a farm of one place."""
    region_affinity: Annotated[int, _ranged(0, 4)] = 0
    """Accepted; has no effect on a farm of one place."""


class UserBackground(Body):
    """One entry of ``backgroundConfig``."""

    uid: Uid
    """Whose region."""
    image_url: Annotated[ImageUrl, Field(alias="image_url")]
    """JPEG or BMP, shown 3.5 s after this publisher's video stopped."""
    render_mode: Annotated[Flag, Field(alias="render_mode")] = 0
    """0: cropped to fill the region, 1: fitted, with borders."""


class LayoutRegion(Body):
    """One entry of ``layoutConfig``: shares of the canvas (§3.6)."""

    uid: UidOrNobody = ""
    """Whose region; empty: the next publisher without one, in the order of joining."""
    x_axis: Annotated[Share, Field(alias="x_axis")]
    """Left edge, as a share of the canvas's width."""
    y_axis: Annotated[Share, Field(alias="y_axis")]
    """Top edge, as a share of its height."""
    width: Share
    """Share of the canvas's width; the region must end inside the canvas."""
    height: Share
    """Share of the canvas's height."""
    alpha: Share = 1
    """0: transparent, 1: opaque."""
    render_mode: Annotated[Flag, Field(alias="render_mode")] = 0
    """0: cropped to fill the region, 1: fitted, with borders."""


class LayoutRequest(Body):
    """How a mix looks (§2.4); the whole ``clientRequest`` of updateLayout (§2.9)."""

    mixed_video_layout: Annotated[int, _ranged(0, 3)] = 0
    """0: floating, 1: best fit, 2: vertical, 3: custom (needs `layoutConfig`)."""
    max_resolution_uid: UidOrNobody = ""
    """Who has the large region of layout 2."""
    background_color: Color = "#000000"
    """Of the canvas."""
    background_image: ImageUrlOrNone = ""
    """Picture on the canvas: JPEG or BMP by http or https."""
    default_user_background_image: ImageUrlOrNone = ""
    """Picture of every region whose video stopped 3.5 s ago."""
    layout_config: Annotated[
        tuple[LayoutRegion, ...], Field(strict=False, max_length=_MOST_REGIONS)
    ] = ()
    """The regions of layout 3, later ones above earlier ones."""
    background_config: Annotated[
        tuple[UserBackground, ...], Field(strict=False, max_length=_MOST_USERS)
    ] = ()
    """Pictures of single publishers' regions."""


class TranscodingConfig(LayoutRequest):
    """The canvas of a mix (§2.4)."""

    width: Annotated[int, _ranged(16, 1920)] = 360
    """Pixels; width x height at most 1920 x 1080."""
    height: Annotated[int, _ranged(16, 1920)] = 640
    """Pixels."""
    fps: float = 15  # any number; odd ones become 15
    """1, 7, 10, 15, 24, 30 or 60; any other number becomes 15."""
    bitrate: Annotated[int, _ranged(1, 6500)] = 500
    """Of the video, kbit/s."""


class AudioLists(Body):
    """Whose sound to record (§2.3)."""

    subscribe_audio_uids: AllowList | None = None
    """Record these alone; `#allstream#` stands for everybody."""
    un_subscribe_audio_uids: BlockList | None = Field(
        None, validation_alias=AliasChoices("unSubscribeAudioUids", "unsubscribeAudioUids")
    )
    """Record everybody but these. `unsubscribeAudioUids` is understood too."""


class VideoLists(Body):
    """Whose pictures to record (§2.3)."""

    subscribe_video_uids: AllowList | None = None
    """Record these alone; `#allstream#` stands for everybody."""
    un_subscribe_video_uids: BlockList | None = Field(
        None, validation_alias=AliasChoices("unSubscribeVideoUids", "unsubscribeVideoUids")
    )
    """Record everybody but these. `unsubscribeVideoUids` is understood too."""


class RecordingConfig(AudioLists, VideoLists):
    """Whom and how to record (§2.2)."""

    channel_type: Flag = 0
    """0: communication, 1: live broadcast. Decides when a channel is idle."""
    stream_types: Annotated[int, _ranged(0, 2)] = 2
    """0: sound, 1: pictures, 2: both."""
    stream_mode: Literal["default", "standard", "original"] = "default"
    """Individual mode: `standard` adds one merged playlist per publisher, `original` keeps sound
    as it was sent.
    """
    video_stream_type: Flag = 0
    """Of publishers who send several: 0 the high stream, 1 the low one."""
    max_idle_time: Annotated[int, _ranged(5, 2_592_000)] = 30
    """Seconds after which a recording of an idle channel ends."""
    decryption_mode: Annotated[int, _ranged(0, 8)] = 0
    """Only 0 is available on this farm."""
    secret: SecretStr = SecretStr("")
    """The channel's key; without `decryptionMode` it has no effect."""
    salt: SecretStr = SecretStr("")
    """As `secret`."""
    audio_profile: Annotated[int, _ranged(0, 2)] = 0
    """Of a mix: 0: mono, 48 kbit/s, 1: mono, 128 kbit/s, 2: stereo, 192 kbit/s; 48 kHz AAC."""
    transcoding_config: TranscodingConfig | None = None
    """Canvas and layout of a mix; not in other modes."""
    subscribe_uid_group: Annotated[int, _ranged(0, 5)] = 0
    """How many publishers at most, for the app's quota: 2, 7, 12, 17, 32, 49. Nobody is cut off."""
    private_params: Text = Field(
        "", validation_alias=AliasChoices("privateParams", "privateParameters")
    )
    """JSON in a string. `privateParameters` is understood too."""


class RecordingFileConfig(Body):
    """Which files (§2.5)."""

    av_file_type: Annotated[
        tuple[Literal["hls", "mp4", "mp3"], ...], Field(strict=False, min_length=1, max_length=3)
    ] = ("hls",)
    """`hls`, or `hls` and `mp4` (of a mix, or raw), or `mp3` (raw, of sound alone)."""


class SnapshotConfig(Body):
    """Screenshots (§2.6)."""

    capture_interval: Annotated[int, _ranged(1, 3600)] = 10  # seconds
    """Seconds between two screenshots of a publisher."""
    file_type: Annotated[
        tuple[Literal["jpg"], ...], Field(strict=False, min_length=1, max_length=1)
    ]
    """`jpg`."""


class ExtensionParams(Body):
    """The odds and ends of a storage (§2.7)."""

    sse: Literal["kms", "aes256", ""] = ""
    """Vendor 1: encrypted by a key service (`kms`), or with keys of S3 (`aes256`)."""
    tag: Text = ""
    """Vendors 1, 2, 11: tags of every object, `key=value&key2=value2`, at most ten."""
    endpoint: Annotated[str, Field(max_length=300)] = ""
    """Vendor 11: host, host:port, or a URL; https unless it says http. Vendor 5: an address with
    the account, if it is not that of Azure.
    """


class StorageConfig(Body):
    """The customer's bucket (§2.7)."""

    vendor: int
    """1: Amazon S3, 2: Alibaba Cloud, 3: Tencent Cloud, 5: Azure, 6: Google Cloud, 7: Huawei
    Cloud, 8: Baidu, 11: any S3 API.
    """
    region: Annotated[int, _ranged(0, 1000)]
    """The vendor's number of the region; 0 where it has none."""
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$")]
    """Must exist; it is asked for before the start call is answered."""
    access_key: Key
    """A key that may write is enough."""
    secret_key: Key
    """Is encrypted wherever it is kept."""
    sts_token: Token = SecretStr("")
    """Of temporary keys (vendors 1, 2, 3)."""
    sts_expiration: Annotated[int, _ranged(0, 2**53)] | None = None
    """Unix seconds; at least 4 hours ahead at start."""
    file_name_prefix: Annotated[tuple[FolderName, ...], Field(strict=False)] = ()
    """Folders: `["a", "b"]` puts files under `a/b/`; at most 128 characters together."""
    extension_params: ExtensionParams = ExtensionParams()
    """What only some vendors have."""


class StorageUpdate(Body):
    """Other keys of the same bucket (§2.9); what says where it is may be left out."""

    vendor: int | None = None
    """As at start, like all that is said of the bucket itself."""
    region: int | None = None
    """As at start."""
    bucket: str | None = None
    """As at start."""
    access_key: Key | None = None
    """Left out it stays as it is."""
    secret_key: Key | None = None
    """Left out it stays as it is."""
    sts_token: Token = SecretStr("")
    """Required if the recording has one."""
    sts_expiration: Annotated[int, _ranged(0, 2**53)] | None = None
    """Unix seconds; at least 4 hours ahead."""
    file_name_prefix: Annotated[tuple[FolderName, ...], Field(strict=False)] = ()
    """As at start."""
    extension_params: ExtensionParams = ExtensionParams()
    """As at start."""


class StartRequest(Body):
    """``clientRequest`` of start."""

    token: Token = SecretStr("")
    """The recorder's RTC token, if the app uses tokens; it must outlive the recording."""
    recording_config: RecordingConfig
    """Whom and how to record."""
    recording_file_config: RecordingFileConfig = RecordingFileConfig()
    """Which files; not with screenshots alone."""
    snapshot_config: SnapshotConfig | None = None
    """Screenshots, in individual mode; without `recordingFileConfig` nothing else is made."""
    storage_config: StorageConfig
    """Where the files go."""
    extension_service_config: ExtensionServiceConfig | None = None
    """Of old clients; not in mode raw."""
    apps_collection: AppsCollection = AppsCollection()
    """Of old clients."""
    transcode_options: TranscodeOptions = TranscodeOptions()
    """Of old clients."""


class StopRequest(Body):
    """``clientRequest`` of stop."""

    async_stop: Annotated[bool, Field(alias="async_stop")] = False
    """true: answer at once; false: when all files are in the bucket, which is waited for 20 s."""


class StreamSubscribe(Body):
    """Whom to record from now on (§2.9)."""

    audio_uid_list: AudioLists | None = None
    """Whose sound."""
    video_uid_list: VideoLists | None = None
    """Whose pictures."""


class UpdateRequest(Body):
    """``clientRequest`` of update; what is no storage and no list is of other modes."""

    stream_subscribe: StreamSubscribe | None = None
    """Whom to record from now on; replaces all lists before."""
    storage_config: StorageUpdate | None = None
    """Other keys of the same bucket, from the next file on."""
    web_recording_config: Any = None
    """Of web page recording, which is not available on this farm."""
    rtmp_publish_config: Any = None
    """Of web page recording, which is not available on this farm."""
