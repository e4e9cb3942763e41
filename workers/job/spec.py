"""What a customer asked for, as every worker sees it."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from media.cut.look import Look
from media.tape.wanted import EVERYBODY, Wanted

SLICE_SECONDS = 15


class Frozen(BaseModel):
    """A value that nobody changes; unknown fields are errors, in which no secret stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Mode(StrEnum):
    """What is made of a recording."""

    INDIVIDUAL = "individual"
    MIX = "mix"
    RAW = "raw"  # individual media, sound and pictures together


class Subscription(Frozen):
    """Whom to record.  ``None`` means everybody; deny lists win over allow lists."""

    audio: bool = True
    video: bool = True
    audio_uids: frozenset[str] | None = None
    video_uids: frozenset[str] | None = None
    not_audio_uids: frozenset[str] = frozenset()
    not_video_uids: frozenset[str] = frozenset()

    @property
    def wanted(self) -> Wanted:
        """The same, as the cut and the tape know it."""
        return Wanted(
            audio_uids=self.audio_uids if self.audio else frozenset(),
            video_uids=self.video_uids if self.video else frozenset(),
            not_audio_uids=self.not_audio_uids,
            not_video_uids=self.not_video_uids,
        )


class Canvas(Frozen):
    """The composite picture (reference §2.4); what it shows is the spec's ``look``."""

    width: int = 360  # pixels
    height: int = 640
    fps: int = 15
    bitrate: int = 500  # kbit/s


class Storage(Frozen):
    """Where finished files go: a bucket reached through the S3 API, or a container of Azure's."""

    kind: Literal["s3", "azure"] = "s3"
    vendor: int = 11  # vendor and region as the customer numbered them
    vendor_region: int = 0
    endpoint: str  # host[:port]
    secure: bool = True
    region: str = ""  # of the signature; "" lets the client ask the server
    bucket: str
    access_key: str
    secret_key: SecretStr
    session_token: SecretStr | None = None
    prefix: str = ""  # "" or "a/b/", ends with a slash
    public: bool = False  # a customer named the host: only public addresses may be connected to
    path_style: bool = True  # the bucket (Azure: the account) stands in the path, not in the host
    encryption: Literal["", "s3", "kms"] = ""  # who keeps the keys that objects are encrypted with
    tags: tuple[tuple[str, str], ...] = ()  # of every object
    renewed_ns: int = 0  # when these keys replaced others, Unix nanoseconds; 0: they never did


class Limits(Frozen):
    """When a recording ends by itself."""

    max_idle_s: int = 30
    until_ns: int = 0  # when its token expires, Unix nanoseconds; 0: never


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
    low_stream: bool = False  # of publishers who send several layers, the lowest
    # What there may be at any time (streamTypes).  A mix has all of it from its beginning, whoever
    # is wanted then (reference §5.2): an update can bring in what start's lists left out (§2.9).
    audio: bool = True
    video: bool = True
    subscription: Subscription = Subscription()  # at the start
    canvas: Canvas = Canvas()
    look: Look = Look()  # at the start
    audio_profile: Literal[0, 1, 2] = 0
    stream_mode: Literal["default", "standard", "original"] = "default"
    correct_extinf: bool = False
    mp4: bool = False  # of a mix or of each publisher (raw), beside the segments
    mp3: bool = False  # of each publisher's sound (raw), and no segments
    webm: bool = False  # of individual media instead of segments: a file for each stretch
    files: bool = True  # segments and playlists; False: screenshots only
    snapshot_s: int = 0  # seconds between screenshots of an individual recording; 0: none
    quality_report: bool = True  # put beside the files
    streams: int = 1  # how many publishers it is for, at most: what a quota counts
    storage: Storage
    limits: Limits = Limits()
    accepted_ns: int  # when the start call was accepted, Unix nanoseconds
    # Of a recut, which is made from the tape of another recording (job/recut.py):
    tape_of: str = ""  # sid of the one that has the tape; "": it has its own
    tape_from_ns: int = 0  # where its timeline begins, on the slices' grid of that one
    follow: bool = True  # what updateLayout said while it was taped counts
    only: Wanted = EVERYBODY  # of those who were recorded

    @property
    def grows(self) -> bool:
        """Whether there are files that one slice after the other adds to."""
        return self.mp4 or self.webm or self.mp3

    @property
    def tape_sid(self) -> str:
        """Whose tape it is made from."""
        return self.tape_of or self.sid
