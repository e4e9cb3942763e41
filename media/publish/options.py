"""What a publisher is asked for, and what it says about itself, as values."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from media.publish.tones import beep_hz, tone_hz
from media.tape.model import Kind, Source


class Video(StrEnum):
    """What to send as picture."""

    VP8 = "vp8"
    VP9 = "vp9"
    H264 = "h264"
    AV1 = "av1"
    NONE = "none"


class Audio(StrEnum):
    """What to send as sound."""

    OPUS = "opus"
    PCMU = "pcmu"  # G.711
    PCMA = "pcma"
    G722 = "g722"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """One publisher in one channel."""

    channel: str  # room+http://host:port
    cname: str
    uid: str
    media: Path | None = None  # None: the test pattern
    video: Video | None = None  # None: VP8 for the pattern, the file's own codec if it fits
    audio: Audio = Audio.OPUS
    source: Source = Source.CAMERA  # or SCREEN
    seconds: float | None = None  # None: until told to stop
    fps: int = 15  # of the pattern
    size: tuple[int, int] | None = None  # 640x360 for the pattern, a file's own
    bitrate: int | None = None  # of the picture, bit/s
    log_payloads: Path | None = None  # "<rtp timestamp> <sha256>" of each audio payload sent


@dataclass(frozen=True, slots=True)
class Ready:
    """A publisher is connected and begins to send."""

    uid: str
    video: str | None
    audio: str | None
    ssrc: dict[Kind, int]
    pattern: bool

    def to_json(self) -> dict[str, Any]:
        """The line that ``tapefarm publish`` prints when it is connected."""
        return {
            "uid": self.uid,
            "tone_hz": tone_hz(self.uid) if self.pattern and self.audio else None,
            "beep_hz": beep_hz(self.uid) if self.pattern and self.audio else None,
            "video": self.video,
            "audio": self.audio,
            "ssrc": {kind.value: ssrc for kind, ssrc in self.ssrc.items()},
        }


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What a publisher has sent when it is done; each mapping by kind."""

    uid: str
    seconds: float
    reason: str  # "stopped", "left", "time is up"
    packets: dict[Kind, int] = field(default_factory=dict)
    frames: dict[Kind, int] = field(default_factory=dict)
    resent: dict[Kind, int] = field(default_factory=dict)
    keyframes: int = 0

    def to_json(self) -> dict[str, Any]:
        """The line that ``tapefarm publish`` prints when it is done."""
        return {
            "uid": self.uid,
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
            "packets": {kind.value: n for kind, n in self.packets.items()},
            "frames": {kind.value: n for kind, n in self.frames.items()},
            "resent": {kind.value: n for kind, n in self.resent.items()},
            "keyframes": self.keyframes,
        }
