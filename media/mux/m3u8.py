"""M3U8 playlists (RFC 8216) with Agora's tags: pure text from values."""

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
    """``EXT-X-AGORA-ROTATE``: the picture's size, and how it is turned, from here on."""

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
    rotations: tuple[Rotation, ...] = ()  # one for its beginning, others for turns inside it


@dataclass(frozen=True, slots=True)
class Merged:
    """A multivariant playlist of one publisher: an audio and a video playlist (§4.3.4)."""

    audio: str  # file names; "": there is none
    video: str
    audio_codec: str = "mp4a.40.2"  # RFC 6381
    video_codec: str = ""
    width: int = 0  # pixels, the largest
    height: int = 0
    bandwidth: int = 1  # bit/s, of the dearest segments together


@dataclass(frozen=True, slots=True)
class Playlist:
    """A whole index file at one moment."""

    entries: tuple[Entry, ...]
    target_s: int = TARGET_COMPOSITE  # should not change while a playlist grows
    ended: bool = False


def render(playlist: Playlist) -> str:
    """The text of an index file; ends with a newline."""
    return "".join(f"{line}\n" for line in _lines(playlist))


def render_merged(merged: Merged) -> str:
    """The text of a multivariant playlist.

    Readers of Agora's look for the comments, and for a file name within the lines that follow.
    """
    return "".join(f"{line}\n" for line in _merged_lines(merged))


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
    for turn in entry.rotations:
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


def _merged_lines(merged: Merged) -> Iterator[str]:
    yield "#EXTM3U"
    yield "#EXT-X-VERSION:4"
    both = bool(merged.audio and merged.video)
    if both:
        yield "# Audio"
        yield (
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,'
            f'URI="{merged.audio}"'
        )
    yield "# Video" if merged.video else "# Audio"
    codecs = [merged.video_codec] * bool(merged.video) + [merged.audio_codec] * bool(merged.audio)
    told = [f"BANDWIDTH={merged.bandwidth}", f'CODECS="{",".join(filter(None, codecs))}"']
    if merged.width:
        told.append(f"RESOLUTION={merged.width}x{merged.height}")
    if both:
        told.append('AUDIO="audio"')
    yield f"#EXT-X-STREAM-INF:{','.join(told)}"
    yield merged.video or merged.audio
