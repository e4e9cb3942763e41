"""What is asked of a cut, and what comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from media.tape.model import Frame, Source

MediaKind = Literal["audio", "video", "audio_and_video"]
Container = Literal["ts", "webm", "wav"]
StreamMode = Literal["default", "standard", "original"]

NOBODY = "0"  # the uid of a mix


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of the tape's wall-clock timeline, ``[start_ns, end_ns)``."""

    number: int
    start_ns: int  # Unix nanoseconds
    end_ns: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One finished media file."""

    uid: str  # NOBODY in a mix
    kind: MediaKind
    source: Source | None  # None in a mix
    container: Container
    path: Path
    start_ns: int  # Unix nanoseconds
    duration_s: float  # what EXTINF says
    discontinuity: bool  # it does not continue the segment before it in its line
    width: int = 0  # pixels; 0 without a picture
    height: int = 0
    codec: str = ""  # as Codec.key, or "aac"; of a mix the picture's
    resumed: bool = False  # its line begins here, or comes back after an interruption


@dataclass(frozen=True, slots=True)
class CutResult:
    """What one unit of work made, and what the next one needs."""

    segments: tuple[Segment, ...]
    keep_from_ns: int  # later slices read nothing of the tape before this
    cursor: Mapping[str, Any] = field(default_factory=dict)  # JSON; individual cuts only
    # What was read of the tape, by track id: the slice, and what lies around it.
    frames: Mapping[str, Sequence[Frame]] | None = None  # None: nothing was read


@dataclass(frozen=True, slots=True)
class CompositeSpec:
    """How everybody is mixed into one picture and one sound (reference: transcodingConfig)."""

    width: int = 360  # pixels, even
    height: int = 640
    fps: int = 15
    bitrate: int = 500  # kbit/s
    layout: int = 0  # 0 floating, 1 best fit, 2 vertical
    background_color: str = "#000000"  # #RRGGBB
    max_resolution_uid: str = ""  # who owns the large region of layout 2
    audio_profile: int = 0  # 0 mono 48 kbit/s, 1 mono 128 kbit/s, 2 stereo 192 kbit/s
    audio: bool = True
    video: bool = True

    @property
    def kind(self) -> MediaKind:
        """Which media the segments hold."""
        if self.audio and self.video:
            return "audio_and_video"
        return "video" if self.video else "audio"


@dataclass(frozen=True, slots=True)
class IndividualSpec:
    """How each publisher's media is stored apart."""

    stream_mode: StreamMode = "default"  # "original" copies sound, the others make AAC of it
    audio: bool = True
    video: bool = True
