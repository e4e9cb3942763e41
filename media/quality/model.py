"""What is measured of one slice, as it waits in the spool for the report."""

from pydantic import BaseModel, ConfigDict

from media.quality.spans import Spans
from media.tape.model import Kind, Source


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class LineSlice(_Stored):
    """The media of one publisher's source in one slice.  Times are Unix nanoseconds."""

    uid: str
    source: Source
    heard: Spans  # where nothing is missing between one frame and the next
    first_ns: int  # the first frame, and whether nothing is missing before it
    first_intact: bool
    first_track: str
    last_track: str
    last_ns: int  # the last frame; how far it reaches is known when the next one comes
    nominal_ns: int  # the usual distance of two frames
    longest_ns: int = 0  # the longest one between which nothing is missing
    frames: int
    keyframes: int
    freezes: Spans  # pictures that stood still for too long
    waits: Spans  # pictures that could not be decoded, each range up to a key frame
    first_keyframe_ns: int  # 0: there was none
    waiting_since_ns: int  # 0: the last picture can be decoded if the first one can
    codecs: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...] = ()  # pixels


class TrackSlice(_Stored):
    """One track in one slice: when it was there, and what its recorder counted by then."""

    id: str
    uid: str
    source: Source
    kind: Kind
    connection: str
    alive: Spans
    counts: dict[str, int]  # of the last tally; they only grow


class SliceQuality(_Stored):
    """What one slice tells."""

    start_ns: int
    end_ns: int
    joined: dict[str, Spans]  # by uid
    muted: tuple[tuple[str, Source, Spans], ...]
    failovers: Spans  # nobody taped
    lines: tuple[LineSlice, ...]
    tracks: tuple[TrackSlice, ...]
    skews_us: dict[str, tuple[int, ...]]  # by uid: picture against sound, each tally
