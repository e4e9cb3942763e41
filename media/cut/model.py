"""What is asked of a cut, and what comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from media.cut.look import PLAIN, Look
from media.tape.model import Frame, Source
from media.tape.wanted import EVERYBODY, Wanted

MediaKind = Literal["audio", "video", "audio_and_video"]
Container = Literal["ts", "webm", "wav", "jpg"]
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
    rotation: int = 0  # of its first picture, see Frame.rotation
    turns: tuple[tuple[int, int], ...] = ()  # later ones: Unix nanoseconds, rotation
    profile: str = ""  # the codec as RFC 6381 names it, of copied media
    listed: bool = True  # in its line's own playlist
    # Of mode raw, see media.cut.joint:
    index: str = ""  # the codec that names its index
    number: int = 0  # of WebM: which one of its stream it is, from 0


@dataclass(frozen=True, slots=True)
class PieceFile:
    """What a slice adds to a growing file (:mod:`media.mux.piece`, :mod:`media.mux.matroska`)."""

    kind: Literal["mp4", "webm", "mp3"]
    payload: Path
    index: Path
    start_ns: int  # Unix nanoseconds
    duration_s: float
    bytes: int  # of the payload
    # Of one publisher only, see media.cut.stretches, media.cut.joint_piece and media.cut.mp3_cut.
    uid: str = NOBODY
    source: Source | None = None
    codec: str = ""  # as Codec.key, or "aac", "mp3"
    stretch: str = ""  # the file, or row of files, that it belongs to; unique in the recording
    last: bool = False  # nothing follows it in its file
    media: MediaKind | None = None  # of MP4 and MP3


@dataclass(frozen=True, slots=True)
class CutResult:
    """What one unit of work made, and what the next one needs."""

    segments: tuple[Segment, ...]
    keep_from_ns: int  # later slices read nothing of the tape before this, but what is in ``keep``
    cursor: Mapping[str, Any] = field(default_factory=dict)  # JSON; individual cuts only
    # What was read of the tape, by track id: the slice, and what lies around it.
    frames: Mapping[str, Sequence[Frame]] | None = None  # None: nothing was read
    pieces: tuple[PieceFile, ...] = ()  # of growing files, where the spec asks for them
    keep: tuple[tuple[int, int], ...] = ()  # [from, until): pictures that stand for long


@dataclass(frozen=True, slots=True)
class CompositeSpec:
    """How everybody is mixed into one picture and one sound (reference: transcodingConfig)."""

    width: int = 360  # pixels, even
    height: int = 640
    fps: int = 15
    bitrate: int = 500  # kbit/s
    look: Look = PLAIN  # at the recording's start
    follow: bool = True  # LOOK events on the tape count; False: a cut with a look of its own
    wanted: Wanted = EVERYBODY  # at the recording's start; WANTED events change it
    only: Wanted = EVERYBODY  # of those who were wanted, whom this cut shows: for cutting again
    audio_profile: int = 0  # 0 mono 48 kbit/s, 1 mono 128 kbit/s, 2 stereo 192 kbit/s
    audio: bool = True
    video: bool = True
    mp4: bool = False  # each slice also leaves its piece of an MP4

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
    wanted: Wanted = EVERYBODY  # at the recording's start; WANTED events change it
    only: Wanted = EVERYBODY  # of those who were wanted, whom this cut stores
    files: bool = True  # segments; False: screenshots only
    snapshot_s: int = 0  # seconds between screenshots; 0: none
    mp4: bool = False  # of mode raw: each segment of H.264 or AAC also leaves its piece of an MP4
