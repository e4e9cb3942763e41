"""Playlists as pure functions of what is cut and what is delivered."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from media.mux import m3u8
from media.mux.m3u8 import Entry, Playlist, Rotation, TrackStart
from workers.job.spec import Mode, RecordingSpec
from workers.job.status import FileEntry, TrackType
from workers.spool.spool import SegmentFile, Unit

# A playlist holds URIs (RFC 8216 §4.1): a channel named "why?" must not begin a query.
_URI_SAFE = "!$&'()*+,;=@~"


@dataclass(frozen=True, slots=True)
class Line:
    """The segments of one playlist, in order, as far as the bucket has them without a hole."""

    name: str
    segments: tuple[SegmentFile, ...]
    whole: bool  # nothing of it is still to come


def lines(units: Iterable[Unit], delivered: Callable[[str], bool]) -> list[Line]:
    """Every playlist of a recording, from its slices in order.

    A playlist never names what the bucket lacks: it ends before the first segment that is not
    there, however many came after it.
    """
    listed: dict[str, list[SegmentFile]] = {}
    held_up: set[str] = set()
    final = False
    for unit in units:
        final = unit.final
        for segment in unit.segments:
            row = listed.setdefault(segment.playlist, [])
            if segment.playlist in held_up or not delivered(segment.name):
                held_up.add(segment.playlist)
            else:
                row.append(segment)
    return [Line(name, tuple(row), final and name not in held_up) for name, row in listed.items()]


def text(line: Line) -> str:
    """A playlist's file."""
    video = line.segments[0].kind == "video"
    return m3u8.render(
        Playlist(
            tuple(_entries(line.segments)),
            target_s=m3u8.TARGET_VIDEO if video else m3u8.TARGET_COMPOSITE,
            ended=line.whole,
        )
    )


def _entries(segments: tuple[SegmentFile, ...]) -> Iterator[Entry]:
    size = (0, 0)
    for segment in segments:
        turned = segment.width > 0 and (segment.width, segment.height) != size
        if turned:
            size = (segment.width, segment.height)
        yield Entry(
            name=quote(segment.name, safe=_URI_SAFE),
            duration_s=segment.duration_s,
            discontinuity=segment.discontinuity,
            starts=tuple(_starts(segment)) if segment.resumed else (),
            rotation=Rotation(*size, segment.start_ns) if turned else None,
        )


def _starts(segment: SegmentFile) -> Iterator[TrackStart]:
    for kind in segment.kind.split("_and_"):
        yield TrackStart(kind.upper(), segment.start_ns)


def entry(spec: RecordingSpec, line: Line) -> FileEntry:
    """A playlist as query, stop and callbacks name it (reference §4.3)."""
    first = line.segments[0]
    mixed = spec.mode is Mode.MIX
    kinds: dict[str, TrackType] = {
        "audio": "audio",
        "video": "video",
        "audio_and_video": "audio_and_video",
    }
    return FileEntry(
        name=spec.storage.prefix + line.name,
        track_type=kinds[first.kind],
        uid=first.uid,
        mixed=mixed,
        playable=all(segment.container == "ts" for segment in line.segments),
        slice_start_ms=first.start_ns // 1_000_000,
    )
