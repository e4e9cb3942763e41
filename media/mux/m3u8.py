"""M3U8 media playlists (RFC 8216) with Agora's tags: pure text from values."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

NS = 1_000_000_000

TARGET_COMPOSITE = 16  # seconds; also for audio, whose slices last up to 15.019 s
TARGET_VIDEO = 18  # video slices end at the first key frame after 15 s


@dataclass(frozen=True, slots=True)
class TrackStart:
    """``EXT-X-AGORA-TRACK-EVENT``: a track begins, or comes back after an interruption."""

    track_type: str  # "AUDIO" or "VIDEO"
    at_ns: int  # Unix nanoseconds


@dataclass(frozen=True, slots=True)
class Rotation:
    """``EXT-X-AGORA-ROTATE``: the picture's size from here on."""

    width: int
    height: int
    at_ns: int
    degrees: int = 0  # anticlockwise: 0, 90, 180, 270


@dataclass(frozen=True, slots=True)
class Entry:
    """One media segment of a playlist."""

    name: str  # bare file name
    duration_s: float
    discontinuity: bool = False  # written for the first entry in any case
    starts: tuple[TrackStart, ...] = ()
    rotation: Rotation | None = None


@dataclass(frozen=True, slots=True)
class Playlist:
    """A whole index file at one moment."""

    entries: tuple[Entry, ...]
    target_s: int = TARGET_COMPOSITE  # should not change while a playlist grows
    ended: bool = False


def render(playlist: Playlist) -> str:
    """The text of an index file; ends with a newline."""
    return "".join(f"{line}\n" for line in _lines(playlist))


def utc17(at_ns: int) -> str:
    """``yyyyMMddHHmmssSSS`` in UTC, as in file names and tags."""
    milliseconds = at_ns // 1_000_000
    when = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{when:%Y%m%d%H%M%S}{milliseconds % 1000:03d}"


def _lines(playlist: Playlist) -> Iterator[str]:
    yield "#EXTM3U"
    yield "#EXT-X-VERSION:3"
    yield "#EXT-X-MEDIA-SEQUENCE:0"
    yield "#EXT-X-ALLOW-CACHE:YES"
    yield f"#EXT-X-TARGETDURATION:{_target(playlist)}"
    for i, entry in enumerate(playlist.entries):
        if i == 0 or entry.discontinuity:
            yield "#EXT-X-DISCONTINUITY"
        yield from _agora_lines(entry)
        yield f"#EXTINF:{entry.duration_s:.6f},"
        yield entry.name
    if playlist.ended:
        yield "#EXT-X-ENDLIST"


def _agora_lines(entry: Entry) -> Iterator[str]:
    turn = entry.rotation
    if turn is not None:
        yield (
            f"#EXT-X-AGORA-ROTATE:WIDTH={turn.width},HEIGHT={turn.height},"
            f"ROTATE={turn.degrees},TIME={utc17(turn.at_ns)}"
        )
    for start in entry.starts:
        yield (
            f"#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE={start.track_type},"
            f"TIME={utc17(start.at_ns)}"
        )


def _target(playlist: Playlist) -> int:
    longest = max((entry.duration_s for entry in playlist.entries), default=0.0)
    # Readers round durations before they compare (RFC 8216 §4.3.3.1).
    return playlist.target_s if int(longest + 0.5) <= playlist.target_s else math.ceil(longest)
