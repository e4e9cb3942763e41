"""Whom to record, from a customer's lists (reference §2.3, §2.9).  Pure."""

from dataclasses import dataclass
from typing import Final, Literal, Self

from api.agora.errors import InvalidField
from api.agora.models import EVERYBODY, AudioLists, RecordingConfig, StreamSubscribe, VideoLists
from workers.job.spec import Subscription

_AUDIO_ALONE: Final = 0  # streamTypes
_VIDEO_ALONE: Final = 1
_GROUPS: Final = (2, 7, 12, 17, 32, 49)  # subscribeUidGroup: how many publishers at most
_IN_A_MIX: Final = 17


def at_start(config: RecordingConfig) -> Subscription:
    """Whom start asks for.  Raises InvalidField for lists that contradict each other."""
    audio = _Lists.of_audio(config, "recordingConfig.")
    video = _Lists.of_video(config, "recordingConfig.")
    audio.check(excluded=config.stream_types == _VIDEO_ALONE)
    video.check(excluded=config.stream_types == _AUDIO_ALONE)
    return _subscription(
        audio,
        video,
        may_hear=config.stream_types != _VIDEO_ALONE,
        may_see=config.stream_types != _AUDIO_ALONE,
    )


def streams(config: RecordingConfig, wanted: Subscription, *, mix: bool) -> int:
    """How many publishers a recording is for, at most; only quotas count it (decision 016)."""
    most = _IN_A_MIX if mix else _GROUPS[config.subscribe_uid_group]
    named: set[str] = set()
    for recorded, uids in (
        (wanted.audio, wanted.audio_uids),
        (wanted.video, wanted.video_uids),
    ):
        if recorded and uids is None:
            return most
        named |= (uids or set()) if recorded else set()
    return min(most, len(named))


def updated(request: StreamSubscribe, *, may_hear: bool, may_see: bool) -> Subscription:
    """Whom update asks for; nothing of what was asked before stays (rule 9).

    ``may_hear`` and ``may_see`` say which media the recording has.  Raises InvalidField.
    """
    field = "streamSubscribe"
    if request.audio_uid_list is None and request.video_uid_list is None:
        raise InvalidField(field, "It must hold audioUidList or videoUidList")
    audio = _Lists.of_audio(request.audio_uid_list or AudioLists(), f"{field}.audioUidList.")
    video = _Lists.of_video(request.video_uid_list or VideoLists(), f"{field}.videoUidList.")
    if request.audio_uid_list is not None and not audio.given:
        raise InvalidField(f"{field}.audioUidList", "It must hold one list")
    if request.video_uid_list is not None and not video.given:
        raise InvalidField(f"{field}.videoUidList", "It must hold one list")
    audio.check(excluded=not may_hear)
    video.check(excluded=not may_see)
    return _subscription(audio, video, may_hear=may_hear, may_see=may_see)


@dataclass(frozen=True, slots=True)
class _Lists:
    """The allow list and the block list of one medium."""

    medium: Literal["Audio", "Video"]
    field: str  # where the customer wrote them: "a.b."
    allow: tuple[str, ...] | None
    block: tuple[str, ...] | None

    @classmethod
    def of_audio(cls, lists: AudioLists, field: str) -> Self:
        return cls("Audio", field, lists.subscribe_audio_uids, lists.un_subscribe_audio_uids)

    @classmethod
    def of_video(cls, lists: VideoLists, field: str) -> Self:
        return cls("Video", field, lists.subscribe_video_uids, lists.un_subscribe_video_uids)

    @property
    def given(self) -> bool:
        return self.allow is not None or self.block is not None

    def check(self, *, excluded: bool) -> None:
        prefix = "subscribe" if self.allow is not None else "unSubscribe"
        field = f"{self.field}{prefix}{self.medium}Uids"
        if self.given and excluded:
            raise InvalidField(field, "The recording was started without this medium")
        if self.allow is not None and self.block is not None:
            raise InvalidField(field, "An allow list and a block list cannot both be given")
        if self.allow and EVERYBODY in self.allow and len(set(self.allow)) > 1:
            raise InvalidField(field, f"{EVERYBODY} must stand alone")

    def allowed(self) -> frozenset[str] | None:
        if self.allow is None or EVERYBODY in self.allow:
            return None
        return frozenset(self.allow)


def _subscription(audio: _Lists, video: _Lists, *, may_hear: bool, may_see: bool) -> Subscription:
    """Rule 2: a list for one medium alone leaves nothing of the other."""
    return Subscription(
        audio=may_hear and (audio.given or not video.given),
        video=may_see and (video.given or not audio.given),
        audio_uids=audio.allowed(),
        video_uids=video.allowed(),
        not_audio_uids=frozenset(audio.block or ()),
        not_video_uids=frozenset(video.block or ()),
    )
